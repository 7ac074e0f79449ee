//! `/prices`: the newest price, lists, and each price with its versions.

use std::sync::Arc;
use std::time::Duration;

use poem::http::Uri;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Any;
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cursor::{Cursors, PricePlace};
use super::doors::Caller;
use super::error::ApiError;
use super::json::Written;
use super::params::{
    CursorParam, IdParam, LimitParam, OrderParam, ProviderParam, SecondsParam, SkipParam,
    SymbolParam, TimeParam, next_link,
};
use super::quotes::failed;
use super::values::{Exact, JsonBody, NumberText};
use super::{ApiSettings, Services, Tag};
use crate::model::{Price, PriceId, PriceVersion, RawPayload, Symbol, TimeRange, Timestamp};
use crate::ports::{Appended, PriceQuery, Store};
use crate::services::bulk::conflict;
use crate::services::draft::{self, FieldError, PriceDraft, TimeFormat};
use crate::services::ingest::Ingest;
use crate::services::query::{LatestPrice, Query as Queries};
use crate::services::quotes::Quotes;
use crate::telemetry::metrics;

/// A stored price.
#[derive(Debug, Object, Serialize)]
#[oai(read_only_all)]
pub struct PriceRecord {
    pub id: u64,
    pub symbol: String,
    pub price: Exact,
    pub volume: Option<Exact>,
    /// When the provider observed it, RFC 3339.
    pub timestamp: String,
    /// Who observed it.
    pub source: String,
    pub currency: String,
    pub external_id: Option<String>,
    /// When this version was received, RFC 3339.
    pub received_at: String,
    /// 1 for the first; one more with each correction.
    pub version: u32,
    /// JSON that came with the price.
    pub raw_data: Option<Any<Value>>,
}

impl From<&Price> for PriceRecord {
    fn from(price: &Price) -> Self {
        let observation = &price.observation;
        let raw = observation.raw.as_ref();
        Self {
            id: price.id.get(),
            symbol: observation.symbol.to_string(),
            price: Exact(observation.price.decimal()),
            volume: observation.volume.map(|volume| Exact(volume.decimal())),
            timestamp: observation.observed_at.to_string(),
            source: observation.provider.to_string(),
            currency: observation.currency.to_string(),
            external_id: observation.external_id.as_ref().map(|id| id.as_str().to_owned()),
            received_at: observation.received_at.to_string(),
            version: price.version,
            raw_data: raw.and_then(|raw| serde_json::from_str(&raw.0).ok()).map(Any),
        }
    }
}

/// One version of a price.
#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct VersionRecord {
    pub version: u32,
    pub price: Exact,
    pub volume: Option<Exact>,
    pub currency: String,
    /// When this version was received, RFC 3339.
    pub received_at: String,
    /// When the next version took its place; null for the current one.
    pub superseded_at: Option<String>,
    /// This version says that the price was deleted.
    pub deleted: bool,
}

impl From<&PriceVersion> for VersionRecord {
    fn from(version: &PriceVersion) -> Self {
        let observation = &version.price.observation;
        Self {
            version: version.price.version,
            price: Exact(observation.price.decimal()),
            volume: observation.volume.map(|volume| Exact(volume.decimal())),
            currency: observation.currency.to_string(),
            received_at: observation.received_at.to_string(),
            superseded_at: version.superseded_at.map(|instant| instant.to_string()),
            deleted: version.deleted,
        }
    }
}

/// The newest price of a symbol.
#[derive(Debug, Object, Serialize)]
#[oai(read_only_all)]
pub struct LatestRecord {
    pub symbol: String,
    pub price: Exact,
    /// When the provider observed it, RFC 3339.
    pub timestamp: String,
    pub provider: String,
    /// The same as `provider`.
    pub source: String,
    pub currency: String,
    pub received_at: String,
    /// It is older than `max_age`.
    pub stale: bool,
}

impl From<&LatestPrice> for LatestRecord {
    fn from(latest: &LatestPrice) -> Self {
        let observation = &latest.price.observation;
        Self {
            symbol: observation.symbol.to_string(),
            price: Exact(observation.price.decimal()),
            timestamp: observation.observed_at.to_string(),
            provider: observation.provider.to_string(),
            source: observation.provider.to_string(),
            currency: observation.currency.to_string(),
            received_at: observation.received_at.to_string(),
            stale: latest.stale,
        }
    }
}

