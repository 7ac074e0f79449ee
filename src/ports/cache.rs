//! The newest price of each symbol, kept close.

use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{Price, Symbol};

/// Proof of what a reader saw; see [`QuoteCache::fill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheTicket(pub u64);

/// A cache of the newest price of each symbol. It never fails a request: a backend that is away is
/// a miss, counted.
///
/// The rule that keeps it true: a price read from the store may only be put in if nothing was
/// invalidated since before the read.
#[async_trait]
pub trait QuoteCache: Send + Sync {
    /// The cached price, or a ticket to fill the gap with.
    async fn get(&self, symbol: &Symbol) -> Result<Arc<Price>, CacheTicket>;

    /// Puts in what a reader found in the store after [`QuoteCache::get`] gave it `ticket`. Does
    /// nothing when the symbol was invalidated in between or a newer price is there.
    async fn fill(&self, ticket: CacheTicket, price: Arc<Price>);

    /// Puts in a price that was just stored, unless a newer one is there. Newer is the greater
    /// (`observed_at`, id, version).
    async fn offer(&self, price: Arc<Price>);

    /// Forgets a symbol, and voids all tickets given out for it so far.
    async fn invalidate(&self, symbol: &Symbol);

    /// Whether the backend answers, in words when not.
    async fn check(&self) -> Result<(), String>;
}

/// Whether `candidate` may take the place of `cached`.
pub fn supersedes(candidate: &Price, cached: &Price) -> bool {
    (candidate.position(), candidate.version) >= (cached.position(), cached.version)
}
