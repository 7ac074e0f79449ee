//! The cases of the `Limiter` port and the backends they run on.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::limiter::local::LocalLimiter;
use tickerd::model::{Client, LimitDecision, LimitRule, Quota};
use tickerd::ports::{Limiter, ManualClock};

use crate::build::second;

fn rule(name: &str, requests: u32, window: Duration) -> LimitRule {
    let requests = NonZeroU32::new(requests).expect("a count");
    LimitRule { name: name.into(), quota: Quota { requests, window } }
}

fn client(last: u8) -> Client {
    Client::of_address([192, 0, 2, last].into())
}

/// Five a minute: one each 12 s.
fn five_a_minute() -> LimitRule {
    rule("default", 5, Duration::from_secs(60))
}

async fn denied(limiter: &dyn Limiter, rule: &LimitRule, client: Client) -> Duration {
    match limiter.check(rule, client).await {
        LimitDecision::Denied { retry_after } => retry_after,
        allowed => panic!("should be denied: {allowed:?}"),
    }
}

async fn take_all(limiter: &dyn Limiter, rule: &LimitRule, client: Client) {
    for expected in (0..rule.quota.requests.get()).rev() {
        match limiter.check(rule, client).await {
            LimitDecision::Allowed { remaining, .. } => assert_eq!(remaining, expected),
            denied => panic!("{expected} should remain: {denied:?}"),
        }
    }
}

async fn the_whole_quota_may_come_at_once(limiter: Arc<dyn Limiter>, _clock: Arc<ManualClock>) {
    let rule = five_a_minute();
    let first = limiter.check(&rule, client(1)).await;
    let reset = Duration::from_secs(12);
    assert_eq!(first, LimitDecision::Allowed { remaining: 4, reset });
    for _ in 0..4 {
        assert!(matches!(limiter.check(&rule, client(1)).await, LimitDecision::Allowed { .. }));
    }
    assert_eq!(denied(limiter.as_ref(), &rule, client(1)).await, Duration::from_secs(12));
}

async fn the_next_is_allowed_exactly_when_it_was_promised(
    limiter: Arc<dyn Limiter>,
    clock: Arc<ManualClock>,
) {
    let rule = five_a_minute();
    take_all(limiter.as_ref(), &rule, client(1)).await;
    for _ in 0..3 {
        let retry_after = denied(limiter.as_ref(), &rule, client(1)).await;
        clock.advance(retry_after - Duration::from_millis(1));
        assert_eq!(
            denied(limiter.as_ref(), &rule, client(1)).await,
            Duration::from_millis(1),
            "asking again changes nothing"
        );
        clock.advance(Duration::from_millis(1));
        assert!(matches!(limiter.check(&rule, client(1)).await, LimitDecision::Allowed { .. }));
    }
}

async fn a_quota_grows_back_whole_and_no_further(
    limiter: Arc<dyn Limiter>,
    clock: Arc<ManualClock>,
) {
    let rule = five_a_minute();
    for pause in [60, 3_600] {
        take_all(limiter.as_ref(), &rule, client(1)).await;
        denied(limiter.as_ref(), &rule, client(1)).await;
        clock.advance(Duration::from_secs(pause));
    }
    take_all(limiter.as_ref(), &rule, client(1)).await;
    denied(limiter.as_ref(), &rule, client(1)).await;
}

async fn clients_and_rules_do_not_share(limiter: Arc<dyn Limiter>, _clock: Arc<ManualClock>) {
    let rule_1 = five_a_minute();
    take_all(limiter.as_ref(), &rule_1, client(1)).await;
    take_all(limiter.as_ref(), &rule_1, client(2)).await;
    take_all(limiter.as_ref(), &rule("POST /prices", 5, rule_1.quota.window), client(1)).await;
    take_all(limiter.as_ref(), &rule("default", 6, rule_1.quota.window), client(1)).await;
    denied(limiter.as_ref(), &rule_1, client(1)).await;
}

async fn requests_at_once_get_the_quota_and_not_more(
    limiter: Arc<dyn Limiter>,
    _clock: Arc<ManualClock>,
) {
    let rule = rule("default", 50, Duration::from_secs(60));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (limiter, rule) = (Arc::clone(&limiter), rule.clone());
        asking.spawn(async move { limiter.check(&rule, client(1)).await });
    }
    let decisions = asking.join_all().await;
    let allowed = |decision: &&LimitDecision| matches!(decision, LimitDecision::Allowed { .. });
    assert_eq!(decisions.iter().filter(allowed).count(), 50);
    assert_eq!(limiter.check_backend().await, Ok(()));
}

macro_rules! cases {
    ($backend:ident) => {
        mod $backend {
            cases! { @$backend
                the_whole_quota_may_come_at_once,
                the_next_is_allowed_exactly_when_it_was_promised,
                a_quota_grows_back_whole_and_no_further,
                clients_and_rules_do_not_share,
                requests_at_once_get_the_quota_and_not_more,
            }
        }
    };
    (@$backend:ident $($case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let clock = std::sync::Arc::new(super::ManualClock::at(super::second(0)));
                if let Some(limiter) = super::backend::$backend(&clock).await {
                    super::$case(limiter, clock).await;
                }
            }
        )*
    };
}

/// A backend answers a limiter that nobody else uses, or none when its server is absent.
mod backend {
    use super::{Arc, Limiter, LocalLimiter, ManualClock};

    pub(super) async fn local(clock: &Arc<ManualClock>) -> Option<Arc<dyn Limiter>> {
        Some(Arc::new(LocalLimiter::new(clock.clone())))
    }

    #[cfg(feature = "redis")]
    pub(super) async fn redis(clock: &Arc<ManualClock>) -> Option<Arc<dyn Limiter>> {
        use tickerd::adapters::limiter::redis::RedisLimiter;
        let link = crate::redis::fresh_link().await?;
        Some(Arc::new(RedisLimiter::new(link, clock.clone())))
    }
}

cases!(local);
#[cfg(feature = "redis")]
cases!(redis);
