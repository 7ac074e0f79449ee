//! Plays one provider into ingest at a steady pace: the demo.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ingest::Ingest;
use crate::model::{Observation, Symbol};
use crate::ports::{Clock, PriceProvider, Quote};

/// Asks one provider for a fixed list of symbols, again and again.
pub struct Feed {
    provider: Arc<dyn PriceProvider>,
    symbols: Vec<Symbol>,
    interval: Duration,
    ingest: Arc<Ingest>,
    clock: Arc<dyn Clock>,
}

impl Feed {
    pub fn new(
        provider: Arc<dyn PriceProvider>,
        symbols: Vec<Symbol>,
        interval: Duration,
        ingest: Arc<Ingest>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { provider, symbols, interval, ingest, clock }
    }

    /// Runs until cancelled.
    pub async fn run(&self, cancel: CancellationToken) {
        let _ = cancel.run_until_cancelled(self.feed_for_ever()).await;
    }

    async fn feed_for_ever(&self) {
        loop {
            if let Err(error) = self.feed_once().await {
                tracing::warn!(provider = %self.provider.profile().name, %error, "no prices");
            }
            self.clock.sleep(self.interval).await;
        }
    }

    async fn feed_once(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let quotes = self.provider.quotes(&self.symbols).await?;
        let quotes = quotes.into_iter().filter_map(|(_, quote)| quote.ok());
        let batch = quotes.map(|quote| self.observation(quote)).collect();
        self.ingest.record(batch).await?;
        Ok(())
    }

    fn observation(&self, quote: Quote) -> Observation {
        Observation {
            symbol: quote.symbol,
            provider: self.provider.profile().name.clone(),
            observed_at: quote.observed_at,
            external_id: None,
            price: quote.price,
            volume: quote.volume,
            currency: quote.currency,
            received_at: self.clock.now(),
            time_source: quote.time_source,
            raw: quote.raw,
        }
    }
}
