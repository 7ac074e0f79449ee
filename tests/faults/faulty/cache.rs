//! A cache that fails, which means that it knows less.

use std::sync::Arc;

use async_trait::async_trait;
use tickerd::model::{Price, Symbol};
use tickerd::ports::{CacheTicket, QuoteCache};

use super::Faulty;

#[async_trait]
impl QuoteCache for Faulty<dyn QuoteCache> {
    async fn get(&self, symbol: &Symbol) -> Result<Arc<Price>, CacheTicket> {
        let found = self.inner.get(symbol).await;
        if self.faults.strikes("cache misses") {
            self.inner.invalidate(symbol).await;
            return self.inner.get(symbol).await;
        }
        found
    }

    async fn fill(&self, ticket: CacheTicket, price: Arc<Price>) {
        if !self.faults.strikes("cache forgets") {
            self.inner.fill(ticket, price).await;
        }
    }

    async fn offer(&self, price: Arc<Price>) {
        // A cache that is away when it is offered a price must not answer the one before.
        if self.faults.strikes("cache forgets") {
            self.inner.invalidate(&price.observation.symbol).await;
        } else {
            self.inner.offer(price).await;
        }
    }

    async fn invalidate(&self, symbol: &Symbol) {
        self.inner.invalidate(symbol).await;
    }

    async fn check(&self) -> Result<(), String> {
        self.inner.check().await
    }
}
