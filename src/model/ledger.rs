//! The account of one provider: what must not be forgotten between calls.

use std::time::Duration;

use super::{BreakerState, ProviderName, Timestamp, WindowUse};

/// The account of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderLedger {
    pub provider: ProviderName,
    /// How often the account was written: two processes that keep it together notice by this that
    /// the other was faster.
    pub revision: u64,
    pub used: Vec<WindowUse>,
    pub breaker: BreakerState,
    pub calls: CallStatistics,
}

/// How the calls to a provider went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallStatistics {
    /// Calls sent, retries included.
    pub n_calls: u64,
    /// Calls that failed as a whole.
    pub n_failed_calls: u64,
    pub last_call_at: Option<Timestamp>,
    pub last_latency: Option<Duration>,
    /// In words for people; holds no key.
    pub last_error: Option<String>,
    pub last_error_at: Option<Timestamp>,
}
