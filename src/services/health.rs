//! Is the service ready, and if not, why?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ports::{EventBus, QuoteCache, Store};

/// The state of one part, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartState {
    Ok,
    /// It works, but not as it should.
    Degraded(String),
    Down(String),
}

/// Answers `/ready`.
pub struct Health {
    store: Arc<dyn Store>,
    cache: Arc<dyn QuoteCache>,
    bus: Arc<dyn EventBus>,
    stopping: AtomicBool,
    /// From this outbox depth on, averages and streams trail far enough to say so.
    degraded_outbox: u64,
}

impl Health {
    pub fn new(
        store: Arc<dyn Store>,
        cache: Arc<dyn QuoteCache>,
        bus: Arc<dyn EventBus>,
        degraded_outbox: u64,
    ) -> Self {
        Self { store, cache, bus, stopping: AtomicBool::new(false), degraded_outbox }
    }

    /// From now on the service says that it is going away.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// The state of every part, by name.
    pub async fn parts(&self) -> Vec<(&'static str, PartState)> {
        let store = match self.store.check().await {
            Ok(()) => PartState::Ok,
            Err(error) => PartState::Down(error.to_string()),
        };
        let cache = match self.cache.check().await {
            Ok(()) => PartState::Ok,
            Err(reason) => PartState::Degraded(reason),
        };
        let bus = match self.bus.check().await {
            Ok(()) => PartState::Ok,
            Err(error) => PartState::Degraded(error.to_string()),
        };
        let outbox = match self.store.depth().await {
            Ok(depth) if depth >= self.degraded_outbox => {
                PartState::Degraded(format!("{depth} events wait to be published"))
            }
            Ok(_) => PartState::Ok,
            Err(error) => PartState::Down(error.to_string()),
        };
        let service = if self.stopping.load(Ordering::Acquire) {
            PartState::Down("the service is stopping".into())
        } else {
            PartState::Ok
        };
        vec![
            ("service", service),
            ("store", store),
            ("cache", cache),
            ("bus", bus),
            ("outbox", outbox),
        ]
    }
}
