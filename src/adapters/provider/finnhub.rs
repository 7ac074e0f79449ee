//! Finnhub: US stocks on the free plan; coins and forex need a paid one (PROVIDERS.md section 4).
//!
//! Forex is asked from `/forex/rates`, whose codes are plain ISO, whatever broker the plan carries;
//! it has neither time nor change. The socket is not used.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use rust_decimal::Decimal;
use serde_json::Value;
use serde_json::value::RawValue;

use super::figures::{self, Change};
use super::http::{ASSETS_BYTES, BaseUrl, HttpClient, QUOTES_BYTES, USER_AGENT, secret_header};
use super::reply::{self, Reading, Reply};
use super::{BuildError, ProviderSettings, QuoteResults};
use crate::model::{AssetClass, Currency, Symbol, TimeSource, Timestamp};
use crate::ports::clock::Clock;
use crate::ports::provider::{
    Asset, FailureClass, PriceProvider, ProviderError, ProviderProfile, QuotaWindow, Quote,
};

/// The types of US listings that are kept; warrants, rights and structured products are not.
/// Over-the-counter listings stay, as in the fixture finnhub/stock-symbol-doc.
const KEPT_TYPES: &[&str] = &["Common Stock", "ETP", "ADR", "REIT"];

/// The adapter of `finnhub.io/api/v1`.
pub struct Finnhub {
    profile: ProviderProfile,
    base: BaseUrl,
    http: HttpClient,
    key: HeaderMap,
}

impl Finnhub {
    pub const NAME: &'static str = "finnhub";

    /// # Errors
    /// [`BuildError`] for a missing key or a bad `base_url`.
    pub fn new(settings: &ProviderSettings, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        let key = settings.key().ok_or(BuildError::KeyMissing { name: Self::NAME })?;
        let base = BaseUrl::new(settings, "https://finnhub.io", "/api/v1")?;
        let profile = ProviderProfile {
            name: reply::provider_name(Self::NAME),
            asset_classes: AssetClass::ALL.to_vec(),
            batch_size: 1,
            lists_assets_of: AssetClass::ALL.to_vec(),
            budget: vec![(QuotaWindow::Second, 30), (QuotaWindow::Minute, 60)],
            base_url: Some(base.to_string()),
            has_key: settings.key().is_some(),
            invented: false,
        };
        Ok(Self {
            profile,
            base,
            key: secret_header("x-finnhub-token", key.reveal())?,
            http: HttpClient::new(settings, USER_AGENT, clock)?,
        })
    }

    async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        limit_bytes: usize,
    ) -> Result<Reply, ProviderError> {
        let segments = [&["api", "v1"], path].concat();
        self.http.get(self.base.join(&segments, query), self.key.clone(), limit_bytes).await
    }
}

#[async_trait]
impl PriceProvider for Finnhub {
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
            let one = std::slice::from_ref(symbol);
            results.extend(match symbol.pair() {
                Some((base, _)) if symbol.asset_class() == AssetClass::Forex => {
                    let path = ["forex", "rates"];
                    let reply = self.get(&path, &[("base", base)], QUOTES_BYTES).await?;
                    parse_forex_rates(&reply, one, self.http.now())?
                }
                _ => {
                    let asked = provider_symbol(symbol);
                    let reply = self.get(&["quote"], &[("symbol", &asked)], QUOTES_BYTES).await?;
                    parse_quote(&reply, symbol, self.http.now())?
                }
            });
        }
        Ok(results)
    }

    async fn assets(&self, class: AssetClass) -> Result<Vec<Asset>, ProviderError> {
        let (path, exchange) = match class {
            AssetClass::Stock => (["stock", "symbol"], "US"),
            AssetClass::Crypto => (["crypto", "symbol"], "binance"),
            AssetClass::Forex => (["forex", "symbol"], "oanda"),
        };
        let reply = self.get(&path, &[("exchange", exchange)], ASSETS_BYTES).await?;
        parse_symbols(&reply, class)
    }
}

