//! The limiter that several processes share: the generic cell rate algorithm as one script in
//! Redis. Floor 2.
//!
//! Every request is counted in this process too, so that a Redis that fails, even again and again,
//! does not hand out the quota anew: the limiter of the process then decides, and knows its share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::Script;

use super::local::LocalLimiter;
use crate::adapters::redis::RedisLink;
use crate::model::{Client, LimitDecision, LimitRule};
use crate::ports::{Clock, Limiter};
use crate::telemetry::metrics;

/// Counts in Redis, by the clock of the process that asks.
pub struct RedisLimiter {
    link: Arc<RedisLink>,
    script: Script,
    clock: Arc<dyn Clock>,
    local: LocalLimiter,
}

impl RedisLimiter {
    pub fn new(link: Arc<RedisLink>, clock: Arc<dyn Clock>) -> Self {
        let local = LocalLimiter::new(Arc::clone(&clock));
        Self { link, script: Script::new(include_str!("take.lua")), clock, local }
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn check(&self, rule: &LimitRule, client: Client) -> LimitDecision {
        let here = self.local.check_now(rule, client);
        let quota = rule.quota;
        let requests = quota.requests.get();
        let window_millis = quota.window.as_millis();
        let key =
            self.link.key(&format!("limit:{}:{requests}/{window_millis}:{client}", rule.name));
        let now = self.clock.now().as_micros().to_string();
        // Rounded down: whoever stays within the quota is never denied.
        let interval = quota.interval().as_micros().max(1).to_string();
        let requests_text = requests.to_string();
        let arguments = [now.as_bytes(), interval.as_bytes(), requests_text.as_bytes()];
        let keys = [key.as_str()];
        match self.link.run::<(i64, u64)>("limiter", &self.script, &keys, &arguments).await {
            Ok((left, wait_micros)) => match u32::try_from(left) {
                Ok(remaining) => {
                    let reset = quota.interval() * requests.saturating_sub(remaining);
                    LimitDecision::Allowed { remaining, reset }
                }
                Err(_) => LimitDecision::Denied { retry_after: Duration::from_micros(wait_micros) },
            },
            Err(_) => {
                metrics::limiter_fallback();
                here
            }
        }
    }

    async fn check_backend(&self) -> Result<(), String> {
        self.link.check().await
    }
}
