//! The one source of time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::model::Timestamp;

/// Tells the wall-clock time and sleeps by it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present instant in UTC.
    fn now(&self) -> Timestamp;

    /// Returns once `duration` has passed on this clock. Cancel safe.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock everybody else asks")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(micros).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A clock that moves only when told to, for tests that can be replayed.
#[derive(Debug)]
pub struct ManualClock {
    micros: AtomicI64,
    moved: tokio::sync::Notify,
}

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self { micros: AtomicI64::new(now.as_micros()), moved: tokio::sync::Notify::new() }
    }

    pub fn set(&self, now: Timestamp) {
        self.micros.store(now.as_micros(), Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    pub fn advance(&self, duration: Duration) {
        self.set(self.now().plus(duration));
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        let wake_at = self.now().plus(duration);
        loop {
            let moved = self.moved.notified();
            if self.now() >= wake_at {
                return;
            }
            moved.await;
        }
    }
}