/// The failure that a reply of any endpoint tells; none when it may hold data.
pub fn failure_in(reply: &Reply) -> Option<ProviderError> {
    checked(reply).err()
}

/// Reads `/quote`: `c` price, `d` change, `dp` percent, `pc` previous close, `t` seconds.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_quote(
    reply: &Reply,
    symbol: &Symbol,
    received_at: Timestamp,
) -> Result<QuoteResults, ProviderError> {
    let text = checked(reply)?;
    let part = reply.whole(text)?;
    Ok(vec![(symbol.clone(), read_quote(reply, symbol, part, received_at))])
}

/// Reads `/forex/rates`: how much of each currency one unit of the base buys.
///
/// # Errors
/// When the call as a whole failed, or answers for another base.
pub fn parse_forex_rates(
    reply: &Reply,
    symbols: &[Symbol],
    received_at: Timestamp,
) -> Result<QuoteResults, ProviderError> {
    let members = reply.members(checked(reply)?)?;
    let bad = |why| reply.failure(FailureClass::BadPayload, why);
    let base = members.get("base").map(|part| reply::value_of(part));
    let base = base.as_ref().and_then(Value::as_str).unwrap_or_default();
    let rates = members.get("quote").ok_or_else(|| bad("the answer has no rates"))?;
    let rates = reply.members(rates.get())?;
    Ok(reply::each(symbols, |symbol| {
        let (asked_base, quote) = symbol.pair().ok_or_else(|| reply::absent(symbol))?;
        if asked_base != base {
            return Err(bad("the rates are of another base"));
        }
        let part = rates.get(quote).copied().ok_or_else(|| reply::absent(symbol))?;
        let reading = Reading {
            price: figures::price(Some(&reply::value_of(part)), false)?,
            change: Change::default(),
            currency: symbol.default_currency(),
            observed_at: (received_at, TimeSource::Received),
            part,
        };
        Ok(reading.into_quote(symbol))
    }))
}

/// Reads `/stock/symbol`, `/crypto/symbol` or `/forex/symbol`.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_symbols(reply: &Reply, class: AssetClass) -> Result<Vec<Asset>, ProviderError> {
    let rows = reply.items(checked(reply)?)?;
    Ok(rows.iter().filter_map(|row| read_asset(&reply::value_of(row), class)).collect())
}

/// Our symbol of theirs: `BRK.B`, `OANDA:EUR_USD`, `FHFX:EUR-USD`, `COINBASE:BTC-USD`,
/// `BINANCE:BTCUSDT`.
pub fn canonical(provider_symbol: &str) -> Option<Symbol> {
    let Some((_, name)) = provider_symbol.split_once(':') else {
        return Symbol::parse(provider_symbol).ok();
    };
    if let Some((base, quote)) = name.split_once(['_', '-', '/']) {
        return pair_symbol(base, quote);
    }
    // Binance writes pairs without a mark between; only the known quote sides can be split off.
    ["USDT", "USDC", "FDUSD", "TUSD", "BTC", "ETH", "BNB", "EUR", "USD"]
        .iter()
        .find_map(|quote| pair_symbol(name.strip_suffix(quote)?, quote))
}

/// Their symbol of ours; only Coinbase lists coins against dollars.
fn provider_symbol(symbol: &Symbol) -> String {
    match symbol.pair() {
        Some((base, "USD")) => format!("COINBASE:{base}-USD"),
        Some((base, quote)) => format!("BINANCE:{base}{quote}"),
        None => symbol.as_str().to_owned(),
    }
}

fn pair_symbol(base: &str, quote: &str) -> Option<Symbol> {
    let forex = Symbol::parse(&format!("{base}/{quote}")).ok()?;
    match forex.asset_class() {
        AssetClass::Forex => Some(forex),
        _ => Symbol::parse(&format!("{base}-{quote}")).ok().filter(|_| !base.is_empty()),
    }
}

