//! CoinGecko: coins, keyless or with a demo or pro key (PROVIDERS.md section 5).
//!
//! - `coins`: which id a symbol means.
//! - `parse`: reads the answers.

mod coins;
mod parse;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::HeaderMap;

use super::http::{ASSETS_BYTES, BaseUrl, HttpClient, QUOTES_BYTES, USER_AGENT, secret_header};
use super::reply::{self, Reply};
use super::{BuildError, ProviderSettings, QuoteResults};
use crate::model::{AssetClass, Symbol};
use crate::ports::clock::Clock;
use crate::ports::provider::{
    Asset, FailureClass, PriceProvider, ProviderError, ProviderProfile, QuotaWindow,
};

use coins::Directory;
pub use coins::pinned_symbol;
pub use parse::{Wanted, failure_in, parse_assets, parse_markets, parse_simple};

/// Coins that one call may name; also the page size.
const COINS_PER_CALL: usize = 250;
const DEFAULT_BASE: &str = "https://api.coingecko.com";

/// The adapter of `api.coingecko.com/api/v3`.
pub struct CoinGecko {
    profile: ProviderProfile,
    base: BaseUrl,
    http: HttpClient,
    key: HeaderMap,
    directory: Directory,
}

impl CoinGecko {
    pub const NAME: &'static str = "coingecko";

    /// A key is a pro key when `base_url` names the pro host, else a demo key: sent to the wrong
    /// host or under the wrong name, both are refused.
    ///
    /// # Errors
    /// [`BuildError`] for a malformed key or a bad `base_url`.
    pub fn new(settings: &ProviderSettings, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        let is_pro = settings.base_url.as_deref().is_some_and(|url| url.contains("pro-api."));
        let (key, budget) = match settings.key() {
            None => (HeaderMap::new(), vec![(QuotaWindow::Minute, 5)]),
            Some(key) if is_pro => {
                (secret_header("x-cg-pro-api-key", key.reveal())?, vec![(QuotaWindow::Minute, 250)])
            }
            Some(key) => (
                secret_header("x-cg-demo-api-key", key.reveal())?,
                vec![(QuotaWindow::Minute, 30), (QuotaWindow::Month, 10_000)],
            ),
        };
        let base = BaseUrl::new(settings, DEFAULT_BASE, "/api/v3")?;
        let profile = ProviderProfile {
            name: reply::provider_name(Self::NAME),
            asset_classes: vec![AssetClass::Crypto],
            batch_size: COINS_PER_CALL,
            lists_assets_of: vec![AssetClass::Crypto],
            budget,
            base_url: Some(base.to_string()),
            has_key: settings.key().is_some(),
            invented: false,
        };
        Ok(Self {
            profile,
            base,
            http: HttpClient::new(settings, USER_AGENT, clock)?,
            key,
            directory: Directory::default(),
        })
    }

    async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        limit_bytes: usize,
    ) -> Result<Reply, ProviderError> {
        let segments = [&["api", "v3"], path].concat();
        self.http.get(self.base.join(&segments, query), self.key.clone(), limit_bytes).await
    }

    async fn list(&self) -> Result<Vec<Asset>, ProviderError> {
        let reply = self.get(&["coins", "list"], &[], ASSETS_BYTES).await?;
        let coins = parse::parse_list(&reply)?;
        self.directory.learn(&coins);
        Ok(parse::assets_of(&coins))
    }

    /// The ids to ask for: the first of each symbol, then further candidates while there is room.
    fn wanted(&self, symbols: &[Symbol]) -> Vec<Wanted> {
        let mut room = COINS_PER_CALL.saturating_sub(symbols.len());
        let wanted = symbols.iter().map(|symbol| {
            let base = symbol.pair().map_or("", |(base, _)| base);
            let mut ids = self.directory.candidates(base);
            ids.truncate(1 + room);
            room -= ids.len().saturating_sub(1);
            Wanted { symbol: symbol.clone(), ids }
        });
        wanted.collect()
    }
}

#[async_trait]
impl PriceProvider for CoinGecko {
    fn profile(&self) -> &ProviderProfile {
        &self.profile
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<QuoteResults, ProviderError> {
        let mut bases = symbols.iter().filter_map(|symbol| Some(symbol.pair()?.0));
        if bases.any(|base| self.directory.must_be_read_for(base)) {
            self.list().await?;
        }
        let wanted = self.wanted(symbols);
        let ids: Vec<&str> = wanted.iter().flat_map(|wanted| &wanted.ids).map(|id| &**id).collect();
        if ids.is_empty() {
            return Ok(reply::each(symbols, |symbol| Err(reply::absent(symbol))));
        }
        // No blank after the comma: it silently loses the id that follows.
        let ids = ids.join(",");
        let mut currencies: Vec<String> = symbols
            .iter()
            .filter_map(|symbol| Some(symbol.pair()?.1.to_ascii_lowercase()))
            .collect();
        currencies.sort();
        currencies.dedup();

        if let [currency] = currencies.as_slice() {
            let query =
                [("vs_currency", &**currency), ("ids", &*ids), ("per_page", "250"), ("page", "1")];
            let reply = self.get(&["coins", "markets"], &query, QUOTES_BYTES).await?;
            return parse_markets(&reply, &wanted, currency, self.http.now());
        }
        // Only this call takes several currencies; it has no absolute change.
        let currencies: Vec<&str> = currencies.iter().map(String::as_str).collect();
        let query = [
            ("ids", &*ids),
            ("vs_currencies", &*currencies.join(",")),
            ("include_market_cap", "true"),
            ("include_24hr_change", "true"),
            ("include_last_updated_at", "true"),
            ("precision", "full"),
        ];
        let reply = self.get(&["simple", "price"], &query, QUOTES_BYTES).await?;
        parse_simple(&reply, &wanted, &currencies, self.http.now())
    }

    async fn assets(&self, class: AssetClass) -> Result<Vec<Asset>, ProviderError> {
        if class != AssetClass::Crypto {
            let why = format!("coingecko lists no {class}");
            return Err(ProviderError::new(FailureClass::BadRequest, why));
        }
        self.list().await
    }
}
