//! From events to moving averages.
//!
//! An event only says *where* something changed. The averages are computed from what the store
//! holds now, so a second delivery, another order, or a correction that arrives first all end with
//! the same rows: those a batch computation over the stored prices gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::dead_letters::letter;
use super::relay::Backoff;
use crate::model::{Amount, MovingAverage, Position, PriceEvent, RollingMean, Symbol, Window};
use crate::ports::{
    AverageUpdate, BusError, Clock, ConsumerPosition, Delivery, EventBus, Positions, Store,
    StoreError, StoreErrorKind,
};
use crate::telemetry::metrics;

/// Deliveries worked on in one step.
const BATCH: usize = 2_000;
/// Symbols whose averages are computed in one turn.
const SYMBOLS_AT_ONCE: usize = 256;
/// Prices read at once; more are read in portions.
const READ_AT_ONCE: usize = 4_096;

/// Keeps one average per price and configured window. Nothing else writes averages.
pub struct Averager {
    store: Arc<dyn Store>,
    bus: Arc<dyn EventBus>,
    clock: Arc<dyn Clock>,
    settings: AveragerSettings,
}

/// What the averager is told by configuration.
#[derive(Debug, Clone)]
pub struct AveragerSettings {
    pub group: String,
    /// At least one.
    pub windows: Vec<Window>,
    /// Attempts before a delivery that fails by itself is parked.
    pub max_attempts: u32,
}