/// The body's text, once status and error key are tested: the limit message also came with 200.
fn checked(reply: &Reply) -> Result<&str, ProviderError> {
    let error = reply.json().and_then(|body| Some(body.get("error")?.clone()));
    let words = error.as_ref().filter(|error| !error.is_null());
    let words = words.map(|error| error.as_str().map_or_else(|| error.to_string(), str::to_owned));
    match (reply.class_of_status(), words) {
        (None, None) => reply.json_text(),
        (Some(FailureClass::RateLimited(_)), words) => {
            let words = words.unwrap_or_default();
            Err(reply.failure(FailureClass::RateLimited(window_of(&words)), words))
        }
        (Some(class), words) => {
            Err(reply.failure(class, words.as_deref().unwrap_or("finnhub refused the call")))
        }
        (None, Some(words)) => Err(reply.failure(class_of(&words), words)),
    }
}

fn class_of(words: &str) -> FailureClass {
    let says = |part: &str| words.to_lowercase().contains(part);
    if says("limit") {
        FailureClass::RateLimited(window_of(words))
    } else if says("api key") || says("token") {
        FailureClass::Auth
    } else if says("access") {
        FailureClass::Forbidden
    } else if says("not found") || says("unknown symbol") || says("not supported") {
        FailureClass::UnknownSymbol
    } else if says("invalid") || says("wrong") || says("missing") {
        FailureClass::BadRequest
    } else {
        FailureClass::UpstreamError
    }
}

fn window_of(words: &str) -> QuotaWindow {
    if words.to_lowercase().contains("second") { QuotaWindow::Second } else { QuotaWindow::Minute }
}

fn read_quote(
    reply: &Reply,
    symbol: &Symbol,
    part: &RawValue,
    received_at: Timestamp,
) -> Result<Quote, ProviderError> {
    let body = reply::value_of(part);
    if body.get("c").is_none() {
        return Err(reply.failure(FailureClass::BadPayload, "the answer has no `c`"));
    }
    // An unknown symbol is answered with zeros throughout (fixture finnhub/quote-unknown).
    let is_empty = |key: &str| figures::signed(body.get(key)).is_none_or(|figure| figure.is_zero());
    let price = figures::price(body.get("c"), false).map_err(|error| {
        let unknown = error.class == FailureClass::NoPrice
            && ["c", "h", "l", "o", "pc", "t"].iter().all(|key| is_empty(key));
        if unknown { reply::absent(symbol) } else { error }
    })?;
    let figure = |key: &str| -> Option<Decimal> { figures::signed(body.get(key)) };
    let reading = Reading {
        price,
        change: Change::complete(price, figure("d"), figure("dp"), figure("pc")),
        currency: symbol.default_currency(),
        observed_at: figures::observed_at_secs(body.get("t"), received_at),
        part,
    };
    Ok(reading.into_quote(symbol))
}

