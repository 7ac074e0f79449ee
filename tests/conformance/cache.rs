//! The cases of the `QuoteCache` port and the backends they run on.

use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::cache::moka::MokaCache;
use tickerd::model::{Price, PriceId};
use tickerd::ports::{CacheTicket, QuoteCache};

use crate::build::{observed, symbol};

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

macro_rules! cases {
    ($backend:ident: $($case:ident,)*) => {
        mod $backend {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(super::$backend()).await;
                }
            )*
        }
    };
}

fn moka() -> Arc<dyn QuoteCache> {
    Arc::new(MokaCache::new(100, Duration::from_secs(60)))
}

cases! { moka:
    what_a_reader_found_is_kept,
    newer_takes_the_place_of_older_and_never_the_reverse,
    an_invalidated_symbol_is_gone_and_old_tickets_are_void,
    a_price_stored_during_a_read_keeps_the_older_one_out,
}