impl Averager {
    pub fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn EventBus>,
        clock: Arc<dyn Clock>,
        settings: AveragerSettings,
    ) -> Self {
        Self { store, bus, clock, settings }
    }

    /// The consumer group it works in.
    pub fn group(&self) -> &str {
        &self.settings.group
    }

    /// Runs until cancelled. What is under way then is delivered again.
    pub async fn run(&self, cancel: CancellationToken) {
        let _ = cancel.run_until_cancelled(self.average_for_ever()).await;
    }

    async fn average_for_ever(&self) {
        let mut pause = Backoff::default();
        loop {
            if let Err(error) = self.consume(&mut pause).await {
                tracing::warn!(%error, "the averager starts over");
                metrics::pipeline_retry("averager");
            }
            self.clock.sleep(pause.next()).await;
        }
    }

    async fn consume(
        &self,
        pause: &mut Backoff,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.materialise().await?;
        let positions = Arc::new(StoredPositions(Arc::clone(&self.store)));
        let mut subscription = self.bus.subscribe(&self.settings.group, positions).await?;
        loop {
            let deliveries = subscription.next(BATCH).await?;
            let span = tracing::debug_span!("average");
            while let Err(error) = self.apply(&deliveries).instrument(span.clone()).await {
                // The store is away: nobody's fault but its own, so nothing is given up.
                tracing::warn!(%error, "averages wait for the store");
                metrics::pipeline_retry("averager");
                self.clock.sleep(pause.next()).await;
            }
            span.in_scope(|| self.measure(&deliveries));
            subscription.ack().await?;
            pause.reset();
        }
    }

    /// Stores the effect of deliveries and how far they reach.
    async fn apply(&self, deliveries: &[Delivery]) -> Result<(), StoreError> {
        let mut touched: BTreeMap<Symbol, BTreeSet<Position>> = BTreeMap::new();
        for delivery in deliveries {
            match &delivery.event {
                Ok(event) => {
                    touched.entry(event.symbol.clone()).or_default().insert(event.position());
                }
                Err(reason) => self.park(delivery, reason, 1).await?,
            }
        }
        let touched: Vec<(Symbol, BTreeSet<Position>)> = touched.into_iter().collect();
        let mut rest = touched.as_slice();
        loop {
            let (portion, remaining) = rest.split_at(rest.len().min(SYMBOLS_AT_ONCE));
            rest = remaining;
            let symbols: Vec<Symbol> = portion.iter().map(|(symbol, _)| symbol.clone()).collect();
            let turn = self.store.average_turn(&symbols).await?;
            let mut update = AverageUpdate::default();
            let mut poison = Vec::new();
            for (symbol, positions) in portion {
                let outcome =
                    self.recompute(symbol, positions, &self.settings.windows, &mut update).await;
                match outcome {
                    Ok(()) => {}
                    Err(error) if error.kind == StoreErrorKind::Corrupt => {
                        poison.push((symbol, error));
                    }
                    Err(error) => return Err(error),
                }
            }
            if rest.is_empty() && poison.is_empty() {
                update.positions = self.positions(deliveries);
            }
            let n_averages = update.averages.len() as u64;
            metrics::store_call("apply_averages", turn.apply(update)).await?;
            metrics::averages_stored(n_averages);
            for (symbol, error) in poison {
                self.park_poison(symbol, deliveries, error).await?;
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Tells metrics and log that the effect of deliveries is stored.
    fn measure(&self, deliveries: &[Delivery]) {
        let now = self.clock.now();
        let events = || deliveries.iter().filter_map(|delivery| delivery.event.as_ref().ok());
        metrics::average_delays(events().map(|event| now.since(event.received_at)));
        for event in events() {
            // With price and version, the line joins that of the request that brought the price.
            tracing::debug!(
                message_id = %format_args!("{:032x}", event.message_id),
                price_id = event.price_id.get(),
                version = event.version,
                symbol = %event.symbol,
                "averaged"
            );
        }
    }

    fn positions(&self, deliveries: &[Delivery]) -> Vec<ConsumerPosition> {
        let mut last: BTreeMap<i32, u64> = BTreeMap::new();
        for delivery in deliveries {
            let offset = last.entry(delivery.partition).or_default();
            *offset = (*offset).max(delivery.offset);
        }
        let group = self.bus.position_name(&self.settings.group);
        last.into_iter()
            .map(|(partition, offset)| ConsumerPosition { group: group.clone(), partition, offset })
            .collect()
    }

    /// Adds to `update` every average that a change at `touched` may have moved.
    async fn recompute(
        &self,
        symbol: &Symbol,
        touched: &BTreeSet<Position>,
        windows: &[Window],
        update: &mut AverageUpdate,
    ) -> Result<(), StoreError> {
        let longest = windows.iter().map(|window| window.len()).max().unwrap_or(1);
        let touched: Vec<Position> = touched.iter().copied().collect();
        let mut rest = touched.as_slice();
        while let Some(first) = rest.first() {
            let n_from = (longest + rest.len()).min(READ_AT_ONCE.max(longest + 1));
            let values = self.store.values_around(symbol, *first, longest - 1, n_from);
            let values = metrics::store_call("values", values).await?;
            let n_behind = values.len() - values.partition_point(|(at, _)| at < first);
            let portion = Portion { symbol, values: &values, to_end: n_behind < n_from };
            let n_done = portion.n_covered(rest, longest);
            let (done, remaining) = rest.split_at(n_done);
            for window in windows {
                portion.average(done, *window, update);
            }
            rest = remaining;
        }
        Ok(())
    }

    /// Computes averages that the store does not have for all its prices: those of windows that
    /// are new in the configuration, and all of them after a restore.
    ///
    /// # Errors
    /// When the store fails; what is done stays done.
    pub async fn materialise(&self) -> Result<(), StoreError> {
        let stored = self.store.materialised_windows().await?;
        let mut wanted = self.settings.windows.clone();
        wanted.sort_unstable();
        wanted.dedup();
        if stored == wanted {
            return Ok(());
        }
        let missing: Vec<Window> =
            wanted.iter().filter(|window| !stored.contains(window)).copied().collect();
        let mut is_complete = true;
        let mut after = None;
        loop {
            let symbols = self.store.symbols(after.as_ref(), 1_000).await?;
            let Some(last) = symbols.last().cloned() else { break };
            if !missing.is_empty() {
                for symbol in &symbols {
                    match self.materialise_symbol(symbol, &missing).await {
                        // One symbol that cannot be read does not keep the others waiting.
                        Err(error) if error.kind == StoreErrorKind::Corrupt => {
                            tracing::error!(%symbol, %error, "a symbol stays without averages");
                            is_complete = false;
                        }
                        outcome => outcome?,
                    }
                }
            }
            after = Some(last);
        }
        if is_complete {
            self.store.set_materialised_windows(&wanted).await?;
        }
        Ok(())
    }

    async fn materialise_symbol(
        &self,
        symbol: &Symbol,
        windows: &[Window],
    ) -> Result<(), StoreError> {
        let longest = windows.iter().map(|window| window.len()).max().unwrap_or(1);
        let mut from = Position::MIN;
        loop {
            let turn = self.store.average_turn(std::slice::from_ref(symbol)).await?;
            let values = self.store.values_around(symbol, from, longest - 1, READ_AT_ONCE).await?;
            let mut update = AverageUpdate::default();
            for window in windows {
                let mut rolling = RollingMean::new(*window);
                for (at, price) in &values {
                    let mean = rolling.push(*price).filter(|_| *at >= from);
                    update.averages.extend(mean.map(|mean| MovingAverage {
                        symbol: symbol.clone(),
                        window: *window,
                        at: *at,
                        mean,
                    }));
                }
            }
            metrics::averages_stored(update.averages.len() as u64);
            metrics::store_call("apply_averages", turn.apply(update)).await?;
            match values.last() {
                Some((last, _)) if *last >= from => from = behind(*last),
                _ => return Ok(()),
            }
        }
    }

    /// Parks the events of a symbol whose prices cannot be read, after trying again.
    async fn park_poison(
        &self,
        symbol: &Symbol,
        deliveries: &[Delivery],
        error: StoreError,
    ) -> Result<(), StoreError> {
        let events = deliveries
            .iter()
            .filter_map(|delivery| delivery.event.as_ref().ok().map(|event| (event, delivery)));
        for (event, delivery) in events.filter(|(event, _)| event.symbol == *symbol) {
            self.park_event(event, delivery, &error).await?;
        }
        Ok(())
    }

    async fn park_event(
        &self,
        event: &PriceEvent,
        delivery: &Delivery,
        error: &StoreError,
    ) -> Result<(), StoreError> {
        let at = BTreeSet::from([event.position()]);
        let mut reason = error.to_string();
        for _ in 1..self.settings.max_attempts {
            let turn = self.store.average_turn(std::slice::from_ref(&event.symbol)).await?;
            let mut update = AverageUpdate::default();
            match self.recompute(&event.symbol, &at, &self.settings.windows, &mut update).await {
                Ok(()) => return turn.apply(update).await,
                Err(error) if error.kind == StoreErrorKind::Corrupt => reason = error.to_string(),
                Err(error) => return Err(error),
            }
        }
        self.park(delivery, &reason, self.settings.max_attempts).await
    }

    async fn park(
        &self,
        delivery: &Delivery,
        reason: &str,
        attempts: u32,
    ) -> Result<(), StoreError> {
        tracing::warn!(reason, "a delivery is parked as a dead letter");
        let message = match &delivery.event {
            // A bus that carries events as they are makes bytes only now that they are needed.
            Ok(event) if delivery.message.payload.is_empty() => self.bus.encode(event),
            _ => delivery.message.clone(),
        };
        let now = self.clock.now();
        let topic = self.bus.topic();
        let letter = letter(delivery, message, topic, reason, attempts, now);
        self.store.park(letter.clone()).await?;
        metrics::dead_letter();
        if let Err(BusError(error)) = self.bus.dead_letter(&letter).await {
            tracing::warn!(%error, "the dead letter is in the store but not on its topic");
        }
        Ok(())
    }
}

/// The averager's positions, which lie beside its results.
struct StoredPositions(Arc<dyn Store>);

#[async_trait]
impl Positions for StoredPositions {
    async fn position(&self, name: &str, partition: i32) -> Result<Option<u64>, BusError> {
        self.0.consumer_position(name, partition).await.map_err(BusError::because)
    }
}

/// Consecutive prices of one symbol, read in one snapshot.
struct Portion<'a> {
    symbol: &'a Symbol,
    values: &'a [(Position, Amount)],
    /// No price lies behind the last one.
    to_end: bool,
}

impl Portion<'_> {
    /// How many of the first `touched` positions have all averages they touch in this portion.
    fn n_covered(&self, touched: &[Position], longest: usize) -> usize {
        if self.to_end {
            return touched.len();
        }
        touched.partition_point(|at| self.index_of(*at) + longest <= self.values.len())
    }

    /// The place of a position, or of the first price behind it when it was deleted.
    fn index_of(&self, at: Position) -> usize {
        self.values.partition_point(|(position, _)| *position < at)
    }

    /// Adds the averages of one window that changes at `touched` (ascending) may have moved.
    fn average(&self, touched: &[Position], window: Window, update: &mut AverageUpdate) {
        let mut rolling = RollingMean::new(window);
        let mut touched = touched.iter().copied().peekable();
        // Prices before this index are touched: a change moves its own average and those of the
        // next `window - 1` prices.
        let mut touched_until = 0;
        for (index, (at, price)) in self.values.iter().enumerate() {
            while let Some(change) = touched.next_if(|change| change <= at) {
                touched_until = index + window.len();
                if change != *at {
                    // Nothing lies here any more, so the next price is one of those behind it.
                    touched_until -= 1;
                    update.removed.push((self.symbol.clone(), window, change));
                }
            }
            let mean = rolling.push(*price);
            if index < touched_until {
                match mean {
                    Some(mean) => update.averages.push(MovingAverage {
                        symbol: self.symbol.clone(),
                        window,
                        at: *at,
                        mean,
                    }),
                    None => update.removed.push((self.symbol.clone(), window, *at)),
                }
            }
        }
        update.removed.extend(touched.map(|change| (self.symbol.clone(), window, change)));
    }
}

/// The first position behind `at`.
fn behind(at: Position) -> Position {
    match crate::model::PriceId::new(at.id.get() + 1) {
        Some(id) => Position { id, ..at },
        None => Position::MAX,
    }
}
