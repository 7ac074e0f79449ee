//! Keeps this process's cache true when other processes write to the same store.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::relay::Backoff;
use crate::model::Sequence;
use crate::ports::{Clock, LogEntry, QuoteCache, Store, StoreError};

/// Log entries read at once.
const BATCH: usize = 1_000;

/// Follows the store's log and forgets what others have changed. A cache that all processes share
/// needs none.
pub struct CacheFollower {
    store: Arc<dyn Store>,
    cache: Arc<dyn QuoteCache>,
    clock: Arc<dyn Clock>,
}

impl CacheFollower {
    pub fn new(store: Arc<dyn Store>, cache: Arc<dyn QuoteCache>, clock: Arc<dyn Clock>) -> Self {
        Self { store, cache, clock }
    }

    /// Runs until cancelled.
    pub async fn run(&self, cancel: CancellationToken) {
        let _ = cancel.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&self) {
        let mut committed = self.store.committed();
        let mut after = *committed.borrow_and_update();
        let mut pause = Backoff::default();
        loop {
            match self.catch_up(&mut after).await {
                Ok(()) => {
                    pause.reset();
                    if committed.changed().await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the cache may be behind");
                    self.clock.sleep(pause.next()).await;
                }
            }
        }
    }

    async fn catch_up(&self, after: &mut Sequence) -> Result<(), StoreError> {
        loop {
            let entries = self.store.log_after(*after, BATCH).await?;
            let Some(last) = entries.last().map(LogEntry::sequence) else { return Ok(()) };
            for entry in entries {
                if let LogEntry::Price(event) = entry {
                    self.cache.invalidate(&event.symbol).await;
                }
            }
            *after = last;
        }
    }
}
