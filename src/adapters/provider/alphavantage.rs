//! Alpha Vantage: stocks at the end of the day, exchange rates of coins and currencies
//! (PROVIDERS.md section 7). One symbol a call, 25 calls a day on the free plan.
//!
//! Nearly every failure comes with HTTP 200, as prose under one of three keys. The prose may repeat
//! the API key, so failures are put in our own words.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use serde_json::Value;
use serde_json::value::RawValue;

use super::figures::{self, Change};
use super::http::{ASSETS_BYTES, BaseUrl, HttpClient, QUOTES_BYTES, USER_AGENT};
use super::reply::{self, Reading, Reply};
use super::{BuildError, ProviderSettings, QuoteResults, Secret};
use crate::model::{AssetClass, Currency, Symbol, TimeSource, Timestamp};
use crate::ports::clock::Clock;
use crate::ports::provider::{
    Asset, FailureClass, PriceProvider, ProviderError, ProviderProfile, QuotaWindow, Quote,
};

/// The adapter of `www.alphavantage.co/query`.
pub struct AlphaVantage {
    profile: ProviderProfile,
    base: BaseUrl,
    http: HttpClient,
    key: Secret,
}

impl AlphaVantage {
    pub const NAME: &'static str = "alphavantage";

    /// # Errors
    /// [`BuildError`] for a missing key or a bad `base_url`.
    pub fn new(settings: &ProviderSettings, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        let key = settings.key().cloned().ok_or(BuildError::KeyMissing { name: Self::NAME })?;
        let base = BaseUrl::new(settings, "https://www.alphavantage.co", "/query")?;
        let profile = ProviderProfile {
            name: reply::provider_name(Self::NAME),
            asset_classes: AssetClass::ALL.to_vec(),
            batch_size: 1,
            lists_assets_of: vec![AssetClass::Stock],
            budget: vec![(QuotaWindow::Second, 1), (QuotaWindow::Day, 25)],
            base_url: Some(base.to_string()),
            has_key: settings.key().is_some(),
            invented: false,
        };
        Ok(Self { profile, base, http: HttpClient::new(settings, USER_AGENT, clock)?, key })
    }

    async fn query(
        &self,
        function: &str,
        parameters: &[(&str, &str)],
        limit_bytes: usize,
    ) -> Result<Reply, ProviderError> {
        let mut query = vec![("function", function)];
        query.extend_from_slice(parameters);
        query.push(("apikey", self.key.reveal()));
        self.http.get(self.base.join(&["query"], &query), HeaderMap::new(), limit_bytes).await
    }
}

#[async_trait]
impl PriceProvider for AlphaVantage {
    fn profile(&self) -> &ProviderProfile {
        &self.profile
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<QuoteResults, ProviderError> {
        let mut results = Vec::with_capacity(symbols.len());
        // The batch size is 1: this loop makes one call.
        for symbol in symbols {
            if symbol.exchange_suffix().is_some() {
                // The reply names no currency, so a London price in pence would pass for pounds.
                let why = format!("{symbol}: only US listings are read here");
                let error = ProviderError::new(FailureClass::UnknownSymbol, why);
                results.push((symbol.clone(), Err(error)));
                continue;
            }
            results.extend(match symbol.pair() {
                Some((from, to)) => {
                    let parameters = [("from_currency", from), ("to_currency", to)];
                    let function = "CURRENCY_EXCHANGE_RATE";
                    let reply = self.query(function, &parameters, QUOTES_BYTES).await?;
                    parse_exchange_rate(&reply, symbol, self.http.now())?
                }
                None => {
                    let parameters = [("symbol", provider_symbol(symbol))];
                    let parameters = parameters.each_ref().map(|(name, value)| (*name, &**value));
                    let reply = self.query("GLOBAL_QUOTE", &parameters, QUOTES_BYTES).await?;
                    parse_global_quote(&reply, symbol, self.http.now())?
                }
            });
        }
        Ok(results)
    }

    async fn assets(&self, class: AssetClass) -> Result<Vec<Asset>, ProviderError> {
        if class != AssetClass::Stock {
            let why = format!("alphavantage lists no {class}");
            return Err(ProviderError::new(FailureClass::BadRequest, why));
        }
        let reply = self.query("LISTING_STATUS", &[("state", "active")], ASSETS_BYTES).await?;
        parse_listing(&reply)
    }
}

/// The failure that a reply of any function tells; none when it may hold data.
pub fn failure_in(reply: &Reply) -> Option<ProviderError> {
    json_body(reply).err()
}

/// Reads `GLOBAL_QUOTE`; an unknown symbol is an empty object.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_global_quote(
    reply: &Reply,
    symbol: &Symbol,
    received_at: Timestamp,
) -> Result<QuoteResults, ProviderError> {
    let text = json_body(reply)?;
    let part = member(reply, text, "Global Quote")?;
    Ok(reply::each([symbol], |symbol| read_global_quote(reply, symbol, part, received_at)))
}

