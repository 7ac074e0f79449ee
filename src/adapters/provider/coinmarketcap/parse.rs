//! Reads the answers of CoinMarketCap.
//!
//! Accepts the three shapes met so far: `data` as an object of coins, as an object of lists, and
//! as a list whose `quote` is a list too.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::adapters::provider::QuoteResults;
use crate::adapters::provider::figures::{self, Change};
use crate::adapters::provider::reply::{self, Reading, Reply};
use crate::model::{Currency, Symbol, Timestamp};
use crate::ports::provider::{Asset, FailureClass, ProviderError, QuotaWindow, Quote};

/// Ids that do not change, so that the large coins are right before the map was ever read.
const PINNED: &[(&str, u64)] = &[
    ("BTC", 1),
    ("LTC", 2),
    ("XRP", 52),
    ("DOGE", 74),
    ("XMR", 328),
    ("XLM", 512),
    ("USDT", 825),
    ("ETH", 1027),
    ("ETC", 1321),
    ("BNB", 1839),
    ("BCH", 1831),
    ("TRX", 1958),
    ("LINK", 1975),
    ("ADA", 2010),
    ("USDC", 3408),
    ("ATOM", 3794),
    ("DAI", 4943),
    ("SOL", 5426),
    ("AVAX", 5805),
    ("DOT", 6636),
];

/// A coin to look for in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub symbol: Symbol,
    /// None looks for the best-ranked coin of that symbol.
    pub id: Option<u64>,
}

/// The failure that a reply of any endpoint tells; none when it may hold data.
pub fn failure_in(reply: &Reply) -> Option<ProviderError> {
    envelope(reply).err().map(|refusal| refusal.error)
}

/// The coin's symbol that a pinned id stands for.
pub fn pinned_symbol(id: u64) -> Option<&'static str> {
    PINNED.iter().find(|(_, pinned)| *pinned == id).map(|(symbol, _)| *symbol)
}

/// The id that stands for an upper-case symbol without doubt.
pub(super) fn pinned_id(base: &str) -> Option<u64> {
    PINNED.iter().find(|(symbol, _)| *symbol == base).map(|(_, id)| *id)
}

/// Reads `/v1` to `/v3/cryptocurrency/quotes/latest`.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_quotes(
    reply: &Reply,
    wanted: &[Wanted],
    received_at: Timestamp,
) -> Result<QuoteResults, ProviderError> {
    let members = match envelope(reply) {
        Ok(members) => members,
        Err(refusal) => return refusal.shared_out(wanted),
    };
    let coins = coins(reply, &members)?;
    let results = wanted.iter().map(|wanted| {
        let (_, quote) = wanted.symbol.pair().unwrap_or(("", ""));
        let coin = best_match(&coins, wanted).ok_or_else(|| reply::absent(&wanted.symbol));
        let read = coin.and_then(|coin| read_coin(coin, &wanted.symbol, quote, received_at));
        (wanted.symbol.clone(), read)
    });
    Ok(results.collect())
}

/// Reads `/v1/cryptocurrency/map`: each active symbol once, with its id. Of several coins with one
/// symbol the best ranked stands, else the first.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_map(reply: &Reply) -> Result<Vec<(Asset, u64)>, ProviderError> {
    let members = envelope(reply).map_err(|refusal| refusal.error)?;
    let coins = coins(reply, &members)?;
    let mut rows: Vec<&Coin<'_>> = coins.iter().filter(|coin| coin.is_active).collect();
    // Stable: without ranks the order of the list, which is by id, decides.
    rows.sort_by_key(|coin| coin.rank);
    let mut best: HashMap<&str, u64> = HashMap::new();
    for coin in &rows {
        if let Some(id) = coin.id {
            let pinned = pinned_id(&coin.symbol);
            best.entry(&coin.symbol).or_insert(pinned.unwrap_or(id));
        }
    }
    let listed = coins.iter().filter_map(|coin| {
        let id = coin.id.filter(|id| coin.is_active && best.get(&*coin.symbol) == Some(id))?;
        let symbol = Symbol::parse(&format!("{}-USD", coin.symbol)).ok()?;
        let asset =
            Asset { symbol, name: coin.name.clone(), exchange: None, currency: Currency::USD };
        Some((asset, id))
    });
    Ok(listed.collect())
}

