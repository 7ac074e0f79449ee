//! The newest price, from the store while it is fresh, from the providers when it is not.

use std::sync::Arc;
use std::time::Duration;

use super::query::{LatestPrice, Query};
use super::route::{RouteFailure, Router};
use crate::model::{Attempt, ProviderName, Receipt, Symbol};
use crate::ports::StoreError;
use crate::telemetry::metrics;

/// Answers with the newest price there is, and asks providers for a newer one when it is too old.
pub struct Quotes {
    query: Arc<Query>,
    router: Arc<Router>,
}

/// A price and, where the last fetch brought it, the receipt of that fetch.
#[derive(Debug, Clone)]
pub struct Quotation {
    pub latest: LatestPrice,
    pub receipt: Option<Receipt>,
}

/// Why there is no price at all.
#[derive(Debug, thiserror::Error)]
pub enum QuoteFailure {
    #[error("nobody knows a price of this symbol")]
    Unknown { tried: Vec<Attempt> },
    #[error("no provider gave a price; try again in {} s", retry_after.as_secs())]
    Unavailable { retry_after: Duration, tried: Vec<Attempt> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Quotes {
    pub fn new(query: Arc<Query>, router: Arc<Router>) -> Self {
        Self { query, router }
    }

    /// The newest price of a symbol, of one provider if given: the stored one while it is younger
    /// than `max_age`, else what the providers answer, else the stored one, marked stale.
    ///
    /// # Errors
    /// When there is no stored price and no provider gave one.
    pub async fn latest(
        &self,
        symbol: &Symbol,
        provider: Option<&ProviderName>,
        max_age: Duration,
    ) -> Result<LatestPrice, QuoteFailure> {
        let stored = self.stored(symbol, provider, max_age).await?;
        if let Some(fresh) = stored.clone().filter(|stored| !stored.stale) {
            metrics::quote("fresh");
            return Ok(fresh);
        }
        let answer = match self.router.quote_within(symbol, provider, max_age).await {
            // What came is stored; what is newest is for the store to say.
            Ok(_) => self
                .stored(symbol, provider, max_age)
                .await?
                .ok_or(QuoteFailure::Unknown { tried: Vec::new() }),
            Err(failure) => stored.ok_or_else(|| failure.into()),
        };
        count(answer.as_ref().ok());
        answer
    }

    /// Many symbols at once; each comes back, in the order asked.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn many(
        &self,
        symbols: &[Symbol],
        max_age: Duration,
    ) -> Result<Vec<(Symbol, Result<Quotation, QuoteFailure>)>, StoreError> {
        let mut too_old = Vec::new();
        for symbol in symbols {
            let stored = self.query.latest(symbol, max_age).await?;
            if stored.is_none_or(|stored| stored.stale) {
                too_old.push(symbol.clone());
            }
        }
        let mut failures: Vec<(Symbol, RouteFailure)> = Vec::new();
        if !too_old.is_empty() {
            let asked = self.router.quotes(&too_old).await;
            failures.extend(
                asked.into_iter().filter_map(|(symbol, outcome)| Some((symbol, outcome.err()?))),
            );
        }
        let mut answers = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            let fresh = !too_old.contains(symbol);
            let answer = match self.query.latest(symbol, max_age).await? {
                Some(latest) => Ok(self.with_receipt(latest).await?),
                None => {
                    let failure = failures.iter().position(|(failed, _)| failed == symbol);
                    Err(failure.map_or(QuoteFailure::Unknown { tried: Vec::new() }, |index| {
                        failures.swap_remove(index).1.into()
                    }))
                }
            };
            if fresh {
                metrics::quote("fresh");
            } else {
                count(answer.as_ref().ok().map(|quotation| &quotation.latest));
            }
            answers.push((symbol.clone(), answer));
        }
        Ok(answers)
    }

    /// The stored price of a symbol with the receipt of its last fetch.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn explain(
        &self,
        symbol: &Symbol,
        max_age: Duration,
    ) -> Result<(Option<LatestPrice>, Option<Receipt>), StoreError> {
        Ok((self.query.latest(symbol, max_age).await?, self.router.receipt(symbol).await?))
    }

    async fn stored(
        &self,
        symbol: &Symbol,
        provider: Option<&ProviderName>,
        max_age: Duration,
    ) -> Result<Option<LatestPrice>, StoreError> {
        match provider {
            None => self.query.latest(symbol, max_age).await,
            Some(_) => self.query.latest_of(symbol, provider, None, max_age).await,
        }
    }

    async fn with_receipt(&self, latest: LatestPrice) -> Result<Quotation, StoreError> {
        let receipt = self.router.receipt(&latest.price.observation.symbol).await?;
        let receipt = receipt.filter(|receipt| {
            receipt.answer.as_ref().is_some_and(|answer| answer.price_id == latest.price.id)
        });
        Ok(Quotation { latest, receipt })
    }
}

/// Counts what asking the providers has led to.
fn count(answer: Option<&LatestPrice>) {
    metrics::quote(match answer {
        None => "none",
        Some(latest) if latest.stale => "stale",
        Some(_) => "fetched",
    });
}

impl From<RouteFailure> for QuoteFailure {
    fn from(failure: RouteFailure) -> Self {
        match failure {
            RouteFailure::Unavailable { retry_after, tried } => {
                Self::Unavailable { retry_after, tried }
            }
            RouteFailure::Store { kind, detail } => Self::Store(kind.because(detail)),
            RouteFailure::UnknownSymbol { tried } => Self::Unknown { tried },
            RouteFailure::NobodyToAsk
            | RouteFailure::ProviderOff { .. }
            | RouteFailure::UnknownProvider { .. } => Self::Unknown { tried: Vec::new() },
        }
    }
}