/// Reads `CURRENCY_EXCHANGE_RATE`, which has no change.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_exchange_rate(
    reply: &Reply,
    symbol: &Symbol,
    received_at: Timestamp,
) -> Result<QuoteResults, ProviderError> {
    let text = json_body(reply)?;
    let part = member(reply, text, "Realtime Currency Exchange Rate")?;
    Ok(reply::each([symbol], |symbol| read_exchange_rate(reply, symbol, part, received_at)))
}

/// Reads the CSV of `LISTING_STATUS`; over a limit it is JSON instead.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_listing(reply: &Reply) -> Result<Vec<Asset>, ProviderError> {
    if let Some(class) = reply.class_of_status() {
        return Err(reply.failure(class, "alphavantage refused the call"));
    }
    let text = reply.text()?;
    let bad = |why| reply.failure(FailureClass::BadPayload, why);
    if text.starts_with('{') {
        json_body(reply)?;
        return Err(bad("JSON instead of the list"));
    }
    let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let headers = csv.headers().map_err(|_| bad("the list is no CSV"))?.clone();
    let column = |name: &str| headers.iter().position(|header| header.trim() == name);
    let symbol_column = column("symbol").ok_or_else(|| bad("the list has no column `symbol`"))?;
    let (name_column, exchange_column) = (column("name"), column("exchange"));
    let status_column = column("status");

    let mut assets = Vec::new();
    for row in csv.records() {
        let row = row.map_err(|_| bad("the list is no CSV"))?;
        let text = |column: Option<usize>| {
            let text = column.and_then(|column| row.get(column)).unwrap_or_default().trim();
            if text == "null" { "" } else { text }
        };
        if text(status_column).eq_ignore_ascii_case("delisted") {
            continue;
        }
        let Some(symbol) = canonical(text(Some(symbol_column))) else { continue };
        assets.push(Asset {
            symbol,
            name: text(name_column).to_owned(),
            exchange: Some(text(exchange_column).to_owned()).filter(|name| !name.is_empty()),
            currency: Currency::USD,
        });
    }
    Ok(assets)
}

/// Our symbol of theirs. They write class shares with a dash (`BRK-B`), but also units (`-U`),
/// warrants (`-W`, `-WS`), rights (`-R`) and when-issued shares (`-V`), which keep it.
pub fn canonical(provider_symbol: &str) -> Option<Symbol> {
    let class_share = provider_symbol
        .split_once('-')
        .filter(|(_, class)| class.len() == 1 && !"URVW".contains(class));
    match class_share {
        Some((stem, class)) => Symbol::parse(&format!("{stem}.{class}")).ok(),
        None => Symbol::parse(provider_symbol).ok(),
    }
}

fn provider_symbol(symbol: &Symbol) -> String {
    symbol.as_str().replace('.', "-")
}

/// The JSON text, once status and the three error keys are tested.
fn json_body(reply: &Reply) -> Result<&str, ProviderError> {
    if let Some(class) = reply.class_of_status() {
        return Err(reply.failure(class, "alphavantage refused the call"));
    }
    let text = reply.json_text()?;
    let members = reply.members(text)?;
    for key in ["Error Message", "Information", "Note"] {
        if let Some(part) = members.get(key) {
            let message = reply::value_of(part);
            let (class, why) = failure_of(key, message.as_str().unwrap_or_default());
            return Err(reply.failure(class, why));
        }
    }
    if members.is_empty() {
        return Err(reply.failure(FailureClass::BadPayload, "an empty object"));
    }
    Ok(text)
}

