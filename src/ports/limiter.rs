//! How often clients may ask, counted.

use async_trait::async_trait;

use crate::model::{Client, LimitDecision, LimitRule};

/// Counts the requests of clients against limits, with the generic cell rate algorithm.
///
/// Whatever the state, a client that stays within the quota is never denied, and after
/// `retry_after` the next request is allowed. A denied request takes nothing.
///
/// A limiter tells the time by the [`super::Clock`] it was made with.
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Takes one request of a client from a limit. Clients do not share, nor do limits with
    /// another name or quota.
    ///
    /// Never fails: a backend that is away is replaced by counting in this process, and that is
    /// counted in `tickerd_limiter_fallbacks_total`. Answers within a bounded time, well below a
    /// second, also then.
    async fn check(&self, rule: &LimitRule, client: Client) -> LimitDecision;

    /// Whether the backend answers, in words when not.
    async fn check_backend(&self) -> Result<(), String>;
}
