//! Keeps the store from growing for ever: drops what is older than it is to be kept, and the
//! oldest when everything takes too much.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::model::Timestamp;
use crate::ports::{Clock, Dropped, Store, StoreError};
use crate::telemetry::metrics;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(600);
/// Prices dropped in one transaction.
const PORTION: usize = 50_000;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Since the time of the price; none keeps all.
    pub age: Option<Duration>,
    /// Of prices and averages and all that belongs to them; none keeps all.
    pub bytes: Option<u64>,
}

/// Drops what is not to be kept.
pub struct Retention {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    keep: Keep,
}

impl Retention {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, keep: Keep) -> Self {
        Self { store, clock, keep }
    }

    /// Drops what is due every ten minutes, until cancelled.
    pub async fn run(&self, cancel: CancellationToken) {
        while !cancel.is_cancelled() {
            let looked = cancel.run_until_cancelled(self.drop_due()).await;
            if let Some(Err(error)) = looked {
                tracing::warn!(%error, "old prices are not dropped");
            }
            let _ = cancel.run_until_cancelled(self.clock.sleep(PAUSE)).await;
        }
    }

    /// Drops what is due now; answers how much that was.
    ///
    /// # Errors
    /// When the store fails; what was dropped by then is gone.
    pub async fn drop_due(&self) -> Result<Dropped, StoreError> {
        let mut sum = Dropped::default();
        let Some(cutoff) = self.cutoff().await? else { return Ok(sum) };
        loop {
            let dropped = self.store.drop_before(cutoff, PORTION).await?;
            if dropped.is_nothing() {
                break;
            }
            metrics::dropped(dropped.n_prices, dropped.n_averages);
            sum.n_prices += dropped.n_prices;
            sum.n_averages += dropped.n_averages;
        }
        if !sum.is_nothing() {
            let Dropped { n_prices, n_averages } = sum;
            tracing::info!(%cutoff, n_prices, n_averages, "old prices are dropped");
        }
        Ok(sum)
    }

    async fn cutoff(&self) -> Result<Option<Timestamp>, StoreError> {
        let by_age = self.keep.age.map(|age| self.clock.now().minus(age));
        let by_size = match self.keep.bytes {
            Some(n_bytes) => self.store.fitting_from(n_bytes).await?,
            None => None,
        };
        Ok(by_age.max(by_size))
    }
}