/// Reads the words of a failure message (fixtures alphavantage/any-200-*).
fn failure_of(key: &str, message: &str) -> (FailureClass, &'static str) {
    let message = message.to_lowercase();
    let says = |words: &str| message.contains(words);
    if says("apikey is invalid") || says("invalid api key") || says("apikey is missing") {
        return (FailureClass::Auth, "the API key is invalid or missing");
    }
    if says("demo") && (says("api key") || says("apikey")) {
        return (FailureClass::Auth, "the demo key does not cover this call");
    }
    if key == "Error Message" {
        return if says("does not exist") || says("not supported") {
            (FailureClass::BadRequest, "no such function")
        } else {
            // A wrong parameter has the same words; ours do not vary, the symbol does.
            (FailureClass::UnknownSymbol, "an invalid call, most likely an unknown symbol")
        };
    }
    // The burst message names the day's limit too, and the old minute message the day's: the
    // shortest window named is the one that was hit.
    let window = if says("per second") || says("spreading out") || says("burst") {
        Some((QuotaWindow::Second, "more than one call a second"))
    } else if says("per minute") {
        Some((QuotaWindow::Minute, "the calls of this minute are used up"))
    } else if says("per day") || says("daily") {
        Some((QuotaWindow::Day, "the calls of this day are used up"))
    } else {
        None
    };
    match window {
        Some((window, why)) => (FailureClass::RateLimited(window), why),
        None if says("premium") => (FailureClass::Forbidden, "the plan does not cover this call"),
        None if says("limit") || says("frequency") || key == "Note" => {
            (FailureClass::RateLimited(QuotaWindow::Minute), "over a limit")
        }
        None => (FailureClass::BadPayload, "a message instead of data"),
    }
}

fn member<'a>(reply: &Reply, text: &'a str, key: &str) -> Result<&'a RawValue, ProviderError> {
    // Some plans get more words in the name: `Global Quote - DATA DELAYED BY 15 MINUTES`.
    let members = reply.members(text)?;
    let found = members.into_iter().find(|(name, _)| name.starts_with(key)).map(|(_, part)| part);
    found.filter(|part| part.get().starts_with('{')).ok_or_else(|| {
        reply.failure(FailureClass::BadPayload, format!("the answer has no `{key}`"))
    })
}

fn read_global_quote(
    reply: &Reply,
    symbol: &Symbol,
    part: &RawValue,
    received_at: Timestamp,
) -> Result<Quote, ProviderError> {
    let body = reply::value_of(part);
    if body.as_object().is_some_and(serde_json::Map::is_empty) {
        return Err(reply::absent(symbol));
    }
    let answered = body.get("01. symbol").and_then(Value::as_str);
    let same = |name: &str| canonical(name) == canonical(&provider_symbol(symbol));
    if answered.is_some_and(|name| !same(name)) {
        let why = "the answer is for another symbol";
        return Err(reply.failure(FailureClass::BadPayload, why));
    }
    let price = figures::price(body.get("05. price"), false)?;
    let figure = |key: &str| figures::signed(body.get(key));
    let day = body.get("07. latest trading day").and_then(Value::as_str);
    let observed_at = match day.and_then(|day| Timestamp::parse_date(day).ok()) {
        Some(midnight) => (midnight, TimeSource::DateOnly),
        None => (received_at, TimeSource::Received),
    };
    let reading = Reading {
        price,
        change: Change::complete(
            price,
            figure("09. change"),
            figure("10. change percent"),
            figure("08. previous close"),
        ),
        currency: symbol.default_currency(),
        observed_at,
        part,
    };
    Ok(reading.into_quote(symbol))
}

