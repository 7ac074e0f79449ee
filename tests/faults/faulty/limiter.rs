//! A limiter that denies without a reason, and takes its time.

use std::time::Duration;

use async_trait::async_trait;
use tickerd::model::{Client, LimitDecision, LimitRule};
use tickerd::ports::Limiter;

use super::Faulty;

#[async_trait]
impl Limiter for Faulty<dyn Limiter> {
    async fn check(&self, rule: &LimitRule, client: Client) -> LimitDecision {
        self.faults.dawdle("limiter dawdles").await;
        if self.faults.strikes("limiter denies") {
            return LimitDecision::Denied { retry_after: Duration::from_millis(1) };
        }
        self.inner.check(rule, client).await
    }

    async fn check_backend(&self) -> Result<(), String> {
        self.inner.check_backend().await
    }
}
