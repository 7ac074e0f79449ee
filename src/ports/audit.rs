//! The trail of who did what, kept with what they did.

use std::sync::Arc;

use async_trait::async_trait;

use super::store::{Appended, Store, StoreError};
use crate::model::{ApiKey, AuditDraft, AuditEntry, AuditHead, ChangeEffect, PollJob, Price};

type Result<T> = std::result::Result<T, StoreError>;

/// Which entries a list shows.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only entries with a lower sequence.
    pub before: Option<u64>,
    pub actor: Option<String>,
    pub action: Option<String>,
    pub limit: usize,
}

/// An append-only trail. Sequences have no gaps and become visible in their order; each entry
/// carries the hash of the one before.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// A view of this store that puts an entry into the trail with each change made through it, in
    /// the transaction of that change, saying what the change turned out to be
    /// ([`Effect`]). Either both are stored or neither.
    ///
    /// Changes that carry an entry: [`super::PriceStore::append`] (one entry a call),
    /// [`super::PriceStore::correct`], [`super::PriceStore::delete`],
    /// [`super::JobStore::create_job`], [`super::JobStore::update_job`],
    /// [`super::JobStore::delete_job`], [`super::JobStore::delete_jobs`],
    /// [`super::KeyStore::create_key`], [`super::KeyStore::revoke_key`],
    /// [`super::LedgerStore::reset_provider`] and
    /// [`super::DeadLetterStore::remove_dead_letter`]. All else is as without the view.
    fn audited(&self, draft: AuditDraft) -> Arc<dyn Store>;

    /// Puts an entry into the trail that goes with no change: an access that was refused, a
    /// configuration that was loaded. Returns when it is durable.
    async fn note(&self, draft: AuditDraft) -> Result<()>;

    /// Entries, newest first. A filter may look at many entries to find few; it is bounded by the
    /// trail only.
    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>>;

    /// Entries with a sequence greater than `after`, oldest first, as they are stored: whether
    /// they fit together is for the reader to check.
    async fn audit_after(&self, after: u64, limit: usize) -> Result<Vec<AuditEntry>>;

    /// The last entry that was put in, kept apart from the entries.
    async fn audit_head(&self) -> Result<AuditHead>;
}

/// What an answer of the store says about the change that led to it.
pub trait Effect {
    fn effect(&self) -> ChangeEffect;
}

impl Effect for Vec<Appended> {
    fn effect(&self) -> ChangeEffect {
        let price = |price: &Price| Some(format!("prices/{}", price.id));
        match self.as_slice() {
            [Appended::New(stored)] => ChangeEffect::done(price(stored)),
            [Appended::Duplicate(stored)] => {
                ChangeEffect { target: price(stored), ..ChangeEffect::unchanged() }
            }
            [Appended::Conflict(stored)] => {
                ChangeEffect { target: price(stored), outcome: "conflict".into() }
            }
            many => {
                let (mut n_stored, mut n_duplicates, mut n_conflicts) = (0, 0, 0);
                for outcome in many {
                    match outcome {
                        Appended::New(_) => n_stored += 1,
                        Appended::Duplicate(_) => n_duplicates += 1,
                        Appended::Conflict(_) => n_conflicts += 1,
                    }
                }
                let first = many.first().map(|outcome| outcome.price().id);
                let last = many.last().map(|outcome| outcome.price().id);
                let ids = first.zip(last).map(|(first, last)| format!("prices/{first}..{last}"));
                ChangeEffect {
                    target: ids,
                    outcome: format!(
                        "{n_stored} stored, {n_duplicates} duplicates, {n_conflicts} conflicts"
                    ),
                }
            }
        }
    }
}

impl Effect for Option<Price> {
    fn effect(&self) -> ChangeEffect {
        match self {
            Some(price) => ChangeEffect::done(Some(format!("prices/{}", price.id))),
            None => ChangeEffect::unchanged(),
        }
    }
}

impl Effect for PollJob {
    fn effect(&self) -> ChangeEffect {
        ChangeEffect::done(Some(self.id.to_string()))
    }
}

impl Effect for Option<PollJob> {
    fn effect(&self) -> ChangeEffect {
        self.as_ref().map_or_else(ChangeEffect::unchanged, Effect::effect)
    }
}

impl Effect for Option<ApiKey> {
    fn effect(&self) -> ChangeEffect {
        match self {
            Some(key) => ChangeEffect::done(Some(key.id.to_string())),
            None => ChangeEffect::unchanged(),
        }
    }
}

/// Whether there was anything to change.
impl Effect for bool {
    fn effect(&self) -> ChangeEffect {
        if *self { ChangeEffect::done(None) } else { ChangeEffect::unchanged() }
    }
}

/// How many were changed.
impl Effect for u64 {
    fn effect(&self) -> ChangeEffect {
        ChangeEffect { target: None, outcome: format!("{self} done") }
    }
}

impl Effect for () {
    fn effect(&self) -> ChangeEffect {
        ChangeEffect::done(None)
    }
}
