//! From the store's log to whoever watches: every change once, in order, from any point the log
//! still reaches.
//!
//! One loop reads the log as it grows and broadcasts what it reads in batches that say between
//! which sequences they lie. A [`Subscription`] knows the sequence it has come to. A batch that
//! begins behind that sequence leaves a gap, and a gap is read from the store: at the start of a
//! resumed subscription, after the broadcast has dropped what a slow reader left lying, and after
//! the loop has passed over what nobody watched. So there is one rule for all of them, and nothing
//! is lost or doubled whatever the two sides do.
//!
//! This rests on the log's promise that sequences become visible in their order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::relay::Backoff;
use crate::model::{
    EventKind, Position, PriceId, ProviderName, Sequence, Symbol, Timestamp, Window,
};
use crate::ports::{Clock, LogEntry, Outbox, StoreError};
use crate::telemetry::metrics;

/// Log entries read at once.
const PAGE: usize = 512;
/// Held entries of a conflating subscription; more are delivered before their time.
const MAX_HELD: usize = 10_000;

/// The bounds of [`Live`].
#[derive(Debug, Clone)]
pub struct LiveSettings {
    /// Subscriptions at the same time.
    pub max_subscribers: usize,
    /// Batches kept in memory for subscribers that are not as fast as the log; slower ones read
    /// the store.
    pub buffered_batches: usize,
    /// How long subscriptions may take to notice that the service stops.
    pub stop_timeout: Duration,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            max_subscribers: 1_024,
            // At most 32,768 entries, some 10 MB, and only while somebody lags.
            buffered_batches: 64,
            stop_timeout: Duration::from_secs(2),
        }
    }
}

/// Which entries a subscription wants.
#[derive(Debug, Clone)]
pub struct Filter {
    /// All symbols when none.
    pub symbols: Option<HashSet<Symbol>>,
    pub prices: bool,
    pub averages: bool,
}

impl Filter {
    pub const ALL: Self = Self { symbols: None, prices: true, averages: true };

    fn wants(&self, entry: &LogEntry) -> bool {
        let (wanted, symbol) = match entry {
            LogEntry::Price(event) => (self.prices, &event.symbol),
            LogEntry::Average { average, .. } => (self.averages, &average.symbol),
        };
        wanted && self.symbols.as_ref().is_none_or(|symbols| symbols.contains(symbol))
    }
}

/// What a subscriber asks for.
#[derive(Debug, Clone)]
pub struct Request {
    pub filter: Filter,
    /// Continue behind this sequence; from now on when none.
    pub since: Option<Sequence>,
    /// Deliver at most once in this time, and then only the newest price of each symbol and
    /// provider and the newest average of each symbol and window. Corrections and deletions are
    /// delivered all.
    pub conflate: Option<Duration>,
}

/// Why there is no subscription.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    #[error("all {0} live streams are taken")]
    Full(usize),
    #[error("the service is stopping")]
    Stopping,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a subscription brings.
#[derive(Debug)]
pub enum Delivery {
    /// At least one entry, in sequence order.
    Entries(Vec<Arc<LogEntry>>),
    /// The log does not reach back to where the subscriber was: what it knows must be read again.
    /// Entries behind `position` follow.
    Reset { position: Sequence, log_start: Sequence },
    /// Nothing follows. The subscriber may come back with the sequence it has come to.
    Ended(EndReason),
}

/// Why a subscription ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    Stopping,
    /// The subscriber is so slow that the log no longer reaches back to where it is.
    TooSlow,
    StoreFailed,
    /// The subscriber would not be let in any more.
    Refused,
}

impl EndReason {
    /// The word for it in messages and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::TooSlow => "too-slow",
            Self::StoreFailed => "store-unavailable",
            Self::Refused => "refused",
        }
    }
}

/// All entries of the log with `after < sequence <= through`.
#[derive(Debug)]
struct Batch {
    after: Sequence,
    through: Sequence,
    entries: Vec<Arc<LogEntry>>,
}

/// Fans the log out.
pub struct Live {
    log: Arc<dyn Outbox>,
    clock: Arc<dyn Clock>,
    settings: LiveSettings,
    batches: broadcast::Sender<Arc<Batch>>,
    room: Arc<Semaphore>,
    stopping: CancellationToken,
}

impl Live {
    pub fn new(log: Arc<dyn Outbox>, clock: Arc<dyn Clock>, settings: LiveSettings) -> Self {
        let (batches, _) = broadcast::channel(settings.buffered_batches.max(1));
        let room = Arc::new(Semaphore::new(settings.max_subscribers));
        Self { log, clock, settings, batches, room, stopping: CancellationToken::new() }
    }

