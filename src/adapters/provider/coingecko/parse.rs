//! Reads the answers of CoinGecko.

use std::cmp::Reverse;

use serde_json::Value;
use serde_json::value::RawValue;

use super::coins::{ListedCoin, pinned_id};
use crate::adapters::provider::QuoteResults;
use crate::adapters::provider::figures::{self, Change};
use crate::adapters::provider::reply::{self, Reading, Reply};
use crate::model::{Currency, Symbol, Timestamp};
use crate::ports::provider::{Asset, FailureClass, ProviderError, QuotaWindow, Quote};

/// A symbol to look for, with the ids that may stand for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub symbol: Symbol,
    pub ids: Vec<String>,
}

/// The failure that a reply of any endpoint tells; none when it may hold data.
pub fn failure_in(reply: &Reply) -> Option<ProviderError> {
    checked(reply).err()
}

/// Reads `/coins/markets` in the currency `vs_currency`. Of several ids that may stand for a
/// symbol, the one with the highest market cap is meant.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_markets(
    reply: &Reply,
    wanted: &[Wanted],
    vs_currency: &str,
    received_at: Timestamp,
) -> Result<QuoteResults, ProviderError> {
    let rows: Vec<(&RawValue, Value)> = reply
        .items(checked(reply)?)?
        .into_iter()
        .map(|part| (part, reply::value_of(part)))
        .collect();
    let results = wanted.iter().map(|wanted| {
        let is_wanted = |row: &&(&RawValue, Value)| {
            let id = row.1.get("id").and_then(Value::as_str).unwrap_or_default();
            wanted.ids.iter().any(|wanted| wanted == id)
        };
        let cap = |row: &&(&RawValue, Value)| figures::signed(row.1.get("market_cap"));
        let found = rows.iter().filter(is_wanted).min_by_key(|row| Reverse(cap(row)));
        let row = found.ok_or_else(|| reply::absent(&wanted.symbol));
        let read = row.and_then(|(part, row)| {
            figures::currency_of(&wanted.symbol, Some(vs_currency))?;
            read_market(&wanted.symbol, part, row, received_at)
        });
        (wanted.symbol.clone(), read)
    });
    Ok(results.collect())
}

/// Reads `/simple/price`; `vs_currencies` are those that were asked for, in lower case. Of several
/// ids that may stand for a symbol, the one with the highest market cap is meant.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_simple(
    reply: &Reply,
    wanted: &[Wanted],
    vs_currencies: &[&str],
    received_at: Timestamp,
) -> Result<QuoteResults, ProviderError> {
    let members = reply.members(checked(reply)?)?;
    let results = wanted.iter().map(|wanted| {
        let quote = wanted.symbol.pair().map_or("", |(_, quote)| quote).to_ascii_lowercase();
        let cap = |part: &&RawValue| {
            figures::signed(reply::value_of(part).get(format!("{quote}_market_cap")))
        };
        // Least of the reversed: of equal caps the first id stands.
        let found = wanted
            .ids
            .iter()
            .filter_map(|id| members.get(id).copied())
            .min_by_key(|part| Reverse(cap(part)));
        let part = found.ok_or_else(|| reply::absent(&wanted.symbol));
        let read =
            part.and_then(|part| read_simple(&wanted.symbol, part, vs_currencies, received_at));
        (wanted.symbol.clone(), read)
    });
    Ok(results.collect())
}

/// Reads `/coins/list`. Rows without a symbol, or with one that no caller can type, are dropped.
///
/// # Errors
/// When the call as a whole failed.
pub(super) fn parse_list(reply: &Reply) -> Result<Vec<ListedCoin>, ProviderError> {
    let rows = reply.items(checked(reply)?)?;
    let coins = rows.iter().filter_map(|row| {
        let row = reply::value_of(row);
        let text = |key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
        let symbol = Symbol::parse(&text("symbol")?).ok()?;
        let name = text("name").unwrap_or_default();
        Some(ListedCoin { id: text("id")?, symbol: symbol.as_str().to_owned(), name })
    });
    Ok(coins.collect())
}

/// Reads `/coins/list` as assets in US dollars. Where several coins share a symbol only the pinned
/// one is listed: the list does not tell which of the others is meant.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_assets(reply: &Reply) -> Result<Vec<Asset>, ProviderError> {
    Ok(assets_of(&parse_list(reply)?))
}

pub(super) fn assets_of(coins: &[ListedCoin]) -> Vec<Asset> {
    let mut n_uses = std::collections::HashMap::<&str, usize>::new();
    for coin in coins {
        *n_uses.entry(&coin.symbol).or_default() += 1;
    }
    let listed = coins.iter().filter_map(|coin| {
        let is_meant = match pinned_id(&coin.symbol) {
            Some(pinned) => coin.id == pinned,
            None => n_uses.get(&*coin.symbol) == Some(&1),
        };
        let symbol = Symbol::parse(&format!("{}-USD", coin.symbol)).ok().filter(|_| is_meant)?;
        Some(Asset { symbol, name: coin.name.clone(), exchange: None, currency: Currency::USD })
    });
    listed.collect()
}

