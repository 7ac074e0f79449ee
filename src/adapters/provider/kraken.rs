//! Kraken: coins and the main forex pairs without a key, all in one call (PROVIDERS.md section 8).
//!
//! The ticker has no time: quotes carry the time of receipt. Its change is since 00:00 UTC.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use serde_json::Value;
use serde_json::value::RawValue;

use super::figures::{self, Change};
use super::http::{ASSETS_BYTES, BaseUrl, HttpClient, QUOTES_BYTES, USER_AGENT};
use super::reply::{self, Reading, Reply};
use super::{BuildError, ProviderSettings, QuoteResults};
use crate::model::{AssetClass, Symbol, TimeSource, Timestamp};
use crate::ports::clock::Clock;
use crate::ports::provider::{
    Asset, FailureClass, PriceProvider, ProviderError, ProviderProfile, QuotaWindow, Quote,
};

/// The adapter of `api.kraken.com`.
pub struct Kraken {
    profile: ProviderProfile,
    base: BaseUrl,
    http: HttpClient,
}

impl Kraken {
    pub const NAME: &'static str = "kraken";

    /// # Errors
    /// [`BuildError`] for a bad `base_url`.
    pub fn new(settings: &ProviderSettings, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        let base = BaseUrl::new(settings, "https://api.kraken.com", "/0/public")?;
        let profile = ProviderProfile {
            name: reply::provider_name(Self::NAME),
            asset_classes: vec![AssetClass::Crypto, AssetClass::Forex],
            batch_size: 1_000,
            lists_assets_of: vec![AssetClass::Crypto, AssetClass::Forex],
            budget: vec![(QuotaWindow::Second, 1)],
            base_url: Some(base.to_string()),
            has_key: false,
            invented: false,
        };
        Ok(Self { profile, base, http: HttpClient::new(settings, USER_AGENT, clock)? })
    }

    /// One pair by name, else every pair: a list with one unknown name fails as a whole.
    async fn ticker(&self, pair: Option<&str>, limit_bytes: usize) -> Result<Reply, ProviderError> {
        let mut query = vec![("assetVersion", "1")];
        query.extend(pair.map(|pair| ("pair", pair)));
        let url = self.base.join(&["0", "public", "Ticker"], &query);
        self.http.get(url, HeaderMap::new(), limit_bytes).await
    }
}

#[async_trait]
impl PriceProvider for Kraken {
    fn profile(&self) -> &ProviderProfile {
        &self.profile
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<QuoteResults, ProviderError> {
        let single = match symbols {
            [symbol] => symbol.pair().map(|(base, quote)| format!("{base}/{quote}")),
            _ => None,
        };
        let reply = self.ticker(single.as_deref(), QUOTES_BYTES).await?;
        parse_ticker(&reply, symbols, self.http.now())
    }

    async fn assets(&self, class: AssetClass) -> Result<Vec<Asset>, ProviderError> {
        if !self.profile.lists_assets_of.contains(&class) {
            let why = format!("kraken has no {class}");
            return Err(ProviderError::new(FailureClass::BadRequest, why));
        }
        let reply = self.ticker(None, ASSETS_BYTES).await?;
        parse_assets(&reply, class)
    }
}

/// The failure that a reply of any endpoint tells; none when it may hold data.
pub fn failure_in(reply: &Reply) -> Option<ProviderError> {
    envelope(reply).err()
}

/// Reads `/0/public/Ticker`.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_ticker(
    reply: &Reply,
    symbols: &[Symbol],
    received_at: Timestamp,
) -> Result<QuoteResults, ProviderError> {
    let members = envelope(reply)?;
    let pairs = pairs(reply, &members)?;
    Ok(reply::each(symbols, |symbol| {
        let part = spellings(symbol).iter().find_map(|name| pairs.get(name.as_str()).copied());
        read_pair(symbol, part.ok_or_else(|| reply::absent(symbol))?, received_at)
    }))
}

/// Reads the pairs of `/0/public/Ticker?assetVersion=1` as a list of assets.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_assets(reply: &Reply, class: AssetClass) -> Result<Vec<Asset>, ProviderError> {
    let members = envelope(reply)?;
    let pairs = pairs(reply, &members)?;
    let assets = pairs.keys().filter_map(|name| {
        let symbol = canonical(name)?;
        (symbol.asset_class() == class).then(|| Asset {
            name: name.clone(),
            exchange: Some("Kraken".into()),
            currency: symbol.default_currency(),
            symbol,
        })
    });
    Ok(assets.collect())
}

/// Our symbol of a pair name: `BTC/USD` is `BTC-USD`, `EUR/USD` is itself.
pub fn canonical(pair: &str) -> Option<Symbol> {
    let symbol = Symbol::parse(pair).ok()?;
    match symbol.asset_class() {
        AssetClass::Forex => Some(symbol),
        AssetClass::Crypto => Symbol::parse(&symbol.as_str().replacen('/', "-", 1)).ok(),
        AssetClass::Stock => None,
    }
}

