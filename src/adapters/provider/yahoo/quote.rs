//! Reads `/v7/finance/quote`, many symbols in one answer.

use serde_json::Value;
use serde_json::value::RawValue;

use super::failure::checked;
use super::symbols::is_same;
use crate::adapters::provider::QuoteResults;
use crate::adapters::provider::figures::{self, Change};
use crate::adapters::provider::reply::{self, Reading, Reply};
use crate::model::{Symbol, Timestamp};
use crate::ports::provider::{FailureClass, ProviderError, Quote};

/// Reads the quotes of several symbols; those left out are unknown.
///
/// # Errors
/// When the call as a whole failed; a stale crumb is [`FailureClass::Auth`].
pub fn parse_quotes(
    reply: &Reply,
    symbols: &[Symbol],
    received_at: Timestamp,
) -> Result<QuoteResults, ProviderError> {
    let bad = |why| reply.failure(FailureClass::BadPayload, why);
    let body = reply.members(checked(reply)?)?;
    let response = body.get("quoteResponse").ok_or_else(|| bad("the answer has no quotes"))?;
    let response = reply.members(response.get())?;
    let result = response.get("result").ok_or_else(|| bad("the quotes have no result"))?;
    let entries: Vec<(&RawValue, Value)> =
        reply.items(result.get())?.into_iter().map(|part| (part, reply::value_of(part))).collect();
    Ok(reply::each(symbols, |symbol| {
        let is_asked = |entry: &&(&RawValue, Value)| {
            let answered = entry.1.get("symbol").and_then(Value::as_str);
            answered.is_some_and(|answered| is_same(answered, symbol))
        };
        let found = entries.iter().find(is_asked).ok_or_else(|| reply::absent(symbol))?;
        read_entry(symbol, found.0, &found.1, received_at)
    }))
}

fn read_entry(
    symbol: &Symbol,
    part: &RawValue,
    entry: &Value,
    received_at: Timestamp,
) -> Result<Quote, ProviderError> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    if text("quoteType") == Some("NONE") {
        let why = format!("{symbol} is no longer listed");
        return Err(ProviderError::new(FailureClass::UnknownSymbol, why));
    }
    let (currency, in_hundredths) = figures::currency_of(symbol, text("currency"))?;
    let price = figures::price(entry.get("regularMarketPrice"), in_hundredths)?;
    let money = |key: &str| figures::in_major_unit(figures::signed(entry.get(key)), in_hundredths);
    let reading = Reading {
        price,
        change: Change::complete(
            price,
            money("regularMarketChange"),
            figures::signed(entry.get("regularMarketChangePercent")),
            money("regularMarketPreviousClose"),
        ),
        currency,
        observed_at: figures::observed_at_secs(entry.get("regularMarketTime"), received_at),
        part,
    };
    Ok(reading.into_quote(symbol))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        status: u16,
        body: &str,
        symbols: &[&str],
    ) -> Result<Vec<Result<String, FailureClass>>, FailureClass> {
        let reply = Reply { status, body: body.into(), ..Reply::default() };
        let symbols: Vec<Symbol> =
            symbols.iter().map(|symbol| Symbol::parse(symbol).expect("a symbol")).collect();
        let received_at = Timestamp::from_secs(1_800_000_000).expect("an instant");
        let results = parse_quotes(&reply, &symbols, received_at).map_err(|error| error.class)?;
        let outcome = |result: Result<Quote, ProviderError>| {
            result.map(|quote| quote.price.to_string()).map_err(|error| error.class)
        };
        Ok(results.into_iter().map(|(_, result)| outcome(result)).collect())
    }

    #[test]
    fn every_symbol_asked_for_comes_back_in_the_order_asked() {
        let body = r#"{"quoteResponse":{"result":[
            {"symbol":"JPY=X","currency":"JPY","regularMarketPrice":150.25},
            {"symbol":"BRKS","quoteType":"NONE"},
            {"symbol":"ADH","quoteType":"MUTUALFUND","regularMarketTime":1561759658},
            {"symbol":"BRK-B","currency":"USD","regularMarketPrice":400.5},
            {"symbol":"ETH-USD","currency":"EUR","regularMarketPrice":5}],"error":null}}"#;
        let symbols = ["BRK.B", "ADH", "SIX", "USD/JPY", "BRKS", "ETH-USD"];
        let expected = vec![
            Ok("400.5".to_owned()),
            Err(FailureClass::NoPrice),
            Err(FailureClass::UnknownSymbol),
            Ok("150.25".to_owned()),
            Err(FailureClass::UnknownSymbol),
            Err(FailureClass::BadPayload),
        ];
        assert_eq!(ask(200, body, &symbols), Ok(expected));
    }

    #[test]
    fn failures_of_the_whole_call_are_typed() {
        for (status, body, class) in [
            (
                401,
                r#"{"finance":{"result":null,"error":{"code":"Unauthorized","description":"Invalid Crumb"}}}"#,
                FailureClass::Auth,
            ),
            (401, "", FailureClass::Auth),
            (200, r#"{"quoteResponse":{"result":null,"error":null}}"#, FailureClass::BadPayload),
            (200, r#"{"quoteResponse":{"result":[{"sym"#, FailureClass::BadPayload),
            (200, "{}", FailureClass::BadPayload),
            (
                500,
                r#"{"finance":{"result":null,"error":{"code":"Internal Server Error"}}}"#,
                FailureClass::UpstreamError,
            ),
        ] {
            assert_eq!(ask(status, body, &["AAPL"]), Err(class), "{body}");
        }
    }
}