fn read_asset(row: &Value, class: AssetClass) -> Option<Asset> {
    let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
    let symbol = match class {
        AssetClass::Stock if !KEPT_TYPES.contains(&text("type")) => return None,
        AssetClass::Stock => Symbol::parse(text("symbol")).ok()?,
        // Forex symbols may be opaque ("IC MARKETS:1"); the display symbol is a pair.
        AssetClass::Crypto | AssetClass::Forex => {
            let (base, quote) = text("displaySymbol").split_once('/')?;
            pair_symbol(base, quote)?
        }
    };
    let named = Currency::parse(text("currency")).ok().filter(|_| class == AssetClass::Stock);
    let exchange = match class {
        AssetClass::Stock => Some(text("mic")),
        _ => text("symbol").split_once(':').map(|(exchange, _)| exchange),
    };
    Some(Asset {
        name: text("description").to_owned(),
        exchange: exchange.filter(|name| !name.is_empty()).map(str::to_owned),
        currency: named.unwrap_or_else(|| symbol.default_currency()),
        symbol,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.into(), ..Reply::default() }
    }

    fn ask(status: u16, body: &str) -> Result<Quote, FailureClass> {
        let symbol = Symbol::parse("AAPL").expect("a symbol");
        let received_at = Timestamp::from_secs(1_800_000_000).expect("an instant");
        let results = parse_quote(&reply(status, body), &symbol, received_at);
        results.map_err(|error| error.class)?.remove(0).1.map_err(|error| error.class)
    }

    #[test]
    fn symbols_are_mapped_both_ways() {
        for (theirs, ours) in [
            ("BRK.B", "BRK.B"),
            ("OANDA:EUR_USD", "EUR/USD"),
            ("FHFX:EUR-USD", "EUR/USD"),
            ("BINANCE:BTCUSDT", "BTC-USDT"),
            ("COINBASE:BTC-USD", "BTC-USD"),
        ] {
            assert_eq!(canonical(theirs).expect("a symbol").as_str(), ours);
        }
        for (ours, theirs) in
            [("AAPL", "AAPL"), ("BTC-USD", "COINBASE:BTC-USD"), ("ETH-BTC", "BINANCE:ETHBTC")]
        {
            assert_eq!(provider_symbol(&Symbol::parse(ours).expect("a symbol")), theirs);
        }
    }

    #[test]
    fn failures_are_typed_whatever_the_status() {
        let minute = FailureClass::RateLimited(QuotaWindow::Minute);
        for (status, body, class) in [
            (
                200,
                r#"{"c":0,"d":null,"dp":null,"h":0,"l":0,"o":0,"pc":0,"t":0}"#,
                FailureClass::UnknownSymbol,
            ),
            (200, r#"{"c":0,"h":1,"l":1,"o":1,"pc":5,"t":1}"#, FailureClass::NoPrice),
            (200, r#"{"c":-1,"pc":5,"t":1}"#, FailureClass::NoPrice),
            (200, "{}", FailureClass::BadPayload),
            (200, "[]", FailureClass::BadPayload),
            (200, r#"{"c":17"#, FailureClass::BadPayload),
            (200, "<html>", FailureClass::BadPayload),
            (200, r#"{"error":"API limit reached. Please try again later."}"#, minute),
            (200, r#"{"error":"Please use an API key."}"#, FailureClass::Auth),
            (401, r#"{"error":"Invalid API key"}"#, FailureClass::Auth),
            (
                403,
                r#"{"error":"You don't have access to this resource."}"#,
                FailureClass::Forbidden,
            ),
            (429, "slow down", minute),
            (422, r#"{"error":"Wrong symbol"}"#, FailureClass::BadRequest),
            (502, "<html>", FailureClass::UpstreamError),
        ] {
            assert_eq!(ask(status, body).map(|_| ()), Err(class), "{body}");
        }
    }

    #[test]
    fn a_quote_without_change_or_time_is_completed_and_marked() {
        let quote = ask(200, r#"{"c": 110.50, "pc": 100}"#).expect("a quote");
        assert_eq!(quote.price.to_string(), "110.5");
        assert_eq!(quote.change.map(|change| change.to_string()), Some("10.5".into()));
        assert_eq!(quote.time_source, TimeSource::Received);
        assert_eq!(quote.raw.map(|raw| raw.0.to_string()), Some(r#"{"c":110.50,"pc":100}"#.into()));
    }

    #[test]
    fn rates_of_another_base_are_refused() {
        let symbols = [Symbol::parse("EUR/USD").expect("a symbol")];
        let received_at = Timestamp::from_secs(1).expect("an instant");
        let reply = reply(200, r#"{"base":"USD","quote":{"USD":1,"EUR":0.9}}"#);
        let results = parse_forex_rates(&reply, &symbols, received_at).expect("rates");
        assert_eq!(
            results[0].1.as_ref().map_err(|error| error.class),
            Err(FailureClass::BadPayload)
        );
    }
}
