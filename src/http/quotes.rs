//! `/v1/quotes`, `/v1/assets`, `/v1/providers` and `/poll`: what the providers say, and who was
//! asked.

use std::sync::Arc;
use std::time::Duration;

use poem::http::{StatusCode, Uri};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::cursor::{Cursors, List};
use super::doors::Caller;
use super::error::ApiError;
use super::params::{
    AssetTypeParam, CursorParam, LimitParam, ProviderParam, SkipParam, SymbolParam, SymbolsParam,
    next_link,
};
use super::prices::{PriceRecord, no_price_of};
use super::values::Exact;
use super::{ApiSettings, Services, Tag};
use crate::model::{Attempt, BreakerState, Receipt, Symbol};
use crate::ports::{Clock, Store};
use crate::services::assets::AssetLists;
use crate::services::quotes::{Quotation, QuoteFailure, Quotes};
use crate::services::route::{ProviderState, RouteFailure, Router};

/// Symbols that one request may name.
const MAX_SYMBOLS: usize = 200;

/// The newest price of a symbol and how it moved.
#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct QuoteRecord {
    pub symbol: String,
    pub price: Exact,
    /// Against the previous close (stocks, forex) or 24 hours ago (crypto); null when nobody said
    pub change: Option<Exact>,
    pub percent_change: Option<Exact>,
    pub source: String,
    pub timestamp: String,
    pub currency: String,
    pub stale: bool,
}

impl From<&Quotation> for QuoteRecord {
    fn from(quotation: &Quotation) -> Self {
        let observation = &quotation.latest.price.observation;
        let answer = quotation.receipt.as_ref().and_then(|receipt| receipt.answer.as_ref());
        Self {
            symbol: observation.symbol.to_string(),
            price: Exact(observation.price.decimal()),
            change: answer.and_then(|answer| answer.change).map(Exact),
            percent_change: answer.and_then(|answer| answer.percent_change).map(Exact),
            source: observation.provider.to_string(),
            timestamp: observation.observed_at.to_string(),
            currency: observation.currency.to_string(),
            stale: quotation.latest.stale,
        }
    }
}

/// Why a symbol has no quote.
#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct QuoteError {
    pub symbol: String,
    pub code: String,
    pub detail: String,
}

#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct QuoteList {
    pub quotes: Vec<QuoteRecord>,
    pub errors: Vec<QuoteError>,
}

impl QuoteList {
    /// The answers of [`Quotes::many`] as they are told.
    pub fn of(answers: Vec<(Symbol, Result<Quotation, QuoteFailure>)>) -> Self {
        let mut list = Self::default();
        for (symbol, outcome) in answers {
            match outcome {
                Ok(quotation) => list.quotes.push(QuoteRecord::from(&quotation)),
                Err(failure) => {
                    let failure = failed(&symbol, failure);
                    list.errors.push(QuoteError {
                        symbol: symbol.to_string(),
                        code: failure.code.into(),
                        detail: failure.detail,
                    });
                }
            }
        }
        list
    }
}

/// One provider that was thought of.
#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct AttemptRecord {
    pub provider: String,
    /// `answered`, or why not: `unknown_symbol`, `rate_limited`, `breaker_open`, `budget_spent` …
    pub outcome: String,
    pub detail: Option<String>,
    /// Milliseconds the call took; null when none was made
    pub latency_ms: Option<u64>,
    /// When the provider may be asked again
    pub until: Option<String>,
}

impl From<&Attempt> for AttemptRecord {
    fn from(attempt: &Attempt) -> Self {
        Self {
            provider: attempt.provider.to_string(),
            outcome: attempt.outcome.name().to_owned(),
            detail: attempt.detail.clone(),
            latency_ms: attempt.latency.map(millis),
            until: attempt.until.map(|instant| instant.to_string()),
        }
    }
}

/// Where the newest price came from.
#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct ReceiptRecord {
    pub symbol: String,
    pub price: Exact,
    pub currency: String,
    pub provider: String,
    pub price_id: u64,
    pub timestamp: String,
    pub received_at: String,
    /// Milliseconds since the provider observed it
    pub age_ms: u64,
    pub stale: bool,
    /// The raw payload that came with it
    pub raw_response_id: Option<String>,
    /// When the providers were last asked
    pub asked_at: Option<String>,
    /// How long the answering call took
    pub latency_ms: Option<u64>,
    /// Who was asked then, in order, and why not
    pub attempts: Vec<AttemptRecord>,
}

