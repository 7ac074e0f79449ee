//! Whole stores as records: what backups, restores and migrations carry.

use super::{
    ApiKey, AssetList, AuditEntry, DeadLetter, PollJob, PriceVersion, ProviderLedger, Sequence,
};

/// One record of a whole-store copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotRecord {
    /// Comes first: the counters that must not run backwards in the copy.
    Counters {
        last_price_id: u64,
        last_sequence: Sequence,
    },
    /// All versions of one price, oldest first.
    History(Vec<PriceVersion>),
    DeadLetter(DeadLetter),
    /// A polling job that nobody has a lease on.
    Job(PollJob),
    Ledger(ProviderLedger),
    Assets(AssetList),
    Key(ApiKey),
    /// In sequence order, as they are stored: whether they fit together is not asked here.
    Audit(AuditEntry),
}

impl SnapshotRecord {
    /// What kind of thing it is, for reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Counters { .. } => "counters",
            Self::History(_) => "prices",
            Self::DeadLetter(_) => "dead letters",
            Self::Job(_) => "jobs",
            Self::Ledger(_) => "provider accounts",
            Self::Assets(_) => "asset lists",
            Self::Key(_) => "keys",
            Self::Audit(_) => "audit entries",
        }
    }
}
