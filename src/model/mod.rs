//! Floor 0: what a price is. Pure values and arithmetic: no I/O, no clock, no serialisation.
//!
//! Parse at the edge, trust inside: every type here that has an invariant is built by a `parse` or
//! `new` that checks it once.

pub mod access;
pub mod amount;
pub mod asset;
pub mod audit;
pub mod average;
pub mod bar;
pub mod breaker;
pub mod budget;
pub mod event;
pub mod failure;
pub mod job;
pub mod ledger;
pub mod limit;
pub mod page;
pub mod price;
pub mod quota;
pub mod receipt;
pub mod snapshot;
pub mod symbol;
pub mod time;

pub use access::{Actor, ApiKey, KeyId, Role};
pub use amount::{Amount, AmountError, MAX_SCALE};
pub use asset::{Asset, AssetList};
pub use audit::{AuditDraft, AuditEntry, AuditHash, AuditHead, ChangeEffect};
pub use average::{Mean, MovingAverage, RollingMean, Window};
pub use bar::{Bar, BarInterval};
pub use breaker::{Breaker, BreakerPolicy, BreakerState, Permit};
pub use budget::{Budget, BudgetLeft, BudgetSpent, CallSlice, WindowUse};
pub use event::{DeadLetter, EventKind, PriceEvent, Sequence};
pub use failure::FailureClass;
pub use job::{JobConfig, JobId, JobStatistics, JobStatus, Lease, PollJob, Schedule};
pub use ledger::{CallStatistics, ProviderLedger};
pub use limit::{Client, LimitDecision, LimitRule, Quota};
pub use page::{Limit, Order};
pub use price::{
    Currency, ExternalId, Observation, Position, Price, PriceId, PriceVersion, ProviderName,
    RawPayload, TimeSource,
};
pub use quota::QuotaWindow;
pub use receipt::{Attempt, AttemptOutcome, Receipt, ReceiptAnswer};
pub use snapshot::SnapshotRecord;
pub use symbol::{AssetClass, Symbol};
pub use time::{TimeRange, Timestamp};

/// A value that was refused at the edge, in words a caller can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub String);

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}
