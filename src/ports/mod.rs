//! Floor 1: what the service needs, as traits with written contracts.
//!
//! Every backend of a port obeys the contract in its docs; `tests/conformance` runs one list of
//! cases on each of them. Errors carry a kind that callers decide on and a source that people read.

pub mod audit;
pub mod bus;
pub mod cache;
pub mod clock;
pub mod jobs;
pub mod keys;
pub mod leases;
pub mod ledger;
pub mod limiter;
pub mod provider;
pub mod retention;
pub mod store;

pub use audit::{AuditQuery, AuditStore, Effect};
pub use bus::{BusError, Delivery, EventBus, Positions, Subscription};
pub use cache::{CacheTicket, QuoteCache};
pub use clock::{Clock, ManualClock, SystemClock};
pub use jobs::{JobChange, JobRun, JobStore};
pub use keys::KeyStore;
pub use leases::LeaseStore;
pub use ledger::{
    AssetList, AssetStore, Attempt, AttemptOutcome, CallStatistics, LedgerSaved, LedgerStore,
    ProviderLedger, Receipt, ReceiptAnswer,
};
pub use limiter::Limiter;
pub use provider::{
    FailureClass, PriceProvider, ProviderError, ProviderProfile, QuotaWindow, Quote,
};
pub use retention::{Dropped, Retention};
pub use store::{
    Appended, AverageStore, AverageTurn, AverageUpdate, ConsumerPosition, Correction,
    DeadLetterStore, LogEntry, Outbox, PriceQuery, PriceStore, Snapshot, SnapshotRecord, Snapshots,
    Store, StoreError, StoreErrorKind, StoreStatus,
};
