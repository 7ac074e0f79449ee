//! From the outbox to the bus: in order, at least once, each confirmed only when the bus has it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::model::Sequence;
use crate::ports::{Clock, EventBus, Store};
use crate::telemetry::metrics;

/// Events handed to the bus at once.
const BATCH: usize = 2_000;
/// The longest pause between attempts while bus or store are away.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Publishes what the store has committed. Nothing else publishes.
pub struct Relay {
    store: Arc<dyn Store>,
    bus: Arc<dyn EventBus>,
    clock: Arc<dyn Clock>,
}

impl Relay {
    pub fn new(store: Arc<dyn Store>, bus: Arc<dyn EventBus>, clock: Arc<dyn Clock>) -> Self {
        Self { store, bus, clock }
    }

    /// Runs until cancelled. What is under way then stays in the outbox.
    pub async fn run(&self, cancel: CancellationToken) {
        // `None` is the only way out, so the result carries nothing.
        let _ = cancel.run_until_cancelled(self.publish_for_ever()).await;
    }

    async fn publish_for_ever(&self) {
        let mut committed = self.store.committed();
        let mut pause = Backoff::default();
        loop {
            committed.mark_unchanged();
            match self.publish_next().await {
                Ok(0) => {
                    // A store that is gone sends no more; the pause keeps this from spinning.
                    if committed.changed().await.is_err() {
                        self.clock.sleep(MAX_PAUSE).await;
                    }
                }
                Ok(_) => pause.reset(),
                Err(error) => {
                    tracing::warn!(%error, "events wait in the outbox");
                    metrics::pipeline_retry("relay");
                    self.clock.sleep(pause.next()).await;
                }
            }
        }
    }

    /// Publishes and confirms the next events; answers how many there were.
    async fn publish_next(&self) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let events = metrics::store_call("pending", self.store.pending(BATCH)).await?;
        if events.is_empty() {
            metrics::outbox_depth(0);
            return Ok(0);
        }
        metrics::outbox_depth(self.store.depth().await?);
        let sequences: Vec<Sequence> = events.iter().map(|event| event.sequence).collect();
        self.bus.publish(events).await?;
        metrics::store_call("confirm", self.store.confirm(&sequences)).await?;
        metrics::events_published(sequences.len() as u64);
        Ok(sequences.len())
    }
}

/// Pauses that double from 50 ms to [`MAX_PAUSE`].
#[derive(Default)]
pub struct Backoff {
    n_failures: u32,
}

impl Backoff {
    pub fn reset(&mut self) {
        self.n_failures = 0;
    }

    #[expect(clippy::should_implement_trait, reason = "pauses are not items of a sequence")]
    pub fn next(&mut self) -> Duration {
        let pause = Duration::from_millis(50 << self.n_failures.min(10));
        self.n_failures += 1;
        pause.min(MAX_PAUSE)
    }
}
