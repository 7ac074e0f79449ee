//! Keeping a store from growing for ever.

use async_trait::async_trait;

use super::store::StoreError;
use crate::model::Timestamp;

/// What was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    pub n_prices: u64,
    pub n_averages: u64,
}

impl Dropped {
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Dropping what is old. It is no change of a price: it makes no version and no event, and the log
/// goes on telling what it told. A price that comes again after it was dropped is a new one.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Drops prices observed before `cutoff`, each with its versions and raw payloads, and the
    /// averages of that time; about `limit` of them at most, so that no transaction takes long.
    /// Answers what is gone; nothing when there is nothing more to drop.
    ///
    /// What is observed at `cutoff` or later stays as it is. A price is gone as a whole or not at
    /// all, but a backend may keep some that are older: those it has to keep together with newer
    /// ones, or has not put in their place yet.
    async fn drop_before(&self, cutoff: Timestamp, limit: usize) -> Result<Dropped, StoreError>;

    /// The instant before which prices have to go so that prices, averages and all that belongs to
    /// them take about `max_bytes`. None when they take no more, and on a backend that cannot tell.
    async fn fitting_from(&self, max_bytes: u64) -> Result<Option<Timestamp>, StoreError>;
}