    /// Runs until cancelled, then ends all subscriptions and waits for them to be gone, for no
    /// longer than the settings allow. There is no second run.
    ///
    /// The server lets requests under way finish, and a stream only finishes by this: cancel it no
    /// later than the server.
    pub async fn run(&self, cancel: CancellationToken) {
        // Also when this future is dropped.
        let stop = self.stopping.clone().drop_guard();
        let _ = cancel.run_until_cancelled(self.follow_for_ever()).await;
        drop(stop);
        let all = u32::try_from(self.settings.max_subscribers).unwrap_or(u32::MAX);
        let gone = self.room.acquire_many(all);
        if tokio::time::timeout(self.settings.stop_timeout, gone).await.is_err() {
            tracing::warn!("live streams were still open when the time to end was over");
        }
    }

    async fn follow_for_ever(&self) {
        let mut committed = self.log.committed();
        let mut position = *committed.borrow_and_update();
        let mut pause = Backoff::default();
        loop {
            match self.follow(&mut committed, &mut position).await {
                Ok(true) => pause.reset(),
                Ok(false) => {
                    // A store that is gone sends no more; the pause keeps this from spinning.
                    if committed.changed().await.is_err() {
                        self.clock.sleep(pause.next()).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "live streams wait for the store");
                    metrics::pipeline_retry("live");
                    self.clock.sleep(pause.next()).await;
                }
            }
        }
    }

    /// Broadcasts the next batch; false when there is none.
    async fn follow(
        &self,
        committed: &mut watch::Receiver<Sequence>,
        position: &mut Sequence,
    ) -> Result<bool, StoreError> {
        let last = *committed.borrow_and_update();
        // Looked at after `last`: whoever subscribes later reads the store when `last` is in it.
        if self.batches.receiver_count() == 0 {
            *position = last.max(*position);
            return Ok(false);
        }
        let entries = self.log.log_after(*position, PAGE).await?;
        let Some(through) = entries.last().map(LogEntry::sequence) else { return Ok(false) };
        let entries = entries.into_iter().map(Arc::new).collect();
        // Nobody there any more is no failure.
        let _ = self.batches.send(Arc::new(Batch { after: *position, through, entries }));
        *position = through;
        Ok(true)
    }

    /// Starts a subscription.
    ///
    /// # Errors
    /// When there is no room, the service is stopping or the store fails.
    pub async fn subscribe(&self, request: Request) -> Result<Subscription, SubscribeError> {
        if self.stopping.is_cancelled() {
            return Err(SubscribeError::Stopping);
        }
        let permit = Arc::clone(&self.room)
            .try_acquire_owned()
            .map_err(|_| SubscribeError::Full(self.settings.max_subscribers))?;
        // Before the committed sequence is looked at, so that nothing falls between the two.
        let batches = self.batches.subscribe();
        let last = *self.log.committed().borrow();
        let log_start = self.log.log_start().await?;
        let (position, reset) = match request.since {
            None => (last, None),
            Some(since) if (log_start..=last).contains(&since) => (since, None),
            Some(_) => (last, Some(log_start)),
        };
        Ok(Subscription {
            log: Arc::clone(&self.log),
            clock: Arc::clone(&self.clock),
            filter: request.filter,
            batches,
            position,
            delivered: position,
            reset,
            behind: true,
            held: request.conflate.map(Held::new),
            stopping: self.stopping.clone(),
            _place: Place::taken(permit),
        })
    }

    /// How many subscriptions there are.
    pub fn n_subscribers(&self) -> usize {
        self.settings.max_subscribers - self.room.available_permits()
    }
}

/// One of the places there are, counted while it is taken.
struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn taken(permit: OwnedSemaphorePermit) -> Self {
        metrics::stream_opened();
        Self { _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::stream_closed();
    }
}

/// One reader of the log.
pub struct Subscription {
    log: Arc<dyn Outbox>,
    clock: Arc<dyn Clock>,
    filter: Filter,
    batches: broadcast::Receiver<Arc<Batch>>,
    /// The last sequence looked at.
    position: Sequence,
    /// The last sequence up to which everything wanted is delivered.
    delivered: Sequence,
    /// The start of the log, while the subscriber is still to be told that it cannot resume.
    reset: Option<Sequence>,
    /// Entries behind `position` may be in the store that no batch will bring.
    behind: bool,
    held: Option<Held>,
    stopping: CancellationToken,
    _place: Place,
}

impl Subscription {
    /// Where to continue when the subscription ends now: all that was wanted up to here has been
    /// delivered.
    pub fn delivered(&self) -> Sequence {
        self.delivered
    }

    /// The next entries. Cancel safe.
    pub async fn next(&mut self) -> Delivery {
        if let Some(log_start) = self.reset.take() {
            return Delivery::Reset { position: self.position, log_start };
        }
        let stopping = self.stopping.clone();
        match stopping.run_until_cancelled(self.wanted()).await {
            None => Delivery::Ended(EndReason::Stopping),
            Some(Ok(entries)) => Delivery::Entries(entries),
            Some(Err(reason)) => Delivery::Ended(reason),
        }
    }