/// The body's text, once status and the four error shapes are tested.
fn checked(reply: &Reply) -> Result<&str, ProviderError> {
    let error = reply.json().and_then(|body| error_of(&body));
    let class = match (&error, reply.class_of_status()) {
        (None, None) => return reply.json_text(),
        (error, class) => {
            let (code, words) = error.clone().unwrap_or_default();
            class_of(code, &words).or(class).unwrap_or(FailureClass::UpstreamError)
        }
    };
    let words = error.map(|(_, words)| words).filter(|words| !words.is_empty());
    Err(reply.failure(class, words.as_deref().unwrap_or("coingecko refused the call")))
}

/// Code and words of an error in any of the shapes `{"error": text}`, `{"status": {…}}`,
/// `{"error": {"status": {…}}}` and `{"status": number, "error": text}`.
fn error_of(body: &Value) -> Option<(u64, String)> {
    let nested = |status: &Value| {
        let code = match status.get("error_code")? {
            Value::String(text) => text.parse().ok()?,
            number => number.as_u64()?,
        };
        let words = status.get("error_message").and_then(Value::as_str).unwrap_or_default();
        (code != 0).then(|| (code, words.to_owned()))
    };
    match (body.get("error"), body.get("status")) {
        (Some(Value::String(words)), status) => {
            Some((status.and_then(Value::as_u64).unwrap_or(0), words.clone()))
        }
        (Some(error @ Value::Object(_)), _) => {
            let inner = error.get("status").unwrap_or(error);
            // An id may be called `error`: then it is a coin with prices and no status.
            error.get("status")?;
            Some(nested(inner).unwrap_or_default())
        }
        (_, Some(status @ Value::Object(_))) => nested(status),
        (_, Some(status @ Value::Number(_))) => Some((status.as_u64()?, String::new())),
        _ => None,
    }
}

/// What code and words tell beyond the status of the reply.
fn class_of(code: u64, words: &str) -> Option<FailureClass> {
    let words = words.to_lowercase();
    let says = |part: &str| words.contains(part);
    Some(match code {
        // A missing key, and a key of one plan at the other's host (fixture any-400-wrong-host).
        10_002 | 10_010 | 10_011 => FailureClass::Auth,
        // A call beyond the plan, and the CDN's refusal.
        10_005 | 1_020 => FailureClass::Forbidden,
        _ if says("rate limit") || says("throttled") || code == 429 => {
            let window = if says("month") { QuotaWindow::Month } else { QuotaWindow::Minute };
            FailureClass::RateLimited(window)
        }
        _ if says("coin not found") || says("could not find coin") => FailureClass::UnknownSymbol,
        _ if says("api key") && (says("invalid") || says("missing") || says("root url")) => {
            FailureClass::Auth
        }
        400..=599 => return u16::try_from(code).ok().and_then(reply::class_of_status),
        _ if says("missing parameter") || says("invalid") => FailureClass::BadRequest,
        _ => return None,
    })
}

fn read_market(
    symbol: &Symbol,
    part: &RawValue,
    row: &Value,
    received_at: Timestamp,
) -> Result<Quote, ProviderError> {
    let price = figures::price(row.get("current_price"), false)?;
    let figure = |key: &str| figures::signed(row.get(key));
    let reading = Reading {
        price,
        change: Change::complete(
            price,
            figure("price_change_24h"),
            figure("price_change_percentage_24h"),
            None,
        ),
        currency: symbol.default_currency(),
        observed_at: figures::observed_at_text(row.get("last_updated"), received_at),
        part,
    };
    Ok(reading.into_quote(symbol))
}

