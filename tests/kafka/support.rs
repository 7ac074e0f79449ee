//! Events, and a consumer that keeps its effects and its positions as a store would.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tickerd::adapters::bus::kafka::KafkaBus;
use tickerd::model::PriceEvent;
use tickerd::ports::{Delivery, EventBus, Positions, Subscription};

use crate::build::recorded;
use crate::positions::KeptPositions;

/// What does not come by then never comes. A broker that starts again on a starved machine takes
/// minutes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(400);

pub(crate) const N_SYMBOLS: u64 = 40;

/// The event of a sequence number. Symbols take turns.
pub(crate) fn event(sequence: u64) -> PriceEvent {
    recorded(&format!("S{}", sequence % N_SYMBOLS), sequence)
}

pub(crate) fn events(range: std::ops::Range<u64>) -> Vec<PriceEvent> {
    range.map(event).collect()
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// Waits until `attempt` has something to show.
pub(crate) async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(value) = attempt().await {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("in vain: {what}");
}

/// What consumers did together: which sequences they saw first in which order, by symbol, and how
/// far each partition is.
#[derive(Default)]
pub(crate) struct Effects {
    seen: Mutex<BTreeMap<u64, Vec<u64>>>,
    pub(crate) positions: Arc<KeptPositions>,
}

impl Effects {
    /// Stores the effect of deliveries and their positions.
    pub(crate) fn apply(&self, deliveries: &[Delivery]) {
        let mut seen = self.seen.lock().expect("not poisoned");
        let mut positions = self.positions.0.lock().expect("not poisoned");
        for delivery in deliveries {
            let sequence = delivery.event.as_ref().expect("an event").sequence.0;
            let of_symbol = seen.entry(sequence % N_SYMBOLS).or_default();
            if !of_symbol.contains(&sequence) {
                of_symbol.push(sequence);
            }
            positions.insert(delivery.partition, delivery.offset);
        }
    }

    pub(crate) fn n_seen(&self) -> usize {
        self.seen.lock().expect("not poisoned").values().map(Vec::len).sum()
    }

    /// Asserts that each of these was seen, in order by symbol.
    pub(crate) fn assert_all(&self, range: std::ops::Range<u64>) {
        let mut expected: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        range.for_each(|sequence| expected.entry(sequence % N_SYMBOLS).or_default().push(sequence));
        assert_eq!(*self.seen.lock().expect("not poisoned"), expected);
    }

    pub(crate) async fn join(&self, bus: &KafkaBus) -> Box<dyn Subscription> {
        let positions: Arc<dyn Positions> = self.positions.clone();
        bus.subscribe("averager", positions).await.expect("subscribed")
    }
}
