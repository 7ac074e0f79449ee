//! The limiter of one process: governor's keyed GCRA, on the service's clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use governor::clock::Clock as GovernorClock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota as GovernorQuota, RateLimiter};
use parking_lot::RwLock;

use crate::model::{Client, LimitDecision, LimitRule, Quota};
use crate::ports::{Clock, Limiter};

type Counters =
    RateLimiter<Client, DashMapStateStore<Client>, PortClock, StateInformationMiddleware>;

/// Clients with a full quota are forgotten each time so many requests were counted.
const FORGET_EVERY: u32 = 16_384;
/// Rules kept. Only a reload makes new ones; past this all are begun anew.
const MAX_RULES: usize = 256;

/// Counts in memory. What is counted is lost with the process.
pub struct LocalLimiter {
    clock: PortClock,
    counters: RwLock<HashMap<LimitRule, Arc<Counters>>>,
    n_checks: AtomicU32,
}

impl LocalLimiter {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let clock = PortClock(clock);
        Self { clock, counters: RwLock::default(), n_checks: AtomicU32::new(0) }
    }

    /// [`Limiter::check`] without a future: there is nothing to wait for.
    pub fn check_now(&self, rule: &LimitRule, client: Client) -> LimitDecision {
        let known = self.counters.read().get(rule).cloned();
        let counters = known.unwrap_or_else(|| self.begin(rule));
        if self.n_checks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            counters.retain_recent();
        }
        let quota = rule.quota;
        match counters.check_key(&client) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity().min(quota.requests.get());
                let reset = quota.interval() * (quota.requests.get() - remaining);
                LimitDecision::Allowed { remaining, reset }
            }
            Err(not_until) => {
                LimitDecision::Denied { retry_after: not_until.wait_time_from(self.clock.now()) }
            }
        }
    }

    fn begin(&self, rule: &LimitRule) -> Arc<Counters> {
        let mut counters = self.counters.write();
        if counters.len() >= MAX_RULES {
            counters.clear();
        }
        let begin = || {
            let counters = RateLimiter::dashmap_with_clock(quota(rule.quota), self.clock.clone());
            Arc::new(counters.with_middleware())
        };
        Arc::clone(counters.entry(rule.clone()).or_insert_with(begin))
    }
}

#[async_trait]
impl Limiter for LocalLimiter {
    async fn check(&self, rule: &LimitRule, client: Client) -> LimitDecision {
        self.check_now(rule, client)
    }

    async fn check_backend(&self) -> Result<(), String> {
        Ok(())
    }
}

fn quota(quota: Quota) -> GovernorQuota {
    // A shorter interval than governor can count grants what is asked for, not nothing.
    let interval = quota.interval().max(std::time::Duration::from_nanos(1));
    GovernorQuota::with_period(interval)
        .expect("the interval is not zero")
        .allow_burst(quota.requests)
}

/// The service's clock as governor wants it.
#[derive(Clone)]
struct PortClock(Arc<dyn Clock>);

impl GovernorClock for PortClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let micros = u64::try_from(self.0.now().as_micros()).unwrap_or(0);
        Nanos::new(micros.saturating_mul(1_000))
    }
}