/// A price to store.
#[derive(Debug, Object, Deserialize)]
#[oai(write_only_all)]
#[serde(deny_unknown_fields)]
pub struct NewPrice {
    /// 1 to 32 characters of `A-Z 0-9 . - / ^ =`, in any case.
    pub symbol: String,
    /// Greater than zero, with at most 15 digits before and 20 after the point.
    pub price: NumberText,
    #[serde(default)]
    pub volume: Option<NumberText>,
    /// RFC 3339; now when absent.
    #[serde(default)]
    pub timestamp: Option<String>,
    /// Who observed it; `manual` when absent.
    #[serde(default)]
    pub source: Option<String>,
    /// Told by the symbol when absent; `GBp`, `ZAc` and `ILA` are hundredths.
    #[serde(default)]
    pub currency: Option<String>,
    /// Tells prices apart that share symbol, source and timestamp.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Any JSON to keep beside the price.
    #[serde(default)]
    pub raw_data: Option<Any<Value>>,
}

impl NewPrice {
    fn draft(self) -> PriceDraft {
        PriceDraft {
            symbol: Some(self.symbol),
            price: Some(self.price.text()),
            volume: self.volume.map(|volume| volume.text()),
            timestamp: self.timestamp,
            source: self.source,
            currency: self.currency,
            external_id: self.external_id,
            raw: self.raw_data.map(|raw| RawPayload(raw.0.to_string().into())),
        }
    }
}

/// A correction. What names the price (symbol, timestamp, source, `external_id`) may be repeated but
/// not changed.
#[derive(Debug, Object, Deserialize)]
#[oai(write_only_all)]
#[serde(deny_unknown_fields)]
pub struct CorrectedPrice {
    /// Greater than zero, with at most 15 digits before and 20 after the point.
    pub price: NumberText,
    #[serde(default)]
    pub volume: Option<NumberText>,
    /// As it was when absent.
    #[serde(default)]
    pub currency: Option<String>,
    #[serde(default)]
    pub raw_data: Option<Any<Value>>,
    #[serde(default)]
    pub symbol: Option<String>,
    #[serde(default)]
    pub timestamp: Option<String>,
    #[serde(default)]
    pub source: Option<String>,
    #[serde(default)]
    pub external_id: Option<String>,
}

#[derive(ApiResponse)]
pub enum StoredAnswer {
    /// Stored now
    #[oai(status = 201)]
    Created(
        Written<PriceRecord>,
        /// Where the price is
        #[oai(header = "Location")]
        String,
    ),
    /// The same price was stored already
    #[oai(status = 200)]
    Duplicate(Written<PriceRecord>),
}

#[derive(ApiResponse)]
pub enum ListAnswer {
    /// One page
    #[oai(status = 200)]
    Page(
        Written<Vec<PriceRecord>>,
        /// The next page, if there is one
        #[oai(header = "Link")]
        Option<String>,
    ),
}

/// What was done, in words.
#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct Message {
    pub message: String,
}

#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct SymbolList {
    pub symbols: Vec<String>,
}

pub struct PricesApi {
    store: Arc<dyn Store>,
    ingest: Arc<Ingest>,
    query: Arc<Queries>,
    quotes: Arc<Quotes>,
    cursors: Cursors,
    max_age: Duration,
}

impl PricesApi {
    pub fn new(services: &Services, settings: &ApiSettings) -> Self {
        Self {
            store: Arc::clone(&services.store),
            ingest: Arc::clone(&services.ingest),
            query: Arc::clone(&services.query),
            quotes: Arc::clone(&services.quotes),
            cursors: services.cursors.clone(),
            max_age: settings.quote_max_age,
        }
    }
}

#[OpenApi(prefix_path = "/prices", tag = "Tag::Prices")]
impl PricesApi {
    /// The newest price of a symbol
    #[oai(path = "/latest", method = "get", operation_id = "latest_price")]
    async fn latest(
        &self,
        symbol: Query<SymbolParam>,
        /// Only prices of this provider
        provider: Query<Option<ProviderParam>>,
        /// Seconds after which a price counts as stale
        max_age: Query<Option<SecondsParam>>,
        /// What was known at this moment
        as_of: Query<Option<TimeParam>>,
    ) -> Result<Written<LatestRecord>, ApiError> {
        let symbol = symbol.0.0;
        let max_age = max_age.0.map_or(self.max_age, |seconds| seconds.0);
        let provider = provider.0.map(|provider| provider.0);
        let latest = match as_of.0 {
            None => {
                let latest = self.quotes.latest(&symbol, provider.as_ref(), max_age).await;
                latest.map_err(|failure| failed(&symbol, failure))?
            }
            Some(as_of) => {
                let known = Some(as_of.0);
                let latest = self.query.latest_of(&symbol, provider.as_ref(), known, max_age);
                latest.await?.ok_or_else(|| no_price_of(&symbol))?
            }
        };
        Ok(Written(LatestRecord::from(&latest)))
    }