    async fn wanted(&mut self) -> Result<Vec<Arc<LogEntry>>, EndReason> {
        loop {
            let due_in = self.held.as_ref().and_then(|held| held.due_in(self.clock.now()));
            if due_in.is_some_and(|due_in| due_in.is_zero()) {
                let entries = self.held.as_mut().map(Held::release).unwrap_or_default();
                self.delivered = self.position;
                return Ok(entries);
            }
            let clock = Arc::clone(&self.clock);
            let due = async move {
                match due_in {
                    Some(due_in) => clock.sleep(due_in).await,
                    None => std::future::pending().await,
                }
            };
            // Fair on purpose: neither a busy log nor the interval starves the other.
            let entries = tokio::select! {
                () = due => continue,
                entries = self.read() => entries?,
            };
            match &mut self.held {
                Some(held) => {
                    held.hold(entries, self.clock.now());
                    if held.entries.is_empty() {
                        self.delivered = self.position;
                    }
                }
                None => {
                    self.delivered = self.position;
                    if !entries.is_empty() {
                        return Ok(entries);
                    }
                }
            }
        }
    }

    /// Moves `position` forward and answers what was wanted of what lay between. Cancel safe:
    /// nothing is awaited between the last receipt and the move.
    async fn read(&mut self) -> Result<Vec<Arc<LogEntry>>, EndReason> {
        if self.behind {
            return self.read_store().await;
        }
        match self.batches.recv().await {
            Ok(batch) if batch.after > self.position => {
                self.behind = true;
                Ok(Vec::new())
            }
            Ok(batch) => {
                let from = batch.entries.partition_point(|one| one.sequence() <= self.position);
                let new = batch.entries[from..].iter().filter(|entry| self.filter.wants(entry));
                let new = new.cloned().collect();
                self.position = self.position.max(batch.through);
                Ok(new)
            }
            Err(RecvError::Lagged(_)) => {
                self.behind = true;
                Ok(Vec::new())
            }
            Err(RecvError::Closed) => Err(EndReason::Stopping),
        }
    }

    async fn read_store(&mut self) -> Result<Vec<Arc<LogEntry>>, EndReason> {
        let failed = |error: StoreError| {
            tracing::warn!(%error, "a live stream ends");
            EndReason::StoreFailed
        };
        let entries = self.log.log_after(self.position, PAGE).await.map_err(failed)?;
        // Asked for after the entries were read: if the log reaches back to `position` now, it did
        // so then, and none of them was missing.
        if self.log.log_start().await.map_err(failed)? > self.position {
            return Err(EndReason::TooSlow);
        }
        self.behind = entries.len() == PAGE;
        if let Some(last) = entries.last() {
            self.position = last.sequence();
        }
        let wanted = entries.into_iter().filter(|entry| self.filter.wants(entry));
        Ok(wanted.map(Arc::new).collect())
    }
}

/// What makes a later entry replace an earlier one.
#[derive(PartialEq, Eq, Hash)]
enum Topic {
    Price(Symbol, ProviderName),
    Average(Symbol, Window),
}

/// The entries of a conflating subscription that wait for their interval to pass.
struct Held {
    interval: Duration,
    due_at: Option<Timestamp>,
    entries: BTreeMap<Sequence, Arc<LogEntry>>,
    newest: HashMap<Topic, (Position, Sequence)>,
}

impl Held {
    fn new(interval: Duration) -> Self {
        Self { interval, due_at: None, entries: BTreeMap::new(), newest: HashMap::new() }
    }

    fn due_in(&self, now: Timestamp) -> Option<Duration> {
        if self.entries.len() >= MAX_HELD {
            return Some(Duration::ZERO);
        }
        // A clock set back must not hold entries for longer than the interval.
        self.due_at.map(|due_at| due_at.since(now).min(self.interval))
    }

    fn hold(&mut self, entries: Vec<Arc<LogEntry>>, now: Timestamp) {
        for entry in entries {
            self.due_at.get_or_insert(now.plus(self.interval));
            let sequence = entry.sequence();
            let (topic, at) = match &*entry {
                LogEntry::Price(event) if event.kind == EventKind::Recorded => {
                    let topic = Topic::Price(event.symbol.clone(), event.provider.clone());
                    (topic, event.position())
                }
                LogEntry::Price(_) => {
                    self.entries.insert(sequence, entry);
                    continue;
                }
                LogEntry::Average { average, .. } => {
                    (Topic::Average(average.symbol.clone(), average.window), average.at)
                }
            };
            // A late price is not the newest one, though it comes last.
            let oldest = Position { observed_at: Timestamp::MIN, id: PriceId::MIN };
            let newest = self.newest.entry(topic).or_insert((oldest, sequence));
            if at >= newest.0 {
                self.entries.remove(&newest.1);
                *newest = (at, sequence);
                self.entries.insert(sequence, entry);
            }
        }
    }

    fn release(&mut self) -> Vec<Arc<LogEntry>> {
        self.due_at = None;
        self.newest.clear();
        std::mem::take(&mut self.entries).into_values().collect()
    }
}
