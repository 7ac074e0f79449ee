//! The limiter while Redis dies, hangs and comes back: it always decides, and never without limit.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::limiter::redis::RedisLimiter;
use tickerd::model::{Client, LimitDecision, LimitRule, Quota};
use tickerd::ports::{Limiter, ManualClock};

use crate::build::second;
use crate::server::{RedisServer, eventually};

const QUOTA: u32 = 20;

fn rule() -> LimitRule {
    let requests = NonZeroU32::new(QUOTA).expect("a count");
    LimitRule {
        name: "default".into(),
        quota: Quota { requests, window: Duration::from_secs(3_600) },
    }
}

/// A limiter whose time stands still, so that nothing grows back.
async fn limiter(server: &RedisServer) -> RedisLimiter {
    let link = server.link("ours").await.expect("Redis answers");
    RedisLimiter::new(link, Arc::new(ManualClock::at(second(0))))
}

async fn n_allowed(limiter: &RedisLimiter, n_requests: u32) -> u32 {
    let mut n_allowed = 0;
    for _ in 0..n_requests {
        let decision = limiter.check(&rule(), Client::ConfiguredKey).await;
        n_allowed += u32::from(matches!(decision, LimitDecision::Allowed { .. }));
    }
    n_allowed
}

#[tokio::test]
async fn processes_share_one_quota() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let (one, other) = (limiter(&server).await, limiter(&server).await);
    assert_eq!(n_allowed(&one, 15).await, 15);
    assert_eq!(n_allowed(&other, 15).await, QUOTA - 15);
}

#[tokio::test]
async fn a_redis_that_dies_hands_out_no_second_quota() {
    let Some(mut server) = RedisServer::start(&[]).await else { return };
    let limiter = limiter(&server).await;
    assert_eq!(n_allowed(&limiter, 15).await, 15);
    server.kill();
    assert_eq!(n_allowed(&limiter, 40).await, QUOTA - 15);
    limiter.check_backend().await.expect_err("it is away");
}

#[tokio::test]
async fn a_redis_that_hangs_delays_and_does_not_open_the_gate() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let limiter = limiter(&server).await;
    server.signal("STOP");
    assert_eq!(n_allowed(&limiter, 200).await, QUOTA);
    server.signal("CONT");
}

#[tokio::test]
async fn a_redis_that_comes_back_counts_for_all_again() {
    let Some(mut server) = RedisServer::start(&[]).await else { return };
    let (one, other) = (limiter(&server).await, limiter(&server).await);
    server.kill();
    assert_eq!(n_allowed(&one, 3).await, 3);
    server.restart().await;
    // The other sees what this one takes as soon as both count in Redis again.
    eventually("they share the quota again", async || {
        let before = remaining(&other).await?;
        remaining(&one).await?;
        let after = remaining(&other).await?;
        (after + 2 == before).then_some(())
    })
    .await;
}

async fn remaining(limiter: &RedisLimiter) -> Option<u32> {
    let long = LimitRule {
        name: "long".into(),
        quota: Quota {
            requests: NonZeroU32::new(1_000_000).expect("a count"),
            window: Duration::from_secs(3_600_000_000),
        },
    };
    match limiter.check(&long, Client::ConfiguredKey).await {
        LimitDecision::Allowed { remaining, .. } => Some(remaining),
        LimitDecision::Denied { .. } => None,
    }
}