    /// Stored prices, newest first
    #[expect(clippy::too_many_arguments, reason = "one argument a query parameter")]
    #[oai(path = "/", method = "get", operation_id = "list_prices")]
    async fn list(
        &self,
        uri: &Uri,
        symbol: Query<Option<SymbolParam>>,
        provider: Query<Option<ProviderParam>>,
        /// Observed at this time or later
        from: Query<Option<TimeParam>>,
        /// Observed before this time
        to: Query<Option<TimeParam>>,
        order: Query<Option<OrderParam>>,
        limit: Query<Option<LimitParam>>,
        cursor: Query<Option<CursorParam>>,
        skip: Query<Option<SkipParam>>,
        /// What was known at this moment
        as_of: Query<Option<TimeParam>>,
    ) -> Result<ListAnswer, ApiError> {
        let order = order.0.map(|order| order.0).unwrap_or_default();
        let cursor = cursor.0.map(|cursor| PricePlace::open(&self.cursors, &cursor.0));
        let cursor = cursor.transpose()?;
        if cursor.is_some_and(|cursor| cursor.order != order) {
            let detail = "belongs to a list in the other order";
            return Err(ApiError::invalid_parameter("cursor", detail));
        }
        let limit = limit.0.map(|limit| limit.0).unwrap_or_default();
        let range = TimeRange {
            from: from.0.map_or(Timestamp::MIN, |from| from.0),
            to: to.0.map_or(Timestamp::MAX, |to| to.0),
        };
        let query = PriceQuery {
            symbol: symbol.0.map(|symbol| symbol.0),
            provider: provider.0.map(|provider| provider.0),
            range,
            order,
            after: cursor.map(|cursor| cursor.after),
            skip: skip.0.map_or(0, |skip| skip.0),
            // One more tells whether there is another page.
            limit: limit.get() + 1,
            as_of: as_of.0.map(|as_of| as_of.0),
        };
        let mut prices = metrics::store_call("range", self.store.prices(query)).await?;
        let more = prices.len() > limit.get();
        prices.truncate(limit.get());
        let next = prices.last().filter(|_| more).map(|last| {
            let place = PricePlace { order, after: last.position() };
            next_link(uri, &place.seal(&self.cursors))
        });
        Ok(ListAnswer::Page(Written(prices.iter().map(PriceRecord::from).collect()), next))
    }

    /// Store a price
    ///
    /// The same price again is answered as the first time with 200. Another value under the same
    /// symbol, source, timestamp and external id is a conflict: correct it with PUT.
    #[oai(path = "/", method = "post", operation_id = "store_price")]
    async fn store(
        &self,
        caller: Data<&Caller>,
        body: JsonBody<NewPrice>,
    ) -> Result<StoredAnswer, ApiError> {
        let observation = self.ingest.checker(TimeFormat::Rfc3339).check(body.0.draft())?;
        let ingest = self.ingest.audited(caller.draft("price.create", ""));
        let outcome = ingest.record(vec![observation]).await?.into_iter().next();
        match outcome {
            Some(Appended::New(price)) => {
                let location = format!("/prices/{}", price.id);
                Ok(StoredAnswer::Created(Written(PriceRecord::from(&price)), location))
            }
            Some(Appended::Duplicate(price)) => {
                Ok(StoredAnswer::Duplicate(Written(PriceRecord::from(&price))))
            }
            Some(Appended::Conflict(price)) => {
                Err(ApiError::conflict("price-conflict", conflict(&price)))
            }
            None => unreachable!("an append answers once for each observation"),
        }
    }

    /// The symbols that have a price, in alphabetical order
    #[oai(path = "/symbols", method = "get", operation_id = "list_symbols")]
    async fn symbols(&self) -> Result<Json<SymbolList>, ApiError> {
        Ok(Json(SymbolList { symbols: all_symbols(self.store.as_ref()).await? }))
    }

    /// One price
    #[oai(path = "/:id", method = "get", operation_id = "get_price")]
    async fn get(
        &self,
        id: Path<IdParam>,
        /// What was known at this moment
        as_of: Query<Option<TimeParam>>,
    ) -> Result<Written<PriceRecord>, ApiError> {
        let id = known_id(&id.0)?;
        let as_of = as_of.0.map(|as_of| as_of.0);
        let price = self.store.price(id, as_of).await?.ok_or_else(no_such_price)?;
        Ok(Written(PriceRecord::from(&price)))
    }

