//! The shared cache: newest prices in Redis, for all processes of an installation. Floor 2.
//!
//! The rules are one script (`quotes.lua`), run by Redis one call at a time. What this side adds:
//! after a write that may not have arrived nothing that is cached may be believed, for it may be
//! what should have been forgotten. Then nothing is read before a new epoch has emptied the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use redis::{FromRedisValue, Script};

use crate::adapters::redis::{CallError, RedisLink};
use crate::codec::cached;
use crate::model::{Price, Symbol};
use crate::ports::{CacheTicket, QuoteCache};

/// Given out while Redis is away; nothing is filled in with it.
const NO_TICKET: CacheTicket = CacheTicket(u64::MAX);

/// Newest prices by symbol.
pub struct RedisCache {
    link: Arc<RedisLink>,
    script: Script,
    clock_key: String,
    ttl_millis: String,
    /// Writes that may not have arrived, ever.
    n_lost: AtomicU64,
    /// As many of them as the last new epoch made up for.
    n_made_up: AtomicU64,
}

impl RedisCache {
    /// A cache that keeps each symbol for `ttl` after it was last written.
    pub fn new(link: Arc<RedisLink>, ttl: Duration) -> Self {
        Self {
            clock_key: link.key("quotes"),
            script: Script::new(include_str!("quotes.lua")),
            ttl_millis: ttl.as_millis().max(1).to_string(),
            link,
            n_lost: AtomicU64::new(0),
            n_made_up: AtomicU64::new(0),
        }
    }

    async fn run<T: FromRedisValue>(
        &self,
        symbol: &Symbol,
        arguments: &[&[u8]],
    ) -> Result<T, CallError> {
        let slot = self.link.key(&format!("quote:{symbol}"));
        self.link.run("cache", &self.script, &[&self.clock_key, &slot], arguments).await
    }

    /// A write that must not be lost.
    async fn write(&self, symbol: &Symbol, arguments: &[&[u8]]) {
        let unsure = Unsure(&self.n_lost);
        if self.run::<()>(symbol, arguments).await.is_ok() {
            unsure.arrived();
        }
    }

    /// Empties the cache when a write may have been lost since it last was.
    async fn make_up(&self) -> Result<(), CallError> {
        let n_lost = self.n_lost.load(Ordering::SeqCst);
        if self.n_made_up.load(Ordering::SeqCst) == n_lost {
            return Ok(());
        }
        let keys = [self.clock_key.as_str(), ""];
        self.link.run::<()>("cache", &self.script, &keys, &[b"renew"]).await?;
        self.n_made_up.fetch_max(n_lost, Ordering::SeqCst);
        Ok(())
    }
}

/// A write under way. It counts as lost when it fails, and when its caller goes away meanwhile.
struct Unsure<'a>(&'a AtomicU64);

impl Unsure<'_> {
    fn arrived(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unsure<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl QuoteCache for RedisCache {
    async fn get(&self, symbol: &Symbol) -> Result<Arc<Price>, CacheTicket> {
        if self.make_up().await.is_err() {
            return Err(NO_TICKET);
        }
        let found = self.run::<(u64, Option<Vec<u8>>)>(symbol, &[b"get"]).await;
        let Ok((generation, payload)) = found else { return Err(NO_TICKET) };
        match payload.map(|payload| cached::decode(symbol.clone(), &payload)) {
            Some(Ok(price)) => Ok(Arc::new(price)),
            // Another version of tickerd may have written what this one does not know.
            Some(Err(_)) | None => Err(CacheTicket(generation)),
        }
    }

    async fn fill(&self, ticket: CacheTicket, price: Arc<Price>) {
        if ticket == NO_TICKET {
            return;
        }
        let (ticket, ttl) = (ticket.0.to_string(), self.ttl_millis.as_bytes());
        let (rank, payload) = (rank(&price), cached::encode(&price));
        let arguments: [&[u8]; 5] = [b"fill", ttl, ticket.as_bytes(), rank.as_bytes(), &payload];
        // One that is lost is found in the store again.
        let _ = self.run::<()>(&price.observation.symbol, &arguments).await;
    }

    async fn offer(&self, price: Arc<Price>) {
        let ttl = self.ttl_millis.as_bytes();
        let (rank, payload) = (rank(&price), cached::encode(&price));
        let arguments: [&[u8]; 4] = [b"offer", ttl, rank.as_bytes(), &payload];
        self.write(&price.observation.symbol, &arguments).await;
    }

    async fn invalidate(&self, symbol: &Symbol) {
        self.write(symbol, &[b"invalidate", self.ttl_millis.as_bytes()]).await;
    }

    async fn check(&self) -> Result<(), String> {
        self.link.check().await
    }
}

/// A string that is the greater, the newer the price is: [`crate::ports::cache::supersedes`] in
/// an order that Redis can compare.
fn rank(price: &Price) -> String {
    // Flipping the sign bit puts the instants before 1970 first.
    let micros = price.observation.observed_at.as_micros() as u64 ^ (1 << 63);
    format!("{micros:016x}{:016x}{:08x}", price.id.get(), price.version)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        Amount, Currency, Observation, PriceId, ProviderName, TimeSource, Timestamp,
    };
    use crate::ports::cache::supersedes;

    fn price((micros, id, version): (i64, u64, u32)) -> Price {
        let observed_at = Timestamp::from_micros(micros).expect("a time");
        let observation = Observation {
            symbol: Symbol::parse("AAPL").expect("a symbol"),
            provider: ProviderName::manual(),
            observed_at,
            external_id: None,
            price: Amount::parse("1").expect("an amount"),
            volume: None,
            currency: Currency::USD,
            received_at: observed_at,
            time_source: TimeSource::Provider,
            raw: None,
        };
        Price { id: PriceId::new(id).expect("an id"), version, observation }
    }

    proptest! {
        #[test]
        fn ranks_order_prices_as_the_port_does(
            one in (-9_i64..9, 0_u64..20, 1_u32..20),
            other in (-9_i64..9, 0_u64..20, 1_u32..20),
        ) {
            let (one, other) = (price(one), price(other));
            prop_assert_eq!(rank(&one) >= rank(&other), supersedes(&one, &other));
        }
    }
}
