//! The cases of the `QuoteCache` port and the backends they run on.

use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::cache::moka::MokaCache;
#[cfg(feature = "redis")]
use tickerd::adapters::cache::redis::RedisCache;
use tickerd::model::{ExternalId, Price, PriceId};
use tickerd::ports::{CacheTicket, QuoteCache};
use tokio::task::JoinSet;

use crate::build::{amount, observed, raw, symbol};

fn price(secs: u64, id: u64, version: u32) -> Arc<Price> {
    let id = PriceId::new(id).expect("an id");
    Arc::new(Price { id, version, observation: observed("AAPL", secs, "1") })
}

async fn ticket(cache: &dyn QuoteCache) -> CacheTicket {
    cache.get(&symbol("AAPL")).await.expect_err("nothing is cached")
}

async fn cached(cache: &dyn QuoteCache) -> Option<Arc<Price>> {
    cache.get(&symbol("AAPL")).await.ok()
}

async fn what_a_reader_found_is_kept(cache: Arc<dyn QuoteCache>) {
    let ticket = ticket(cache.as_ref()).await;
    cache.fill(ticket, price(1, 1, 1)).await;
    assert_eq!(cached(cache.as_ref()).await, Some(price(1, 1, 1)));
    assert!(cache.get(&symbol("MSFT")).await.is_err());
    assert_eq!(cache.check().await, Ok(()));
}

async fn newer_takes_the_place_of_older_and_never_the_reverse(cache: Arc<dyn QuoteCache>) {
    let ticket = ticket(cache.as_ref()).await;
    cache.fill(ticket, price(5, 5, 1)).await;
    for (offered, expected) in [
        (price(4, 9, 1), price(5, 5, 1)),
        (price(5, 4, 1), price(5, 5, 1)),
        (price(5, 5, 2), price(5, 5, 2)),
        (price(5, 5, 1), price(5, 5, 2)),
        (price(5, 6, 1), price(5, 6, 1)),
        (price(6, 1, 1), price(6, 1, 1)),
    ] {
        cache.offer(Arc::clone(&offered)).await;
        assert_eq!(cached(cache.as_ref()).await, Some(expected), "{offered:?}");
    }
}

async fn an_invalidated_symbol_is_gone_and_old_tickets_are_void(cache: Arc<dyn QuoteCache>) {
    let before = ticket(cache.as_ref()).await;
    cache.fill(before, price(1, 1, 1)).await;
    cache.invalidate(&symbol("AAPL")).await;
    let after = ticket(cache.as_ref()).await;
    cache.fill(before, price(1, 1, 1)).await;
    assert_eq!(cached(cache.as_ref()).await, None);
    cache.fill(after, price(2, 2, 1)).await;
    assert_eq!(cached(cache.as_ref()).await, Some(price(2, 2, 1)));
}

async fn a_price_stored_during_a_read_keeps_the_older_one_out(cache: Arc<dyn QuoteCache>) {
    let ticket = ticket(cache.as_ref()).await;
    cache.offer(price(9, 9, 1)).await;
    cache.fill(ticket, price(1, 1, 1)).await;
    assert_ne!(cached(cache.as_ref()).await, Some(price(1, 1, 1)));
}

async fn a_price_comes_back_whole(cache: Arc<dyn QuoteCache>) {
    let mut whole = Price::clone(&price(1, 7, 3));
    whole.observation.volume = Some(amount("0.00000000000000000001"));
    whole.observation.external_id = Some(ExternalId::parse("#2").expect("an id"));
    whole.observation.raw = Some(raw(r#"{"c": 1.0}"#));
    let whole = Arc::new(whole);
    cache.fill(ticket(cache.as_ref()).await, Arc::clone(&whole)).await;
    assert_eq!(cached(cache.as_ref()).await, Some(whole));
}

async fn writers_who_race_leave_the_newest(cache: Arc<dyn QuoteCache>) {
    cache.fill(ticket(cache.as_ref()).await, price(1, 1, 1)).await;
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let cache = Arc::clone(&cache);
        writers.spawn(async move {
            for step in 0..25 {
                let secs = 2 + step * 8 + (writer * 5) % 8;
                cache.offer(price(secs, secs, 1)).await;
            }
        });
    }
    writers.join_all().await;
    assert_eq!(cached(cache.as_ref()).await, Some(price(201, 201, 1)));
}

macro_rules! cases {
    ($backend:ident: $($case:ident,)*) => {
        mod $backend {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    if let Some(cache) = super::$backend().await {
                        super::$case(cache).await;
                    }
                }
            )*
        }
    };
    ($backend:ident) => {
        cases! { $backend:
            what_a_reader_found_is_kept,
            newer_takes_the_place_of_older_and_never_the_reverse,
            an_invalidated_symbol_is_gone_and_old_tickets_are_void,
            a_price_stored_during_a_read_keeps_the_older_one_out,
            a_price_comes_back_whole,
            writers_who_race_leave_the_newest,
        }
    };
}

async fn moka() -> Option<Arc<dyn QuoteCache>> {
    Some(Arc::new(MokaCache::new(100, Duration::from_secs(60))))
}

#[cfg(feature = "redis")]
async fn redis() -> Option<Arc<dyn QuoteCache>> {
    let link = crate::redis::fresh_link().await?;
    Some(Arc::new(RedisCache::new(link, Duration::from_secs(60))))
}

cases! { moka }
#[cfg(feature = "redis")]
cases! { redis }
