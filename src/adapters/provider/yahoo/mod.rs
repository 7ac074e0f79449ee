//! Yahoo Finance: stocks, coins and forex without a key, unofficial (PROVIDERS.md section 3).
//!
//! One symbol is asked from the chart, which needs no session; several from the quote call, which
//! needs a cookie and a crumb.
//!
//! - `symbols`: their spelling of ours and back.
//! - `chart`, `quote`, `search`: read the answers.
//! - `session`: cookie and crumb.

mod chart;
mod failure;
mod quote;
mod search;
mod session;
mod symbols;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::HeaderMap;

use super::http::{BaseUrl, HttpClient, QUOTES_BYTES};
use super::reply;
use super::{BuildError, ProviderSettings, QuoteResults};
use crate::model::{AssetClass, Symbol};
use crate::ports::clock::Clock;
use crate::ports::provider::{
    Asset, FailureClass, PriceProvider, ProviderError, ProviderProfile, QuotaWindow,
};

pub use chart::parse_chart;
pub use failure::failure_in;
pub use quote::parse_quotes;
pub use search::parse_search;
pub use session::parse_crumb;
pub use symbols::canonical;

use session::Session;
use symbols::provider_symbol;

/// Library agents are answered 429 on the first call, and so was an outdated browser in May 2025.
const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 \
                       (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const HOST: &str = "https://query1.finance.yahoo.com";
const COOKIE_HOST: &str = "https://fc.yahoo.com";

/// The adapter of `query1.finance.yahoo.com`.
pub struct Yahoo {
    profile: ProviderProfile,
    base: BaseUrl,
    http: HttpClient,
    session: Session,
}

impl Yahoo {
    pub const NAME: &'static str = "yahoo";

    /// # Errors
    /// [`BuildError`] for a bad `base_url`, which stands in for the cookie page too.
    pub fn new(settings: &ProviderSettings, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        let base = BaseUrl::new(settings, HOST, "")?;
        let profile = ProviderProfile {
            name: reply::provider_name(Self::NAME),
            asset_classes: AssetClass::ALL.to_vec(),
            batch_size: 50,
            lists_assets_of: Vec::new(),
            // No limit is published; this is our own restraint.
            budget: vec![(QuotaWindow::Second, 2), (QuotaWindow::Minute, 60)],
            base_url: Some(base.to_string()),
            has_key: false,
            invented: false,
        };
        Ok(Self {
            profile,
            base,
            http: HttpClient::new(settings, BROWSER, clock)?,
            session: Session::new(BaseUrl::new(settings, COOKIE_HOST, "")?),
        })
    }

    /// Finds listings by name or symbol, best first. Yahoo has no full list to browse.
    ///
    /// # Errors
    /// When the call as a whole failed.
    pub async fn search(&self, text: &str) -> Result<Vec<Asset>, ProviderError> {
        let query = [("q", text), ("quotesCount", "20"), ("newsCount", "0")];
        let url = self.base.join(&["v1", "finance", "search"], &query);
        let reply = self.http.get(url, HeaderMap::new(), QUOTES_BYTES).await?;
        parse_search(&reply)
    }

    async fn chart(&self, symbol: &Symbol) -> Result<QuoteResults, ProviderError> {
        let path = ["v8", "finance", "chart", &*provider_symbol(symbol)];
        // `range=1d` with minutes is what makes the reply hold the previous close.
        let url = self.base.join(&path, &[("range", "1d"), ("interval", "1m")]);
        let reply = self.http.get(url, HeaderMap::new(), QUOTES_BYTES).await?;
        parse_chart(&reply, symbol, self.http.now())
    }

    async fn batch(&self, symbols: &[Symbol]) -> Result<QuoteResults, ProviderError> {
        let names: Vec<String> = symbols.iter().map(provider_symbol).collect();
        let names = names.join(",");
        let mut is_second_try = false;
        loop {
            let (cookie, crumb) = self.session.open(&self.http, &self.base).await?;
            let query = [("symbols", &*names), ("crumb", &*crumb)];
            let url = self.base.join(&["v7", "finance", "quote"], &query);
            let reply = self.http.get(url, cookie, QUOTES_BYTES).await?;
            let results = parse_quotes(&reply, symbols, self.http.now());
            let is_stale = matches!(&results, Err(error) if error.class == FailureClass::Auth);
            if !is_stale {
                return results;
            }
            self.session.drop_crumb(&crumb);
            if is_second_try {
                return results;
            }
            is_second_try = true;
        }
    }
}

#[async_trait]
impl PriceProvider for Yahoo {
    fn profile(&self) -> &ProviderProfile {
        &self.profile
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<QuoteResults, ProviderError> {
        match symbols {
            [] => Ok(Vec::new()),
            [symbol] => self.chart(symbol).await,
            symbols => self.batch(symbols).await,
        }
    }
}
