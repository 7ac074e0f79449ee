//! Reads `/v8/finance/chart/{symbol}`. Only `meta` is read: the bars are a day's history.

use serde_json::Value;
use serde_json::value::RawValue;

use super::failure::checked;
use super::symbols::is_same;
use crate::adapters::provider::QuoteResults;
use crate::adapters::provider::figures::{self, Change};
use crate::adapters::provider::reply::{self, Reading, Reply};
use crate::model::{Symbol, Timestamp};
use crate::ports::provider::{FailureClass, ProviderError, Quote};

/// Reads the chart of one symbol.
///
/// # Errors
/// When the call as a whole failed; an unknown symbol is a 404 here.
pub fn parse_chart(
    reply: &Reply,
    symbol: &Symbol,
    received_at: Timestamp,
) -> Result<QuoteResults, ProviderError> {
    let bad = |why| reply.failure(FailureClass::BadPayload, why);
    let body = reply.members(checked(reply)?)?;
    let chart = body.get("chart").ok_or_else(|| bad("the answer has no chart"))?;
    let chart = reply.members(chart.get())?;
    let result = chart.get("result").ok_or_else(|| bad("the chart has no result"))?;
    let Some(first) = reply.items(result.get())?.first().copied() else {
        return Ok(reply::each([symbol], |symbol| Err(reply::absent(symbol))));
    };
    let first = reply.members(first.get())?;
    let meta = first.get("meta").ok_or_else(|| bad("the chart has no meta"))?;
    if !meta.get().starts_with('{') {
        return Err(bad("the chart's meta is no object"));
    }
    Ok(reply::each([symbol], |symbol| read_meta(reply, symbol, meta, received_at)))
}

fn read_meta(
    reply: &Reply,
    symbol: &Symbol,
    part: &RawValue,
    received_at: Timestamp,
) -> Result<Quote, ProviderError> {
    let meta = reply::value_of(part);
    let text = |key: &str| meta.get(key).and_then(Value::as_str);
    if text("symbol").is_some_and(|answered| !is_same(answered, symbol)) {
        let why = "the chart is of another symbol";
        return Err(reply.failure(FailureClass::BadPayload, why));
    }
    let (currency, in_hundredths) = figures::currency_of(symbol, text("currency"))?;
    let price = figures::price(meta.get("regularMarketPrice"), in_hundredths)?;
    // `chartPreviousClose` is the close before the window: yesterday's only for a one-day range
    // (fixtures yahoo/chart-AAPL-49d and chart-AAPL-1d-1m).
    let previous = figures::signed(meta.get("previousClose")).or_else(|| {
        figures::signed(meta.get("chartPreviousClose")).filter(|_| text("range") == Some("1d"))
    });
    let previous = figures::in_major_unit(previous, in_hundredths);
    let reading = Reading {
        price,
        change: Change::complete(price, None, None, previous),
        currency,
        observed_at: figures::observed_at_secs(meta.get("regularMarketTime"), received_at),
        part,
    };
    Ok(reading.into_quote(symbol))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::provider::QuotaWindow;

    fn ask(status: u16, body: &str, symbol: &str) -> Result<Quote, FailureClass> {
        let reply = Reply { status, body: body.into(), ..Reply::default() };
        let symbol = Symbol::parse(symbol).expect("a symbol");
        let received_at = Timestamp::from_secs(1_800_000_000).expect("an instant");
        let results = parse_chart(&reply, &symbol, received_at).map_err(|error| error.class)?;
        results.into_iter().next().expect("one result").1.map_err(|error| error.class)
    }

    fn chart(meta: &str) -> String {
        format!(
            r#"{{"chart":{{"result":[{{"meta":{meta},"indicators":{{"quote":[{{}}]}}}}],"error":null}}}}"#
        )
    }

    #[test]
    fn pence_become_pounds_and_the_percentage_stays() {
        let meta = r#"{"currency":"GBp","symbol":"OCDO.L","regularMarketPrice":308.8,
            "previousClose":315.2,"regularMarketTime":1739788724,"range":"1d"}"#;
        let quote = ask(200, &chart(meta), "OCDO.L").expect("a quote");
        assert_eq!(quote.price.to_string(), "3.088");
        assert_eq!(quote.change.map(|change| change.to_string()), Some("-0.064".into()));
        assert_eq!(
            quote.percent_change.map(|percent| percent.round_dp(6).to_string()),
            Some("-2.030457".into())
        );
        assert_eq!(quote.currency.as_str(), "GBP");
    }

    #[test]
    fn the_close_before_a_longer_window_is_no_base_for_a_change() {
        for (range, change) in [("1d", Some("1")), ("5d", None), ("", None)] {
            let meta = format!(
                r#"{{"symbol":"AAPL","regularMarketPrice":11,"chartPreviousClose":10,"range":"{range}"}}"#
            );
            let quote = ask(200, &chart(&meta), "AAPL").expect("a quote");
            assert_eq!(quote.change.map(|c| c.to_string()), change.map(str::to_owned), "{range:?}");
        }
    }

    #[test]
    fn failures_are_typed() {
        for (status, body, class) in [
            (
                404,
                r#"{"chart":{"result":null,"error":{"code":"Not Found","description":"No data"}}}"#
                    .to_owned(),
                FailureClass::UnknownSymbol,
            ),
            (
                400,
                r#"{"chart":{"result":null,"error":{"code":"Bad Request","description":"x"}}}"#
                    .into(),
                FailureClass::BadRequest,
            ),
            (200, r#"{"chart":{"result":[],"error":null}}"#.into(), FailureClass::UnknownSymbol),
            (200, r#"{"chart":{"result":null,"error":null}}"#.into(), FailureClass::BadPayload),
            (200, chart(r#"{"symbol":"BTC-USD","currency":null}"#), FailureClass::NoPrice),
            (200, chart(r#"{"symbol":"BTC-USD","regularMarketPrice":0}"#), FailureClass::NoPrice),
            (
                200,
                chart(r#"{"symbol":"BTC-USD","currency":"EUR","regularMarketPrice":1}"#),
                FailureClass::BadPayload,
            ),
            (
                200,
                chart(r#"{"symbol":"ETH-USD","regularMarketPrice":1}"#),
                FailureClass::BadPayload,
            ),
            (200, chart("null"), FailureClass::BadPayload),
            (200, "{}".into(), FailureClass::BadPayload),
            (200, "<html>".into(), FailureClass::BadPayload),
            (200, r#"{"chart":{"res"#.into(), FailureClass::BadPayload),
            (200, "Edge: Too Many Requests".into(), FailureClass::RateLimited(QuotaWindow::Minute)),
            (429, "Too Many Requests".into(), FailureClass::RateLimited(QuotaWindow::Minute)),
            (307, String::new(), FailureClass::UpstreamError),
            (503, "<html>".into(), FailureClass::UpstreamError),
        ] {
            assert_eq!(ask(status, &body, "BTC-USD").map(|_| ()), Err(class), "{body}");
        }
    }
}
