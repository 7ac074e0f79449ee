//! The cache while Redis dies, hangs, forgets and comes back: never an error, never an old price.

use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::cache::redis::RedisCache;
use tickerd::model::{Price, PriceId};
use tickerd::ports::{CacheTicket, QuoteCache};

use crate::build::{observed, symbol};
use crate::server::{RedisServer, eventually};

fn price(secs: u64, version: u32) -> Arc<Price> {
    let id = PriceId::new(secs).expect("an id");
    Arc::new(Price { id, version, observation: observed("AAPL", secs, "1") })
}

async fn cache(server: &RedisServer) -> RedisCache {
    let link = server.link("ours").await.expect("Redis answers");
    RedisCache::new(link, Duration::from_secs(600))
}

async fn get(cache: &RedisCache) -> Result<Arc<Price>, CacheTicket> {
    cache.get(&symbol("AAPL")).await
}

async fn keep(cache: &RedisCache, kept: &Arc<Price>) {
    let ticket = get(cache).await.expect_err("a gap");
    cache.fill(ticket, Arc::clone(kept)).await;
    assert_eq!(get(cache).await.ok().as_ref(), Some(kept));
}

/// Waits until the cache keeps prices again; until then, and then, it must never show `gone`.
async fn keeps_again(cache: &RedisCache, kept: &Arc<Price>, gone: &Arc<Price>) {
    eventually("the cache keeps prices again", async || {
        match get(cache).await {
            Err(ticket) => cache.fill(ticket, Arc::clone(kept)).await,
            Ok(found) => {
                assert_ne!(&found, gone);
                return Some(());
            }
        }
        None
    })
    .await;
}

#[tokio::test]
async fn a_dead_redis_is_a_miss_and_a_live_one_is_used_again() {
    let Some(mut server) = RedisServer::start(&[]).await else { return };
    let cache = cache(&server).await;
    keep(&cache, &price(1, 1)).await;
    server.kill();
    for _ in 0..20 {
        let ticket = get(&cache).await.expect_err("a miss");
        cache.fill(ticket, price(2, 1)).await;
        cache.offer(price(3, 1)).await;
        cache.invalidate(&symbol("AAPL")).await;
    }
    let told = cache.check().await.expect_err("it is away");
    assert!(told.contains("Redis"), "{told}");
    server.restart().await;
    keeps_again(&cache, &price(4, 1), &price(1, 1)).await;
    assert_eq!(cache.check().await, Ok(()));
}

#[tokio::test]
async fn a_change_that_redis_did_not_hear_of_is_made_up_for() {
    // This one has everything on disk, so it comes back with what should be forgotten.
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    for lost in ["invalidate", "offer"] {
        let Some(mut server) = RedisServer::start(&durable).await else { return };
        let cache = cache(&server).await;
        keep(&cache, &price(1, 1)).await;
        server.kill();
        match lost {
            "invalidate" => cache.invalidate(&symbol("AAPL")).await,
            _ => cache.offer(price(2, 1)).await,
        }
        server.restart().await;
        keeps_again(&cache, &price(3, 1), &price(1, 1)).await;
    }
}

#[tokio::test]
async fn a_change_whose_caller_went_away_is_made_up_for() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let cache = cache(&server).await;
    keep(&cache, &price(1, 1)).await;
    server.signal("STOP");
    let change = symbol("AAPL");
    let mut invalidating = Box::pin(cache.invalidate(&change));
    assert!(futures_util::poll!(&mut invalidating).is_pending());
    drop(invalidating);
    server.signal("CONT");
    keeps_again(&cache, &price(2, 1), &price(1, 1)).await;
}

#[tokio::test]
async fn a_redis_that_hangs_is_given_up_and_then_left_alone() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let cache = cache(&server).await;
    keep(&cache, &price(1, 1)).await;
    server.signal("STOP");
    // Left to hang, the first of these would never come back.
    for _ in 0..200 {
        get(&cache).await.expect_err("a miss");
    }
    server.signal("CONT");
    eventually("the cache is used again", async || get(&cache).await.ok()).await;
}

#[tokio::test]
async fn a_ticket_from_before_redis_forgot_everything_is_void() {
    let Some(mut server) = RedisServer::start(&[]).await else { return };
    let cache = cache(&server).await;
    let before = get(&cache).await.expect_err("a gap");
    server.kill();
    server.restart().await;
    eventually("Redis is used again", async || {
        cache.fill(before, price(1, 1)).await;
        assert_eq!(get(&cache).await.ok(), None);
        cache.check().await.ok()
    })
    .await;
    let fresh = eventually("a ticket", async || {
        let ticket = get(&cache).await.expect_err("a gap");
        (ticket != CacheTicket(u64::MAX)).then_some(ticket)
    })
    .await;
    cache.fill(before, price(1, 1)).await;
    assert_eq!(get(&cache).await, Err(fresh));
}

#[tokio::test]
async fn two_processes_share_what_one_of_them_changed() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let (one, other) = (cache(&server).await, cache(&server).await);
    keep(&one, &price(1, 1)).await;
    other.offer(price(2, 1)).await;
    assert_eq!(get(&one).await.ok(), Some(price(2, 1)));
    let ticket = {
        one.invalidate(&symbol("AAPL")).await;
        get(&other).await.expect_err("forgotten there too")
    };
    one.offer(price(3, 1)).await;
    other.fill(ticket, price(2, 1)).await;
    assert!(get(&one).await.is_err(), "the ticket was void");
}