fn read_simple(
    symbol: &Symbol,
    part: &RawValue,
    vs_currencies: &[&str],
    received_at: Timestamp,
) -> Result<Quote, ProviderError> {
    let coin = reply::value_of(part);
    let bad = |why: String| ProviderError::new(FailureClass::BadPayload, why);
    let Some(entries) = coin.as_object() else {
        return Err(bad(format!("{symbol} is no object")));
    };
    let quote = symbol.pair().map(|(_, quote)| quote.to_ascii_lowercase()).unwrap_or_default();
    if !entries.contains_key(&quote) {
        let is_stray = |key: &String| !key.contains('_') && !vs_currencies.contains(&key.as_str());
        return Err(match entries.keys().find(|key| is_stray(key)) {
            Some(_) => bad(format!("{symbol} is priced in a currency not asked for")),
            None => {
                let why = format!("{symbol}: no price in {quote}");
                ProviderError::new(FailureClass::NoPrice, why)
            }
        });
    }
    let price = figures::price(entries.get(&quote), false)?;
    let percent = figures::signed(entries.get(&format!("{quote}_24h_change")));
    let reading = Reading {
        price,
        change: Change::complete(price, None, percent, None),
        currency: symbol.default_currency(),
        observed_at: figures::observed_at_secs(entries.get("last_updated_at"), received_at),
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

    fn wanted(symbol: &str, ids: &[&str]) -> Wanted {
        Wanted {
            symbol: Symbol::parse(symbol).expect("a symbol"),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    fn received_at() -> Timestamp {
        Timestamp::from_secs(1_800_000_000).expect("an instant")
    }

    fn outcomes(
        results: Result<QuoteResults, ProviderError>,
    ) -> Result<Vec<Result<String, FailureClass>>, FailureClass> {
        let results = results.map_err(|error| error.class)?.into_iter();
        let outcome = |result: Result<Quote, ProviderError>| {
            result.map(|quote| quote.price.to_string()).map_err(|error| error.class)
        };
        Ok(results.map(|(_, result)| outcome(result)).collect())
    }

    #[test]
    fn the_four_error_shapes_are_typed() {
        let minute = FailureClass::RateLimited(QuotaWindow::Minute);
        for (status, body, class) in [
            (422, r#"{"error":"Missing parameter ids"}"#, FailureClass::BadRequest),
            (429, r#"{"status":{"error_code":429,"error_message":"Rate Limit"}}"#, minute),
            (
                401,
                r#"{"error":{"status":{"error_code":10002,"error_message":"Key missing"}}}"#,
                FailureClass::Auth,
            ),
            (500, r#"{"status":500,"error":"Internal Server Error"}"#, FailureClass::UpstreamError),
            (400, r#"{"status":{"error_code":10011,"error_message":"demo"}}"#, FailureClass::Auth),
            (200, r#"{"status":{"error_code":429,"error_message":"Throttled"}}"#, minute),
            (200, r#"{"status":500,"error":"Internal Server Error"}"#, FailureClass::UpstreamError),
            (404, r#"{"error":"coin not found"}"#, FailureClass::UnknownSymbol),
            (403, "<html>error code: 1020</html>", FailureClass::Forbidden),
            (429, "Throttled", minute),
            (503, "<html>", FailureClass::UpstreamError),
            (200, "<html>", FailureClass::BadPayload),
            (200, r#"{"bitcoin":{"us"#, FailureClass::BadPayload),
            (200, "", FailureClass::BadPayload),
        ] {
            let results = parse_simple(
                &reply(status, body),
                &[wanted("BTC-USD", &["bitcoin"])],
                &["usd"],
                received_at(),
            );
            assert_eq!(outcomes(results), Err(class), "{status} {body}");
        }
    }

    #[test]
    fn each_coin_of_a_simple_answer_fails_by_itself() {
        let body = r#"{"bitcoin":{"usd":5.5,"usd_24h_change":10},"ethereum":{},
            "solana":{"usd":0},"cardano":{"eur":1},"dai":7}"#;
        let coins = [
            wanted("BTC-USD", &["bitcoin"]),
            wanted("ETH-USD", &["ethereum"]),
            wanted("SOL-USD", &["solana"]),
            wanted("ADA-USD", &["cardano"]),
            wanted("DAI-USD", &["dai"]),
            wanted("XRP-USD", &["ripple"]),
        ];
        let results = parse_simple(&reply(200, body), &coins, &["usd"], received_at());
        let expected = vec![
            Ok("5.5".to_owned()),
            Err(FailureClass::NoPrice),
            Err(FailureClass::NoPrice),
            Err(FailureClass::BadPayload),
            Err(FailureClass::BadPayload),
            Err(FailureClass::UnknownSymbol),
        ];
        assert_eq!(outcomes(results), Ok(expected));
    }

    #[test]
    fn the_highest_market_cap_wins_among_coins_of_one_symbol() {
        let body = r#"[{"id":"fake","current_price":1,"market_cap":null},
            {"id":"real","current_price":7,"market_cap":900},
            {"id":"other","current_price":2,"market_cap":10}]"#;
        let coins = [wanted("XYZ-USD", &["other", "real", "fake"])];
        let results = parse_markets(&reply(200, body), &coins, "usd", received_at());
        assert_eq!(outcomes(results), Ok(vec![Ok("7".into())]));
        let results = parse_markets(&reply(200, body), &coins, "eur", received_at());
        assert_eq!(outcomes(results), Ok(vec![Err(FailureClass::BadPayload)]));
    }

    #[test]
    fn only_symbols_without_doubt_are_listed() {
        let body = r#"[{"id":"batcat","symbol":"btc","name":"batcat"},
            {"id":"bitcoin","symbol":"btc","name":"Bitcoin"},{"id":"a","symbol":"xyz","name":"A"},
            {"id":"b","symbol":"xyz","name":"B"},{"id":"c","symbol":"","name":"C"},
            {"id":"d","symbol":"afi 802","name":"D"},{"id":"gib","symbol":"gib","name":"Gib"}]"#;
        let assets = parse_assets(&reply(200, body)).expect("a list");
        let symbols: Vec<&str> = assets.iter().map(|asset| asset.symbol.as_str()).collect();
        assert_eq!(symbols, ["BTC-USD", "GIB-USD"]);
    }
}