fn read_exchange_rate(
    reply: &Reply,
    symbol: &Symbol,
    part: &RawValue,
    received_at: Timestamp,
) -> Result<Quote, ProviderError> {
    let body = reply::value_of(part);
    if body.as_object().is_some_and(serde_json::Map::is_empty) {
        return Err(reply::absent(symbol));
    }
    let (base, quote) = symbol.pair().ok_or_else(|| reply::absent(symbol))?;
    for (key, asked) in [("1. From_Currency Code", base), ("3. To_Currency Code", quote)] {
        let answered = body.get(key).and_then(Value::as_str);
        if answered.is_some_and(|code| !code.eq_ignore_ascii_case(asked)) {
            let why = format!("the answer is not for {symbol}");
            return Err(reply.failure(FailureClass::BadPayload, why));
        }
    }
    let zone = body.get("7. Time Zone").and_then(Value::as_str).unwrap_or("UTC");
    // A time in a zone we cannot place would be wrong by hours: then ours is the better one.
    let refreshed = Some("6. Last Refreshed").filter(|_| matches!(zone, "UTC" | "GMT"));
    let reading = Reading {
        price: figures::price(body.get("5. Exchange Rate"), false)?,
        change: Change::default(),
        currency: symbol.default_currency(),
        observed_at: figures::observed_at_text(
            refreshed.and_then(|key| body.get(key)),
            received_at,
        ),
        part,
    };
    Ok(reading.into_quote(symbol))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.into(), ..Reply::default() }
    }

    fn received_at() -> Timestamp {
        Timestamp::from_secs(1_800_000_000).expect("an instant")
    }

    fn ask(body: &str, symbol: &str) -> Result<Quote, FailureClass> {
        let symbol = Symbol::parse(symbol).expect("a symbol");
        let reply = reply(200, body);
        let results = match symbol.pair() {
            Some(_) => parse_exchange_rate(&reply, &symbol, received_at()),
            None => parse_global_quote(&reply, &symbol, received_at()),
        };
        results.map_err(|error| error.class)?.remove(0).1.map_err(|error| error.class)
    }

    #[test]
    fn the_words_of_a_message_tell_its_class() {
        let limited = FailureClass::RateLimited;
        for (body, class) in [
            (
                r#"{"Note":"5 calls per minute and 500 calls per day"}"#,
                limited(QuotaWindow::Minute),
            ),
            (
                r#"{"Information":"your API key as X and our standard API rate limit is 25 requests per day"}"#,
                limited(QuotaWindow::Day),
            ),
            (
                r#"{"Information":"1 request per second. lift the free key rate limit (25 requests per day)"}"#,
                limited(QuotaWindow::Second),
            ),
            (r#"{"Information":"This is a premium endpoint."}"#, FailureClass::Forbidden),
            (
                r#"{"Information":"The **demo** API key is for demo purposes only."}"#,
                FailureClass::Auth,
            ),
            (
                r#"{"Error Message":"the parameter apikey is invalid or missing."}"#,
                FailureClass::Auth,
            ),
            (r#"{"Error Message":"Invalid API call."}"#, FailureClass::UnknownSymbol),
            (
                r#"{"Error Message":"This API function (X) does not exist."}"#,
                FailureClass::BadRequest,
            ),
            (r#"{"Global Quote":{}}"#, FailureClass::UnknownSymbol),
            (r#"{"Global Quote":{"01. symbol":"MSFT"}}"#, FailureClass::NoPrice),
            (
                r#"{"Global Quote":{"01. symbol":"MSFT","05. price":"0.0000"}}"#,
                FailureClass::NoPrice,
            ),
            (r#"{"Global Quote":{"01. symbol":"IBM","05. price":"1"}}"#, FailureClass::BadPayload),
            (r#"{"Meta Data":{}}"#, FailureClass::BadPayload),
            ("{}", FailureClass::BadPayload),
            ("<html>", FailureClass::BadPayload),
            (r#"{"Global Quote":{"05."#, FailureClass::BadPayload),
        ] {
            assert_eq!(ask(body, "MSFT").map(|_| ()), Err(class), "{body}");
        }
    }

    #[test]
    fn rates_are_checked_against_the_pair_asked_for() {
        let body = r#"{"Realtime Currency Exchange Rate":{"1. From_Currency Code":"EUR",
            "3. To_Currency Code":"USD","5. Exchange Rate":"1.10","6. Last Refreshed":
            "2022-03-21 11:29:42","7. Time Zone":"UTC","8. Bid Price":"-"}}"#;
        let quote = ask(body, "EUR/USD").expect("a quote");
        assert_eq!(quote.observed_at.to_string(), "2022-03-21T11:29:42Z");
        assert_eq!((quote.change, quote.percent_change), (None, None));
        assert_eq!(ask(body, "EUR/GBP").map(|_| ()), Err(FailureClass::BadPayload));
        let elsewhere = body.replace("UTC", "US/Eastern");
        let quote = ask(&elsewhere, "EUR/USD").expect("a quote");
        assert_eq!((quote.observed_at, quote.time_source), (received_at(), TimeSource::Received));
    }

    #[test]
    fn class_shares_have_a_dot_and_other_suffixes_keep_the_dash() {
        for (theirs, ours) in
            [("BRK-B", "BRK.B"), ("XYZ-U", "XYZ-U"), ("AUS-WS", "AUS-WS"), ("BAC-P-B", "BAC-P-B")]
        {
            assert_eq!(canonical(theirs).expect("a symbol").as_str(), ours);
        }
    }

    #[test]
    fn a_list_over_the_limit_is_a_failure_and_not_an_empty_list() {
        let limited = reply(200, r#"{"Information":"25 requests per day"}"#);
        let error = parse_listing(&limited).expect_err("no list");
        assert_eq!(error.class, FailureClass::RateLimited(QuotaWindow::Day));
        let page = reply(200, "<html><body>oops</body></html>");
        assert_eq!(parse_listing(&page).expect_err("no list").class, FailureClass::BadPayload);
    }
}
