//! The in-process cache: a bounded table that forgets by age.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::model::{Price, Symbol};
use crate::ports::cache::supersedes;
use crate::ports::{CacheTicket, QuoteCache};

/// A slot outlives its price: the generation voids tickets that were given out before.
#[derive(Clone, Default)]
struct Slot {
    generation: u64,
    price: Option<Arc<Price>>,
}

/// Newest prices by symbol.
pub struct MokaCache {
    slots: Cache<Symbol, Slot>,
}

impl MokaCache {
    /// A cache of at most `capacity` symbols, each kept for `ttl` after it was last written.
    pub fn new(capacity: u64, ttl: Duration) -> Self {
        Self { slots: Cache::builder().max_capacity(capacity).time_to_live(ttl).build() }
    }

    fn update(&self, symbol: &Symbol, change: impl FnOnce(Slot) -> Option<Slot>) {
        self.slots.entry_by_ref(symbol).and_compute_with(|entry| {
            let slot = entry.map(moka::Entry::into_value).unwrap_or_default();
            change(slot).map_or(Op::Nop, Op::Put)
        });
    }
}

/// A ticket for a slot that is not there: only an empty slot that nobody touched may take it.
const NO_SLOT: CacheTicket = CacheTicket(0);

#[async_trait]
impl QuoteCache for MokaCache {
    async fn get(&self, symbol: &Symbol) -> Result<Arc<Price>, CacheTicket> {
        match self.slots.get(symbol) {
            Some(Slot { price: Some(price), .. }) => Ok(price),
            Some(Slot { generation, .. }) => Err(CacheTicket(generation)),
            None => Err(NO_SLOT),
        }
    }

    async fn fill(&self, ticket: CacheTicket, price: Arc<Price>) {
        self.update(&price.observation.symbol, |slot| {
            let current = slot.generation == ticket.0;
            let newer = slot.price.as_ref().is_none_or(|cached| supersedes(&price, cached));
            (current && newer).then(|| Slot { price: Some(Arc::clone(&price)), ..slot })
        });
    }

    async fn offer(&self, price: Arc<Price>) {
        self.update(&price.observation.symbol, |slot| match &slot.price {
            Some(cached) if supersedes(&price, cached) => {
                Some(Slot { price: Some(Arc::clone(&price)), ..slot })
            }
            Some(_) => None,
            // The offered price need not be the newest in the store, so the slot stays empty; but
            // a reader that looked before it was stored must not fill in an older one.
            None => Some(Slot { generation: slot.generation + 1, price: None }),
        });
    }

    async fn invalidate(&self, symbol: &Symbol) {
        self.update(symbol, |slot| Some(Slot { generation: slot.generation + 1, price: None }));
    }

    async fn check(&self) -> Result<(), String> {
        Ok(())
    }
}
