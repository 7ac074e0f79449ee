//! Compares what a reply gave with what `expected.json` says.

use std::collections::BTreeSet;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::Value;
use tickerd::adapters::provider::QuoteResults;
use tickerd::model::{Symbol, TimeSource, Timestamp};
use tickerd::ports::provider::{Asset, FailureClass, ProviderError, Quote};

use super::case::Case;
use super::endpoint::Outcome;

/// Derived figures are printed with 9 significant digits in `expected.json`; figures that the
/// reply itself holds must be equal.
const DERIVED_TOLERANCE: Decimal = Decimal::from_parts(1, 0, 0, false, 8);

/// Every way in which the outcome differs from the expectation.
pub(super) fn differences(case: &Case, outcome: Outcome, received_at: Timestamp) -> Vec<String> {
    match outcome {
        Outcome::Quotes(results) => quotes(case, results, received_at),
        Outcome::Assets(Ok(found)) => assets(case, &found),
        Outcome::Assets(Err(error)) | Outcome::Failure(Some(error)) => {
            call_failure(case, &error).into_iter().collect()
        }
        Outcome::Failure(None) => match (case.errors(), case.quotes()) {
            ([], []) => Vec::new(),
            (errors, quotes) => vec![format!("nothing was read, expected {errors:?} {quotes:?}")],
        },
    }
}

fn quotes(
    case: &Case,
    results: Result<QuoteResults, ProviderError>,
    received_at: Timestamp,
) -> Vec<String> {
    let results = match results {
        Ok(results) => results,
        Err(error) => return call_failure(case, &error).into_iter().collect(),
    };
    let mut differences = Vec::new();
    let find = |symbol: &Value| results.iter().find(|(known, _)| *symbol == *known.as_str());
    for expected in case.quotes() {
        match find(&expected["symbol"]) {
            Some((_, Ok(found))) => {
                differences.extend(quote(case, expected, found, received_at));
            }
            Some((symbol, Err(error))) => differences.push(format!("{symbol}: {error}")),
            None => differences.push(format!("{} was not asked for", expected["symbol"])),
        }
    }
    for expected in case.errors().iter().filter(|error| error["symbol"].is_string()) {
        match find(&expected["symbol"]) {
            Some((_, Err(error))) => differences.extend(failure(expected, error)),
            Some((symbol, Ok(found))) => {
                differences.push(format!("{symbol}: {} instead of {expected}", found.price));
            }
            None => differences.push(format!("{} was not asked for", expected["symbol"])),
        }
    }
    // What nobody expects is wrong too; a failure without symbol speaks for all of the call.
    let named: BTreeSet<Symbol> = case.expected_symbols().into_iter().collect();
    let for_all = case.errors().iter().find(|error| !error["symbol"].is_string());
    for (symbol, result) in results.iter().filter(|(symbol, _)| !named.contains(symbol)) {
        match (result, for_all) {
            (Err(error), Some(expected)) => differences.extend(failure(expected, error)),
            (Err(error), None) => differences.push(format!("{symbol}: unexpected {error}")),
            (Ok(found), _) => differences.push(format!("{symbol}: unexpected {}", found.price)),
        }
    }
    if for_all.is_some() && results.is_empty() {
        differences.push("no failure".into());
    }
    differences
}

fn call_failure(case: &Case, error: &ProviderError) -> Option<String> {
    match case.errors() {
        [expected] if case.quotes().is_empty() => failure(expected, error),
        _ => Some(format!("the call failed: {error}")),
    }
}

fn failure(expected: &Value, error: &ProviderError) -> Option<String> {
    let class = error.class.name();
    if expected["error"] != *class {
        return Some(format!("{error} instead of {}", expected["error"]));
    }
    let retry_after = expected["retry_after"].as_u64().map(Duration::from_secs);
    if retry_after.is_some() && retry_after != error.retry_after {
        return Some(format!("retry after {:?}, not {retry_after:?}", error.retry_after));
    }
    match (expected["window"].as_str(), error.class) {
        (Some(window), FailureClass::RateLimited(found)) if window != found.name() => {
            Some(format!("the {} is used up, not the {window}", found.name()))
        }
        _ => None,
    }
}

