//! What providers list.

use super::{AssetClass, Currency, ProviderName, Symbol, Timestamp};

/// An instrument that a provider lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    pub symbol: Symbol,
    pub name: String,
    pub exchange: Option<String>,
    pub currency: Currency,
}

/// What one provider lists of one asset class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetList {
    pub class: AssetClass,
    pub provider: ProviderName,
    pub updated_at: Timestamp,
    pub assets: Vec<Asset>,
}