#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct AssetRecord {
    pub symbol: String,
    pub name: String,
    pub exchange: Option<String>,
    pub currency: String,
    pub source: String,
}

#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct AssetPage {
    pub asset_type: String,
    /// How many match in all
    pub count: u64,
    pub assets: Vec<AssetRecord>,
    pub updated_at: Option<String>,
}

#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct BudgetRecord {
    /// `second`, `minute`, `day` or `month`
    pub window: String,
    pub limit: u32,
    pub remaining: u32,
    pub resets_at: String,
}

#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct BreakerRecord {
    /// `closed`, `open` or `half_open`
    pub state: String,
    pub failures: u32,
    pub open_until: Option<String>,
}

impl From<&BreakerState> for BreakerRecord {
    fn from(state: &BreakerState) -> Self {
        let (state, failures, open_until) = match state {
            BreakerState::Closed { n_failures } => ("closed", *n_failures, None),
            BreakerState::Open { until } => ("open", 0, Some(until)),
            BreakerState::HalfOpen { probe_until } => ("half_open", 0, Some(probe_until)),
        };
        Self {
            state: state.into(),
            failures,
            open_until: open_until.map(|instant| instant.to_string()),
        }
    }
}

/// A provider and how it does.
#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct ProviderRecord {
    pub name: String,
    pub enabled: bool,
    /// Why it is off
    pub reason: Option<String>,
    pub asset_classes: Vec<String>,
    pub batch_size: Option<u64>,
    /// Its prices are replayed or simulated
    pub invented: bool,
    /// What is not asked any more, and why, until it is reset or restarted
    pub switched_off: Vec<String>,
    pub breaker: Option<BreakerRecord>,
    pub budgets: Vec<BudgetRecord>,
    pub calls: u64,
    pub failed_calls: u64,
    pub last_latency_ms: Option<u64>,
    pub last_error: Option<String>,
    pub last_error_at: Option<String>,
}