/// A refused call: its failure, and the provider's words, which may name the bad symbols.
struct Refusal {
    error: ProviderError,
    words: String,
}

impl Refusal {
    /// One bad symbol fails the whole batch: that one is unknown, the rest just have no price from
    /// this call (fixture coinmarketcap/quotes-latest-400-symbol).
    fn shared_out(self, wanted: &[Wanted]) -> Result<QuoteResults, ProviderError> {
        if self.error.class != FailureClass::UnknownSymbol || wanted.len() < 2 {
            return Err(self.error);
        }
        let values = self.words.split(['"', ',', ':', ' ']);
        let named: Vec<String> = values.map(str::to_ascii_uppercase).collect();
        let results = wanted.iter().map(|wanted| {
            let base = wanted.symbol.pair().map_or(wanted.symbol.as_str(), |(base, _)| base);
            let id = wanted.id.map(|id| id.to_string());
            let is_named = named.iter().any(|name| name == base || Some(name) == id.as_ref());
            let why = "the batch was refused because of another symbol";
            let error = match is_named {
                true => self.error.clone(),
                false => ProviderError::new(FailureClass::NoPrice, why),
            };
            (wanted.symbol.clone(), Err(error))
        });
        Ok(results.collect())
    }
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The members of the body, once status and `status.error_code` are tested.
fn envelope(reply: &Reply) -> Result<Members<'_>, Refusal> {
    let refuse = |error| Refusal { error, words: String::new() };
    let status = reply.json().and_then(|body| Some(body.get("status")?.clone()));
    let status = status.unwrap_or_default();
    let code = match status.get("error_code") {
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(number) => number.as_u64(),
        None => None,
    };
    let words = status.get("error_message").and_then(Value::as_str).unwrap_or_default();
    let class = match code {
        None | Some(0) => reply.class_of_status(),
        Some(code) => Some(class_of(code, words, reply)),
    };
    if let Some(class) = class {
        let why = if words.is_empty() { "coinmarketcap refused the call" } else { words };
        return Err(Refusal { error: reply.failure(class, why), words: words.to_owned() });
    }
    let text = reply.json_text().map_err(refuse)?;
    reply.members(text).map_err(refuse)
}

/// The codes of the official error page, read on 14 September 2026 (PROVIDERS.md section 6).
fn class_of(code: u64, words: &str, reply: &Reply) -> FailureClass {
    let is_bad_value = words.starts_with("Invalid value") && !words.contains("\"convert\"");
    match code {
        1001 | 1002 | 1007 => FailureClass::Auth,
        1003..=1006 => FailureClass::Forbidden,
        1008 | 1011 => FailureClass::RateLimited(QuotaWindow::Minute),
        1009 => FailureClass::RateLimited(QuotaWindow::Day),
        1010 => FailureClass::RateLimited(QuotaWindow::Month),
        400 if is_bad_value => FailureClass::UnknownSymbol,
        _ => u16::try_from(code)
            .ok()
            .filter(|code| (400..600).contains(code))
            .and_then(reply::class_of_status)
            .or_else(|| reply.class_of_status())
            .unwrap_or(FailureClass::UpstreamError),
    }
}

/// One coin of an answer.
struct Coin<'a> {
    id: Option<u64>,
    symbol: String,
    name: String,
    rank: u64,
    is_active: bool,
    value: Value,
    part: &'a RawValue,
}

fn coins<'a>(reply: &Reply, members: &Members<'a>) -> Result<Vec<Coin<'a>>, ProviderError> {
    let data = members
        .get("data")
        .ok_or_else(|| reply.failure(FailureClass::BadPayload, "the answer has no data"))?;
    let parts: Vec<&RawValue> = match data.get().as_bytes().first() {
        Some(b'[') => reply.items(data.get())?,
        _ => reply.members(data.get())?.into_values().collect(),
    };
    let mut coins = Vec::new();
    for part in parts {
        if part.get().starts_with('[') {
            coins.extend(reply.items(part.get())?.into_iter().map(Coin::read));
        } else {
            coins.push(Coin::read(part));
        }
    }
    Ok(coins)
}