/// The names a pair may have in an answer: `BTC/USD` with `assetVersion=1`, else the old ones with
/// `XBT`, and with X and Z before coins and national currencies.
fn spellings(symbol: &Symbol) -> Vec<String> {
    let Some((base, quote)) = symbol.pair() else { return Vec::new() };
    let old = |code: &str| match code {
        "BTC" => "XBT".to_owned(),
        "DOGE" => "XDG".to_owned(),
        other => other.to_owned(),
    };
    let (old_base, old_quote) = (old(base), old(quote));
    vec![
        format!("{base}/{quote}"),
        format!("{old_base}/{old_quote}"),
        format!("X{old_base}Z{old_quote}"),
        format!("Z{old_base}Z{old_quote}"),
        format!("X{old_base}X{old_quote}"),
        format!("{old_base}{old_quote}"),
    ]
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

fn envelope(reply: &Reply) -> Result<Members<'_>, ProviderError> {
    if let Some(class) = reply.class_of_status() {
        let class = first_error(reply.json().as_ref()).map_or(class, |text| class_of(&text));
        return Err(reply.failure(class, "kraken refused the call"));
    }
    let members = reply.members(reply.json_text()?)?;
    let errors = members.get("error").map(|part| reply::value_of(part));
    let body = Value::from_iter([("error", errors.unwrap_or_default())]);
    match first_error(Some(&body)) {
        Some(text) => Err(reply.failure(class_of(&text), text)),
        None => Ok(members),
    }
}

fn pairs<'a>(reply: &Reply, members: &Members<'a>) -> Result<Members<'a>, ProviderError> {
    let result = members
        .get("result")
        .ok_or_else(|| reply.failure(FailureClass::BadPayload, "the answer has no result"))?;
    reply.members(result.get())
}

fn first_error(body: Option<&Value>) -> Option<String> {
    match body?.get("error")? {
        Value::Array(errors) => errors.first().map(|error| match error.as_str() {
            Some(text) => text.to_owned(),
            None => error.to_string(),
        }),
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// The class of `EQuery:Unknown asset pair` and its like.
fn class_of(error: &str) -> FailureClass {
    let says = |words: &str| error.contains(words);
    if says("Unknown asset") {
        FailureClass::UnknownSymbol
    } else if says("Rate limit") || says("Too many requests") || says("lockout") {
        FailureClass::RateLimited(QuotaWindow::Second)
    } else if says("Permission denied") {
        FailureClass::Forbidden
    } else if says("Invalid key") || says("Invalid signature") {
        FailureClass::Auth
    } else if says("Invalid arguments") || says("Unknown method") {
        FailureClass::BadRequest
    } else {
        FailureClass::UpstreamError
    }
}

fn read_pair(
    symbol: &Symbol,
    part: &RawValue,
    received_at: Timestamp,
) -> Result<Quote, ProviderError> {
    let pair = reply::value_of(part);
    if !pair.is_object() {
        return Err(ProviderError::new(FailureClass::BadPayload, format!("{symbol} is no object")));
    }
    let price = figures::price(pair.pointer("/c/0"), false)?;
    // Old answers gave the open as today's only, newer ones may send a list.
    let open = pair.get("o").map(|open| open.get(0).unwrap_or(open));
    let reading = Reading {
        price,
        change: Change::complete(price, None, None, figures::signed(open)),
        currency: symbol.default_currency(),
        observed_at: (received_at, TimeSource::Received),
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

    fn ask(reply: &Reply, symbol: &str) -> Result<Quote, FailureClass> {
        let symbols = [Symbol::parse(symbol).expect("a symbol")];
        let received_at = Timestamp::from_secs(1_800_000_000).expect("an instant");
        let mut results =
            parse_ticker(reply, &symbols, received_at).map_err(|error| error.class)?;
        results.remove(0).1.map_err(|error| error.class)
    }

    #[test]
    fn a_pair_is_found_under_its_new_and_its_old_name() {
        for (name, symbol) in [
            ("BTC/USD", "BTC-USD"),
            ("XXBTZUSD", "BTC-USD"),
            ("XBTUSDT", "BTC-USDT"),
            ("XXDGZUSD", "DOGE-USD"),
            ("EUR/USD", "EUR/USD"),
            ("ZEURZUSD", "EUR/USD"),
            ("XETHXXBT", "ETH-BTC"),
        ] {
            let body =
                format!(r#"{{"error":[],"result":{{"{name}":{{"c":["110.0","1"],"o":"100"}}}}}}"#);
            let quote = ask(&reply(200, &body), symbol).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            assert_eq!(quote.price.to_string(), "110", "{name}");
            assert_eq!(quote.percent_change, Some(10.into()), "{name}");
            assert_eq!(quote.time_source, TimeSource::Received);
        }
    }

    #[test]
    fn failures_are_read_from_the_error_list() {
        for (status, body, class) in [
            (200, r#"{"error":["EQuery:Unknown asset pair"]}"#, FailureClass::UnknownSymbol),
            (
                200,
                r#"{"error":["EAPI:Rate limit exceeded"]}"#,
                FailureClass::RateLimited(QuotaWindow::Second),
            ),
            (200, r#"{"error":["EService:Unavailable"]}"#, FailureClass::UpstreamError),
            (200, r#"{"error":["EGeneral:Invalid arguments"]}"#, FailureClass::BadRequest),
            (200, r#"{"error":[]}"#, FailureClass::BadPayload),
            (200, r#"{"error":[],"result":{}}"#, FailureClass::UnknownSymbol),
            (200, r#"{"error":[],"result":{"BTC/USD":{}}}"#, FailureClass::NoPrice),
            (200, r#"{"error":[],"result":{"BTC/USD":{"c":["0"]}}}"#, FailureClass::NoPrice),
            (200, r#"{"error":[],"result":{"BTC/USD":[]}}"#, FailureClass::BadPayload),
            (200, r#"{"error":[],"result":{"BTC/U"#, FailureClass::BadPayload),
            (200, "<html>", FailureClass::BadPayload),
            (503, "<html>", FailureClass::UpstreamError),
        ] {
            assert_eq!(ask(&reply(status, body), "BTC-USD").map(|_| ()), Err(class), "{body}");
        }
    }
}