    /// Correct a price
    ///
    /// The old value stays in its history.
    #[oai(path = "/:id", method = "put", operation_id = "correct_price")]
    async fn correct(
        &self,
        caller: Data<&Caller>,
        id: Path<IdParam>,
        body: JsonBody<CorrectedPrice>,
    ) -> Result<Written<PriceRecord>, ApiError> {
        let id = known_id(&id.0)?;
        let stored = self.store.price(id, None).await?.ok_or_else(no_such_price)?;
        let body = body.0;
        check_same_key(&stored, &body)?;
        let raw = body.raw_data.map(|raw| RawPayload(raw.0.to_string().into()));
        let value = draft::check_value(
            Some(&body.price.text()),
            body.volume.map(|volume| volume.text()).as_deref(),
            body.currency.as_deref(),
            stored.observation.currency,
            raw.as_ref(),
        )?;
        let ingest = self.ingest.audited(caller.draft("price.correct", format!("prices/{id}")));
        let corrected = ingest.correct(id, value, raw).await?.ok_or_else(no_such_price)?;
        Ok(Written(PriceRecord::from(&corrected)))
    }

    /// Delete a price
    ///
    /// Its history stays, so that past answers can still be explained.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_price")]
    async fn delete(
        &self,
        caller: Data<&Caller>,
        id: Path<IdParam>,
    ) -> Result<Json<Message>, ApiError> {
        let id = known_id(&id.0)?;
        let ingest = self.ingest.audited(caller.draft("price.delete", format!("prices/{id}")));
        ingest.delete(id).await?.ok_or_else(no_such_price)?;
        Ok(Json(Message { message: format!("price {id} is deleted") }))
    }

    /// All versions of a price, oldest first
    #[oai(path = "/:id/history", method = "get", operation_id = "price_history")]
    async fn history(&self, id: Path<IdParam>) -> Result<Json<Vec<VersionRecord>>, ApiError> {
        let history = self.store.history(known_id(&id.0)?).await?;
        if history.is_empty() {
            return Err(no_such_price());
        }
        Ok(Json(history.iter().map(VersionRecord::from).collect()))
    }
}

/// What old clients call.
pub struct OldSymbolsApi {
    store: Arc<dyn Store>,
}

impl OldSymbolsApi {
    pub fn new(services: &Services) -> Self {
        Self { store: Arc::clone(&services.store) }
    }
}

#[OpenApi(tag = "Tag::Prices")]
impl OldSymbolsApi {
    /// The symbols that have a price, as a bare array
    #[oai(path = "/symbols", method = "get", operation_id = "list_symbols_old", deprecated = true)]
    async fn symbols(&self) -> Result<Json<Vec<String>>, ApiError> {
        all_symbols(self.store.as_ref()).await.map(Json)
    }
}

async fn all_symbols(store: &dyn Store) -> Result<Vec<String>, ApiError> {
    const PAGE: usize = 10_000;
    let mut names = Vec::new();
    let mut after: Option<Symbol> = None;
    loop {
        let page = store.symbols(after.as_ref(), PAGE).await?;
        names.extend(page.iter().map(ToString::to_string));
        if page.len() < PAGE {
            return Ok(names);
        }
        after = page.into_iter().next_back();
    }
}

/// Refuses a correction that would rename what it corrects.
fn check_same_key(stored: &Price, body: &CorrectedPrice) -> Result<(), ApiError> {
    let observation = &stored.observation;
    let mut errors = Vec::new();
    let mut check = |field: &'static str, same: bool| {
        if !same {
            let detail = "names the price and cannot be changed; delete it and store another";
            errors.push(FieldError { field, detail: detail.into() });
        }
    };
    let symbol = body.symbol.as_deref();
    check(
        "symbol",
        symbol.is_none_or(|text| text.eq_ignore_ascii_case(observation.symbol.as_str())),
    );
    let source = body.source.as_deref();
    check(
        "source",
        source.is_none_or(|text| text.eq_ignore_ascii_case(observation.provider.as_str())),
    );
    let time = body.timestamp.as_deref();
    check(
        "timestamp",
        time.is_none_or(|text| Timestamp::parse(text) == Ok(observation.observed_at)),
    );
    let external_id = observation.external_id.as_ref().map_or("", |id| id.as_str());
    check("external_id", body.external_id.as_deref().is_none_or(|text| text == external_id));
    if errors.is_empty() { Ok(()) } else { Err(errors.into()) }
}

fn known_id(id: &IdParam) -> Result<PriceId, ApiError> {
    id.0.ok_or_else(no_such_price)
}

fn no_such_price() -> ApiError {
    ApiError::not_found("unknown-price", "there is no price with this id")
}

pub(super) fn no_price_of(symbol: &Symbol) -> ApiError {
    ApiError::not_found("unknown-symbol", format!("there is no price of {symbol}"))
}
