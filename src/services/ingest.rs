//! The only way in: validates, stores price and event in one transaction, and keeps the cache true.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::draft::{CheckedValue, Checker, TimeFormat};
use crate::model::{AuditDraft, Observation, Price, PriceId, RawPayload, Symbol};
use crate::ports::cache::supersedes;
use crate::ports::{Appended, Clock, Correction, QuoteCache, Store, StoreError};
use crate::telemetry::metrics;

/// Takes prices in. No other component writes them.
#[derive(Clone)]
pub struct Ingest {
    store: Arc<dyn Store>,
    cache: Arc<dyn QuoteCache>,
    clock: Arc<dyn Clock>,
    max_future: Duration,
}

impl Ingest {
    /// `max_future` is how far ahead of our clock an observation may lie.
    pub fn new(
        store: Arc<dyn Store>,
        cache: Arc<dyn QuoteCache>,
        clock: Arc<dyn Clock>,
        max_future: Duration,
    ) -> Self {
        Self { store, cache, clock, max_future }
    }

    /// The same, putting an entry into the trail with each change.
    pub fn audited(&self, draft: AuditDraft) -> Self {
        Self { store: self.store.audited(draft), ..self.clone() }
    }

    /// What drafts that arrive now are checked against.
    pub fn checker(&self, time_format: TimeFormat) -> Checker {
        Checker { now: self.clock.now(), max_future: self.max_future, time_format }
    }

    /// Stores observations and answers what became of each, in order, once all are durable.
    ///
    /// # Errors
    /// When the store fails; then none is acknowledged and all may be sent again.
    pub async fn record(&self, batch: Vec<Observation>) -> Result<Vec<Appended>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes = metrics::store_call("append", self.store.append(batch)).await?;
        let (mut n_stored, mut n_duplicate, mut n_conflict) = (0, 0, 0);
        // A cache may be a network away, so it is told the newest of each symbol and no other.
        let mut newest: BTreeMap<&Symbol, &Price> = BTreeMap::new();
        for outcome in &outcomes {
            match outcome {
                Appended::New(price) => {
                    n_stored += 1;
                    tell(price, "recorded");
                    let best = newest.entry(&price.observation.symbol).or_insert(price);
                    if supersedes(price, best) {
                        *best = price;
                    }
                }
                Appended::Duplicate(_) => n_duplicate += 1,
                Appended::Conflict(_) => n_conflict += 1,
            }
        }
        for price in newest.into_values() {
            self.cache.offer(Arc::new(price.clone())).await;
        }
        metrics::prices_appended(n_stored, n_duplicate, n_conflict);
        Ok(outcomes)
    }

    /// Gives a price another value; none when it is unknown or deleted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn correct(
        &self,
        id: PriceId,
        value: CheckedValue,
        raw: Option<RawPayload>,
    ) -> Result<Option<Price>, StoreError> {
        let correction = Correction {
            price: value.price,
            volume: value.volume,
            currency: value.currency,
            received_at: self.clock.now(),
            raw,
        };
        let corrected = metrics::store_call("correct", self.store.correct(id, correction)).await?;
        if let Some(price) = &corrected {
            tell(price, "corrected");
            self.cache.invalidate(&price.observation.symbol).await;
            metrics::price_corrected();
        }
        Ok(corrected)
    }

    /// Deletes a price, keeping its history; none when it is unknown or deleted already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, id: PriceId) -> Result<Option<Price>, StoreError> {
        let deleted =
            metrics::store_call("delete", self.store.delete(id, self.clock.now())).await?;
        if let Some(price) = &deleted {
            tell(price, "deleted");
            self.cache.invalidate(&price.observation.symbol).await;
            metrics::price_deleted();
        }
        Ok(deleted)
    }
}

/// A line of the log that joins two processes: in a request it carries the request's id, and the
/// averager's line about this change has the same price and version.
fn tell(price: &Price, change: &'static str) {
    tracing::debug!(
        price_id = price.id.get(),
        version = price.version,
        symbol = %price.observation.symbol,
        change,
        "stored"
    );
}
