//! Where prices come from.

use std::time::Duration;

use async_trait::async_trait;
use rust_decimal::Decimal;

use crate::model::{
    Amount, AssetClass, Currency, ProviderName, RawPayload, Symbol, TimeSource, Timestamp,
};
pub use crate::model::{Asset, FailureClass, QuotaWindow};

/// A provider's answer for one symbol, normalised: major currency unit, UTC, exact decimals.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// The symbol as the caller typed it, not the provider's spelling.
    pub symbol: Symbol,
    /// Greater than zero.
    pub price: Amount,
    /// Against the previous regular close (stocks, forex) or 24 hours ago (crypto); none when the
    /// provider does not say.
    pub change: Option<Decimal>,
    pub percent_change: Option<Decimal>,
    pub volume: Option<Amount>,
    pub currency: Currency,
    pub observed_at: Timestamp,
    pub time_source: TimeSource,
    /// The part of the reply that this quote was read from.
    pub raw: Option<RawPayload>,
}

/// Why a provider gave no quote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", class.name())]
pub struct ProviderError {
    pub class: FailureClass,
    /// For people; holds no key, cookie or query string.
    pub detail: String,
    /// What the provider asked us to wait.
    pub retry_after: Option<Duration>,
}

impl ProviderError {
    pub fn new(class: FailureClass, detail: impl Into<String>) -> Self {
        Self { class, detail: detail.into(), retry_after: None }
    }
}

/// What a provider can do, known without asking it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderProfile {
    pub name: ProviderName,
    pub asset_classes: Vec<AssetClass>,
    /// Symbols that one call may name.
    pub batch_size: usize,
    /// The asset classes that [`PriceProvider::assets`] lists.
    pub lists_assets_of: Vec<AssetClass>,
    /// Calls allowed by default, for each window that has a limit.
    pub budget: Vec<(QuotaWindow, u32)>,
    /// Where it is asked; none when it uses no network.
    pub base_url: Option<String>,
    /// It is asked with a key of the user's, which can be refused.
    pub has_key: bool,
    /// Prices are invented or played back: only used when asked for by name.
    pub invented: bool,
}

/// One source of prices. It makes the call and reads the answer; budgets, retries, breakers and
/// fallback are around it, not in it.
#[async_trait]
pub trait PriceProvider: Send + Sync {
    fn profile(&self) -> &ProviderProfile;

    /// Asks for at most `batch_size` symbols in one call (one more where a session must be opened
    /// first). Every symbol comes back, as a quote or as a failure, in the order asked.
    ///
    /// # Errors
    /// When the call as a whole failed: then that is the answer for each symbol.
    async fn quotes(
        &self,
        symbols: &[Symbol],
    ) -> Result<Vec<(Symbol, Result<Quote, ProviderError>)>, ProviderError>;

    /// Everything of an asset class that the provider lists. Left out by one that lists none.
    ///
    /// # Errors
    /// [`FailureClass::BadRequest`] for a class it does not list, else as [`Self::quotes`].
    async fn assets(&self, class: AssetClass) -> Result<Vec<Asset>, ProviderError> {
        let why = format!("{} does not list {class}", self.profile().name);
        Err(ProviderError::new(FailureClass::BadRequest, why))
    }
}