impl From<&ProviderState> for ProviderRecord {
    fn from(state: &ProviderState) -> Self {
        let name = state.name().to_string();
        match state {
            ProviderState::Off { why, .. } => {
                Self { name, enabled: false, reason: Some(why.clone()), ..Self::default() }
            }
            ProviderState::On { profile, breaker, budgets, calls, switched_off } => Self {
                name,
                enabled: true,
                reason: None,
                asset_classes: profile.asset_classes.iter().map(ToString::to_string).collect(),
                batch_size: Some(profile.batch_size as u64),
                invented: profile.invented,
                switched_off: switched_off.iter().map(|(_, why)| why.clone()).collect(),
                breaker: Some(breaker.into()),
                budgets: budgets
                    .iter()
                    .map(|left| BudgetRecord {
                        window: left.window.name().into(),
                        limit: left.limit,
                        remaining: left.left,
                        resets_at: left.next_at.to_string(),
                    })
                    .collect(),
                calls: calls.n_calls,
                failed_calls: calls.n_failed_calls,
                last_latency_ms: calls.last_latency.map(millis),
                last_error: calls.last_error.clone(),
                last_error_at: calls.last_error_at.map(|instant| instant.to_string()),
            },
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(ApiResponse)]
pub enum AssetsAnswer {
    /// One page
    #[oai(status = 200)]
    Page(
        Json<AssetPage>,
        /// The next page, if there is one
        #[oai(header = "Link")]
        Option<String>,
    ),
}

pub struct QuotesApi {
    quotes: Arc<Quotes>,
    router: Arc<Router>,
    assets: Arc<AssetLists>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    cursors: Cursors,
    max_age: Duration,
}

impl QuotesApi {
    pub fn new(services: &Services, settings: &ApiSettings) -> Self {
        Self {
            quotes: Arc::clone(&services.quotes),
            router: Arc::clone(&services.router),
            assets: Arc::clone(&services.assets),
            store: Arc::clone(&services.store),
            clock: Arc::clone(&services.clock),
            cursors: services.cursors.clone(),
            max_age: settings.quote_max_age,
        }
    }
}

#[OpenApi(tag = "Tag::Quotes")]
impl QuotesApi {
    /// Quotes of up to 200 symbols
    #[oai(path = "/v1/quotes", method = "get", operation_id = "quotes")]
    async fn quotes(
        &self,
        /// Symbols with commas between them
        symbols: Query<SymbolsParam>,
    ) -> Result<Json<QuoteList>, ApiError> {
        let symbols = symbols.0.0;
        if symbols.len() > MAX_SYMBOLS {
            let detail = format!("names {} symbols; at most {MAX_SYMBOLS}", symbols.len());
            return Err(ApiError::invalid_parameter("symbols", detail));
        }
        Ok(Json(QuoteList::of(self.quotes.many(&symbols, self.max_age).await?)))
    }

    /// Where the newest price of a symbol came from
    #[oai(path = "/v1/quotes/:symbol/explain", method = "get", operation_id = "explain_quote")]
    async fn explain(&self, symbol: Path<SymbolParam>) -> Result<Json<ReceiptRecord>, ApiError> {
        let symbol = symbol.0.0;
        let (latest, receipt) = self.quotes.explain(&symbol, self.max_age).await?;
        let latest = latest.ok_or_else(|| never_answered(&symbol, receipt.as_ref()))?;
        let observation = &latest.price.observation;
        let attempts = receipt.as_ref().map(|receipt| &receipt.tried);
        let answered = |receipt: &Receipt| {
            let provider = &receipt.answer.as_ref()?.provider;
            receipt.tried.iter().find(|attempt| attempt.provider == *provider)?.latency
        };
        Ok(Json(ReceiptRecord {
            symbol: symbol.to_string(),
            price: Exact(observation.price.decimal()),
            currency: observation.currency.to_string(),
            provider: observation.provider.to_string(),
            price_id: latest.price.id.get(),
            timestamp: observation.observed_at.to_string(),
            received_at: observation.received_at.to_string(),
            age_ms: millis(self.clock.now().since(latest.price.fresh_from())),
            stale: latest.stale,
            raw_response_id: latest.price.raw_response_id(),
            asked_at: receipt.as_ref().map(|receipt| receipt.asked_at.to_string()),
            latency_ms: receipt.as_ref().and_then(answered).map(millis),
            attempts: attempts.into_iter().flatten().map(AttemptRecord::from).collect(),
        }))
    }

    /// Instruments that the providers list
    #[oai(path = "/v1/assets/:asset_type", method = "get", operation_id = "assets")]
    async fn assets(
        &self,
        uri: &Uri,
        /// `stocks`, `crypto` or `forex`
        asset_type: Path<AssetTypeParam>,
        /// Part of a symbol or name
        q: Query<Option<String>>,
        limit: Query<Option<LimitParam>>,
        cursor: Query<Option<CursorParam>>,
        skip: Query<Option<SkipParam>>,
    ) -> Result<AssetsAnswer, ApiError> {
        let class = asset_type.0.0;
        let limit = limit.0.map(|limit| limit.0).unwrap_or_default().get();
        let query = q.0.unwrap_or_default();
        let before = cursor.0.map(|cursor| self.cursors.open_number(List::Assets, &cursor.0));
        let before = usize::try_from(before.transpose()?.unwrap_or(0)).unwrap_or(usize::MAX);
        let skip = before.saturating_add(skip.0.map_or(0, |skip| skip.0));
        let page = self.assets.search(class, &query, skip, limit).await?;
        let shown = skip.saturating_add(page.assets.len());
        let next = (shown < page.count)
            .then(|| next_link(uri, &self.cursors.seal_number(List::Assets, shown as u64)));
        let assets = page.assets.iter().map(|listed| AssetRecord {
            symbol: listed.asset.symbol.to_string(),
            name: listed.asset.name.clone(),
            exchange: listed.asset.exchange.clone(),
            currency: listed.asset.currency.to_string(),
            source: listed.provider.to_string(),
        });
        let page = AssetPage {
            asset_type: class.name().into(),
            count: page.count as u64,
            assets: assets.collect(),
            updated_at: page.updated_at.map(|instant| instant.to_string()),
        };
        Ok(AssetsAnswer::Page(Json(page), next))
    }

    /// The providers, their breakers and what is left of their budgets
    #[oai(path = "/v1/providers", method = "get", operation_id = "providers")]
    async fn providers(&self) -> Result<Json<Vec<ProviderRecord>>, ApiError> {
        self.router.refresh().await?;
        Ok(Json(self.router.providers().iter().map(ProviderRecord::from).collect()))
    }

    /// Close a provider's breaker
    #[oai(path = "/v1/providers/:name/reset", method = "post", operation_id = "reset_provider")]
    async fn reset(
        &self,
        caller: Data<&Caller>,
        name: Path<ProviderParam>,
    ) -> Result<Json<ProviderRecord>, ApiError> {
        let name = name.0.0;
        let unknown = || ApiError::not_found("unknown-provider", format!("{name} is not enabled"));
        let draft = caller.draft("provider.reset", name.to_string());
        if !self.router.reset(&name, draft).await? {
            return Err(unknown());
        }
        let states = self.router.providers();
        let state = states.iter().find(|state| *state.name() == name).ok_or_else(unknown)?;
        Ok(Json(state.into()))
    }

    /// Ask the providers for a symbol now, and store what they say
    #[oai(path = "/poll/:symbol", method = "post", operation_id = "poll_now")]
    async fn poll(
        &self,
        caller: Data<&Caller>,
        symbol: Path<SymbolParam>,
        provider: Query<Option<ProviderParam>>,
    ) -> Result<Json<PriceRecord>, ApiError> {
        let symbol = symbol.0.0;
        let provider = provider.0.map(|provider| provider.0);
        // Noted before: what comes is stored once for all who ask at the same time.
        self.store.note(caller.draft("poll.now", symbol.to_string())).await?;
        match self.router.quote(&symbol, provider.as_ref()).await {
            Ok(quoted) => Ok(Json(PriceRecord::from(&quoted.price))),
            Err(failure) => Err(refused(&symbol, failure)),
        }
    }
}

/// A failed look-up as a problem.
pub(super) fn failed(symbol: &Symbol, failure: QuoteFailure) -> ApiError {
    match failure {
        QuoteFailure::Unknown { tried } if tried.is_empty() => no_price_of(symbol),
        QuoteFailure::Unknown { tried } => ApiError::not_found(
            "unknown-symbol",
            format!("{symbol} is unknown to {}", told(&tried)),
        ),
        QuoteFailure::Unavailable { retry_after, tried } => unavailable(retry_after, &tried),
        QuoteFailure::Store(error) => error.into(),
    }
}

/// A poll that brought nothing, as a problem; who may be asked is told.
fn refused(symbol: &Symbol, failure: RouteFailure) -> ApiError {
    match failure {
        RouteFailure::UnknownProvider { choices, .. } => {
            let choices: Vec<_> = choices.iter().map(ToString::to_string).collect();
            ApiError::invalid_parameter("provider", format!("is one of {}", choices.join(", ")))
        }
        RouteFailure::ProviderOff { .. } => {
            ApiError::invalid_parameter("provider", failure.to_string())
        }
        other => failed(symbol, other.into()),
    }
}

/// Where there is no price to explain, who was asked for one and why that did not help.
fn never_answered(symbol: &Symbol, receipt: Option<&Receipt>) -> ApiError {
    let Some(receipt) = receipt else { return no_price_of(symbol) };
    let attempts = receipt.tried.iter().map(|attempt| {
        let why = attempt.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        format!("{} ({}{why})", attempt.provider, attempt.outcome.name())
    });
    let tried = attempts.collect::<Vec<_>>().join(", ");
    let detail =
        format!("there is no price of {symbol}; who was asked at {}: {tried}", receipt.asked_at);
    ApiError::not_found("unknown-symbol", detail)
}

fn unavailable(retry_after: Duration, tried: &[Attempt]) -> ApiError {
    let detail = format!("no provider gave a price: {}", told(tried));
    ApiError {
        retry_after_secs: Some(retry_after.as_secs().max(1)),
        ..ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "providers-unavailable", detail)
    }
}

fn told(tried: &[Attempt]) -> String {
    let attempts =
        tried.iter().map(|attempt| format!("{} ({})", attempt.provider, attempt.outcome.name()));
    attempts.collect::<Vec<_>>().join(", ")
}
