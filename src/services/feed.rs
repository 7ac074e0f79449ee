//! Plays one provider into ingest at a steady pace: the demo.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ingest::Ingest;
use crate::model::{Observation, Symbol};
use crate::ports::{Clock, PriceProvider, Quote, Store, StoreError};

/// Asks one provider for a fixed list of symbols, again and again.
pub struct Feed {
    provider: Arc<dyn PriceProvider>,
    symbols: Vec<Symbol>,
    interval: Duration,
    ingest: Arc<Ingest>,
    clock: Arc<dyn Clock>,
    past: Option<(Vec<Quote>, Arc<dyn Store>)>,
}

/// What is stored of the past at a time: a stop waits for no more than this.
const PAST_AT_ONCE: usize = 1_000;

impl Feed {
    pub fn new(
        provider: Arc<dyn PriceProvider>,
        symbols: Vec<Symbol>,
        interval: Duration,
        ingest: Arc<Ingest>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { provider, symbols, interval, ingest, clock, past: None }
    }

    /// Begins with quotes of before its start, oldest first. They are stored for symbols that have
    /// no price yet: what is stored is never filled up behind its back.
    #[must_use]
    pub fn behind(mut self, past: Vec<Quote>, store: Arc<dyn Store>) -> Self {
        self.past = Some((past, store));
        self
    }

    /// Runs until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        let past = self.past.take();
        let play = async {
            if let Some((quotes, store)) = past
                && let Err(error) = self.store_past(quotes, &*store).await
            {
                tracing::warn!(provider = %self.provider.profile().name, %error, "no past");
            }
            self.feed_for_ever().await;
        };
        let _ = cancel.run_until_cancelled(play).await;
    }

    async fn feed_for_ever(&self) {
        loop {
            if let Err(error) = self.feed_once().await {
                tracing::warn!(provider = %self.provider.profile().name, %error, "no prices");
            }
            self.clock.sleep(self.interval).await;
        }
    }

    async fn store_past(&self, quotes: Vec<Quote>, store: &dyn Store) -> Result<(), StoreError> {
        let mut empty = BTreeSet::new();
        for symbol in &self.symbols {
            if store.latest(symbol, None, None).await?.is_none() {
                empty.insert(symbol.clone());
            }
        }
        let mut quotes = quotes.into_iter().filter(|quote| empty.contains(&quote.symbol));
        loop {
            let batch = quotes.by_ref().take(PAST_AT_ONCE).map(|quote| self.observation(quote));
            let batch: Vec<Observation> = batch.collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.ingest.record(batch).await?;
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
