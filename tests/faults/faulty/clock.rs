//! A clock that is wrong for a moment, and sleeps too long.

use std::time::Duration;

use async_trait::async_trait;
use tickerd::model::Timestamp;
use tickerd::ports::Clock;

use super::Faulty;

const HOUR: Duration = Duration::from_secs(3_600);

#[async_trait]
impl Clock for Faulty<dyn Clock> {
    fn now(&self) -> Timestamp {
        let now = self.inner.now();
        if self.faults.strikes("clock is an hour slow") {
            return now.minus(HOUR);
        }
        if self.faults.strikes("clock is a second fast") {
            return now.plus(Duration::from_secs(1));
        }
        now
    }

    async fn sleep(&self, duration: Duration) {
        self.faults.dawdle("clock oversleeps").await;
        self.inner.sleep(duration).await;
    }
}