fn quote(case: &Case, expected: &Value, found: &Quote, received_at: Timestamp) -> Vec<String> {
    let mut differences = Vec::new();
    let mut require = |holds: bool, what: &str, found: String| {
        if !holds {
            let wanted = &expected[what];
            differences.push(format!("{}: {what} {found}, not {wanted}", expected["symbol"]));
        }
    };
    let price = Some(found.price.decimal());
    require(decimal(&expected["price"]) == price, "price", found.price.to_string());
    for (what, figure) in [("change", found.change), ("percent_change", found.percent_change)] {
        require(is_figure(case, &expected[what], figure), what, format!("{figure:?}"));
    }
    let (observed_at, time_source) = match expected["timestamp"].as_str() {
        None => (received_at, TimeSource::Received),
        Some(text) => {
            let is_date = expected["date_only"] == true;
            let source = if is_date { TimeSource::DateOnly } else { TimeSource::Provider };
            (Timestamp::parse(text).expect("an RFC 3339 time"), source)
        }
    };
    let is_time = (found.observed_at, found.time_source) == (observed_at, time_source);
    require(is_time, "timestamp", format!("{} {:?}", found.observed_at, found.time_source));
    require(expected["source"] == *case.provider, "source", case.provider.clone());
    let currency = match expected["currency"].as_str() {
        Some(code) => code.to_owned(),
        None => found.symbol.default_currency().to_string(),
    };
    require(found.currency.as_str() == currency, "currency", found.currency.to_string());
    let raw = found.raw.as_ref().map_or("", |raw| &raw.0);
    let raw_price = &expected["raw_price"];
    let has_raw_price = raw_price.is_null() || raw.contains(&raw_price.to_string());
    let is_json = serde_json::from_str::<Value>(raw).is_ok();
    require(is_json && has_raw_price, "raw_price", raw.to_owned());
    differences
}

fn is_figure(case: &Case, expected: &Value, found: Option<Decimal>) -> bool {
    let (Some(wanted), Some(found)) = (decimal(expected), found) else {
        return expected.is_null() && found.is_none();
    };
    let is_in_reply = String::from_utf8_lossy(&case.canned.body).contains(&expected.to_string());
    let tolerance = if is_in_reply { Decimal::ZERO } else { wanted.abs() * DERIVED_TOLERANCE };
    (found - wanted).abs() <= tolerance
}

fn decimal(value: &Value) -> Option<Decimal> {
    let text = value.as_number()?.to_string();
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

fn assets(case: &Case, found: &[Asset]) -> Vec<String> {
    let Some(expected) = case.expected["assets"].as_array() else {
        return vec![format!("{} assets, expected {}", found.len(), case.expected)];
    };
    let mut differences = Vec::new();
    for expected in expected {
        let Some(asset) = found.iter().find(|asset| expected["symbol"] == *asset.symbol.as_str())
        else {
            differences.push(format!("{} is missing", expected["symbol"]));
            continue;
        };
        let class = asset.symbol.asset_class().name();
        if expected["asset_type"] != *class {
            differences.push(format!("{} is listed as {class}", asset.symbol));
        }
        if expected.get("name").is_some_and(|name| name.as_str().unwrap_or("") != asset.name) {
            differences.push(format!("{} is called `{}`", asset.symbol, asset.name));
        }
    }
    if case.expected["assets_are_a_subset"] != true && found.len() != expected.len() {
        let symbols: Vec<&str> = found.iter().map(|asset| asset.symbol.as_str()).collect();
        differences.push(format!("{} assets, not {}: {symbols:?}", found.len(), expected.len()));
    }
    differences
}
