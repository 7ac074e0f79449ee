//! CoinMarketCap: coins by numeric id (PROVIDERS.md section 6).
//!
//! - `parse`: reads the answers.

mod parse;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::RwLock;
use reqwest::header::HeaderMap;

use super::http::{ASSETS_BYTES, BaseUrl, HttpClient, QUOTES_BYTES, USER_AGENT, secret_header};
use super::reply;
use super::{BuildError, ProviderSettings, QuoteResults};
use crate::model::{AssetClass, Symbol};
use crate::ports::clock::Clock;
use crate::ports::provider::{
    Asset, FailureClass, PriceProvider, ProviderError, ProviderProfile, QuotaWindow,
};

pub use parse::{Wanted, failure_in, parse_map, parse_quotes, pinned_symbol};

/// The adapter of `pro-api.coinmarketcap.com`.
pub struct CoinMarketCap {
    profile: ProviderProfile,
    base: BaseUrl,
    http: HttpClient,
    key: HeaderMap,
    /// Ids learnt from the map, by base symbol.
    learnt: RwLock<HashMap<String, u64>>,
}

impl CoinMarketCap {
    pub const NAME: &'static str = "coinmarketcap";

    /// # Errors
    /// [`BuildError`] for a missing key or a bad `base_url`.
    pub fn new(settings: &ProviderSettings, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        let key = settings.key().ok_or(BuildError::KeyMissing { name: Self::NAME })?;
        let base = BaseUrl::new(settings, "https://pro-api.coinmarketcap.com", "/v2")?;
        let profile = ProviderProfile {
            name: reply::provider_name(Self::NAME),
            asset_classes: vec![AssetClass::Crypto],
            batch_size: 100,
            lists_assets_of: vec![AssetClass::Crypto],
            budget: vec![(QuotaWindow::Minute, 30), (QuotaWindow::Month, 10_000)],
            base_url: Some(base.to_string()),
            has_key: settings.key().is_some(),
            invented: false,
        };
        Ok(Self {
            profile,
            base,
            key: secret_header("x-cmc_pro_api_key", key.reveal())?,
            http: HttpClient::new(settings, USER_AGENT, clock)?,
            learnt: RwLock::default(),
        })
    }

    fn id_of(&self, base: &str) -> Option<u64> {
        parse::pinned_id(base).or_else(|| self.learnt.read().get(base).copied())
    }
}

#[async_trait]
impl PriceProvider for CoinMarketCap {
    fn profile(&self) -> &ProviderProfile {
        &self.profile
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<QuoteResults, ProviderError> {
        let pairs: Vec<(&Symbol, (&str, &str))> =
            symbols.iter().filter_map(|symbol| Some((symbol, symbol.pair()?))).collect();
        if pairs.is_empty() {
            return Ok(reply::each(symbols, |symbol| Err(reply::absent(symbol))));
        }
        // One call names either ids or symbols; one coin without id makes the whole call go by
        // symbol, where the best-ranked coin comes first.
        let ids: Option<Vec<u64>> = pairs.iter().map(|(_, (base, _))| self.id_of(base)).collect();
        let (name, coins): (_, Vec<String>) = match &ids {
            Some(ids) => ("id", ids.iter().map(u64::to_string).collect()),
            None => ("symbol", pairs.iter().map(|(_, (base, _))| (*base).to_owned()).collect()),
        };
        let wanted: Vec<Wanted> = symbols
            .iter()
            .map(|symbol| Wanted {
                symbol: symbol.clone(),
                id: ids.as_ref().and_then(|_| self.id_of(symbol.pair()?.0)),
            })
            .collect();
        let quotes = pairs.iter().map(|(_, (_, quote))| (*quote).to_owned());
        let query = [
            (name, joined(coins)),
            ("convert", joined(quotes.collect())),
            ("skip_invalid", "true".to_owned()),
        ];
        let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
        let url = self.base.join(&["v2", "cryptocurrency", "quotes", "latest"], &query);
        let reply = self.http.get(url, self.key.clone(), QUOTES_BYTES).await?;
        parse_quotes(&reply, &wanted, self.http.now())
    }

    async fn assets(&self, class: AssetClass) -> Result<Vec<Asset>, ProviderError> {
        if class != AssetClass::Crypto {
            let why = format!("coinmarketcap lists no {class}");
            return Err(ProviderError::new(FailureClass::BadRequest, why));
        }
        let query = [("listing_status", "active"), ("start", "1"), ("limit", "5000")];
        let url = self.base.join(&["v1", "cryptocurrency", "map"], &query);
        let reply = self.http.get(url, self.key.clone(), ASSETS_BYTES).await?;
        let coins = parse_map(&reply)?;
        let ids = coins.iter().filter_map(|(asset, id)| Some((asset.symbol.pair()?.0.into(), *id)));
        *self.learnt.write() = ids.collect();
        Ok(coins.into_iter().map(|(asset, _)| asset).collect())
    }
}

/// A list without doubles, in order, joined by commas.
fn joined(mut values: Vec<String>) -> String {
    let mut seen = std::collections::HashSet::new();
    values.retain(|value| seen.insert(value.clone()));
    values.join(",")
}