impl<'a> Coin<'a> {
    fn read(part: &'a RawValue) -> Self {
        let value = reply::value_of(part);
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        let is_active = match value.get("is_active") {
            Some(Value::Bool(active)) => *active,
            Some(flag) => flag.as_u64() != Some(0),
            None => true,
        };
        Self {
            id: number("id"),
            symbol: text("symbol").to_ascii_uppercase(),
            name: text("name").to_owned(),
            rank: number("rank").or_else(|| number("cmc_rank")).unwrap_or(u64::MAX),
            is_active,
            part,
            value,
        }
    }
}

fn best_match<'a, 'b>(coins: &'b [Coin<'a>], wanted: &Wanted) -> Option<&'b Coin<'a>> {
    if let Some(id) = wanted.id {
        return coins.iter().find(|coin| coin.id == Some(id));
    }
    let (base, _) = wanted.symbol.pair()?;
    coins.iter().filter(|coin| coin.symbol == base).min_by_key(|coin| coin.rank)
}

fn read_coin(
    coin: &Coin<'_>,
    symbol: &Symbol,
    currency: &str,
    received_at: Timestamp,
) -> Result<Quote, ProviderError> {
    let fail = |class, why: String| Err(ProviderError::new(class, why));
    let named = |entry: &&Value| entry.get("symbol").and_then(Value::as_str) == Some(currency);
    let (entry, n_entries) = match coin.value.get("quote") {
        Some(Value::Object(entries)) => (entries.get(currency), entries.len()),
        Some(Value::Array(entries)) => (entries.iter().find(named), entries.len()),
        None | Some(Value::Null) => (None, 0),
        Some(_) => return fail(FailureClass::BadPayload, format!("{symbol}: no quotes")),
    };
    let Some(entry) = entry else {
        return match n_entries {
            0 => fail(FailureClass::NoPrice, format!("{symbol} is listed without a price")),
            _ => fail(FailureClass::BadPayload, format!("{symbol} is not priced in {currency}")),
        };
    };
    let price = figures::price(entry.get("price"), false)?;
    let time = entry.get("last_updated").or_else(|| coin.value.get("last_updated"));
    let percent = figures::signed(entry.get("percent_change_24h"));
    let reading = Reading {
        price,
        change: Change::complete(price, None, percent, None),
        currency: symbol.default_currency(),
        observed_at: figures::observed_at_text(time, received_at),
        part: coin.part,
    };
    Ok(reading.into_quote(symbol))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.into(), ..Reply::default() }
    }

    fn wanted(symbol: &str, id: Option<u64>) -> Wanted {
        Wanted { symbol: Symbol::parse(symbol).expect("a symbol"), id }
    }

    fn ask(
        status: u16,
        body: &str,
        wanted: &[Wanted],
    ) -> Result<Vec<Result<String, FailureClass>>, FailureClass> {
        let received_at = Timestamp::from_secs(1_800_000_000).expect("an instant");
        let results = parse_quotes(&reply(status, body), wanted, received_at);
        let results = results.map_err(|error| error.class)?.into_iter();
        Ok(results
            .map(|(_, result)| result.map(|q| q.price.to_string()).map_err(|error| error.class))
            .collect())
    }

    #[test]
    fn the_three_shapes_of_data_are_read() {
        let by_id = wanted("BTC-USD", Some(1));
        let by_symbol = wanted("BTC-USD", None);
        for (data, wanted) in [
            (r#"{"1":{"id":1,"symbol":"BTC","quote":{"USD":{"price":5.5}}}}"#, &by_id),
            (
                r#"{"BTC":[{"id":9,"symbol":"BTC","cmc_rank":900,"quote":{"USD":{"price":1}}},
                    {"id":1,"symbol":"BTC","cmc_rank":1,"quote":{"USD":{"price":5.5}}}]}"#,
                &by_symbol,
            ),
            (r#"[{"id":1,"symbol":"BTC","quote":[{"symbol":"USD","price":5.5}]}]"#, &by_id),
        ] {
            for code in ["0", "\"0\""] {
                let body = format!(r#"{{"status":{{"error_code":{code}}},"data":{data}}}"#);
                let read = ask(200, &body, std::slice::from_ref(wanted));
                assert_eq!(read, Ok(vec![Ok("5.5".into())]), "{body}");
            }
        }
    }

    #[test]
    fn codes_and_bodies_tell_the_class() {
        let limited = FailureClass::RateLimited;
        for (status, body, class) in [
            (401, r#"{"status":{"error_code":1001}}"#, FailureClass::Auth),
            (403, r#"{"status":{"error_code":1006}}"#, FailureClass::Forbidden),
            (403, r#"{"status":{"error_code":1007}}"#, FailureClass::Auth),
            (402, r#"{"status":{"error_code":1004}}"#, FailureClass::Forbidden),
            (429, r#"{"status":{"error_code":1008}}"#, limited(QuotaWindow::Minute)),
            (429, r#"{"status":{"error_code":1009}}"#, limited(QuotaWindow::Day)),
            (429, r#"{"status":{"error_code":"1010"}}"#, limited(QuotaWindow::Month)),
            (200, r#"{"status":{"error_code":1008},"data":{}}"#, limited(QuotaWindow::Minute)),
            (
                400,
                r#"{"status":{"error_code":400,"error_message":"Invalid value for \"symbol\": \"X\""}}"#,
                FailureClass::UnknownSymbol,
            ),
            (
                400,
                r#"{"status":{"error_code":400,"error_message":"\"start\" is required"}}"#,
                FailureClass::BadRequest,
            ),
            (500, r#"{"status":{"error_code":500}}"#, FailureClass::UpstreamError),
            (502, "<html>", FailureClass::UpstreamError),
            (200, "<html>", FailureClass::BadPayload),
            (200, "{}", FailureClass::BadPayload),
            (200, r#"{"status":{"error_code":0},"data":7}"#, FailureClass::BadPayload),
            (200, r#"{"status":{"error_co"#, FailureClass::BadPayload),
        ] {
            assert_eq!(ask(status, body, &[wanted("BTC-USD", Some(1))]), Err(class), "{body}");
        }
    }

    #[test]
    fn each_coin_fails_by_itself() {
        let body = r#"{"status":{"error_code":0},"data":{
            "1":{"id":1,"symbol":"BTC","quote":{"USD":{"price":null}}},
            "2":{"id":2,"symbol":"LTC","quote":{"EUR":{"price":5}}},
            "52":{"id":52,"symbol":"XRP","quote":{"USD":{"price":0}}},
            "74":{"id":74,"symbol":"DOGE","quote":{}}}}"#;
        let coins = [
            wanted("BTC-USD", Some(1)),
            wanted("LTC-USD", Some(2)),
            wanted("XRP-USD", Some(52)),
            wanted("DOGE-USD", Some(74)),
            wanted("SOL-USD", Some(5426)),
        ];
        let expected = [
            FailureClass::NoPrice,
            FailureClass::BadPayload,
            FailureClass::NoPrice,
            FailureClass::NoPrice,
            FailureClass::UnknownSymbol,
        ];
        assert_eq!(ask(200, body, &coins), Ok(expected.map(Err).to_vec()));
    }

    #[test]
    fn a_refused_batch_blames_only_the_symbol_it_names() {
        let body = r#"{"status":{"error_code":400,
            "error_message":"Invalid value for \"symbol\": \"NOPE\""}}"#;
        let coins = [wanted("BTC-USD", None), wanted("NOPE-USD", None)];
        let expected = vec![Err(FailureClass::NoPrice), Err(FailureClass::UnknownSymbol)];
        assert_eq!(ask(400, body, &coins), Ok(expected));
    }
}
