//! The accounts of providers, receipts and asset lists as stored: JSON with a version.

use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::json::{self, optional_timestamp, timestamp};
use crate::model::{
    Asset, AssetClass, AssetList, Attempt, AttemptOutcome, BreakerState, CallSlice, CallStatistics,
    Currency, FailureClass, PriceId, ProviderLedger, ProviderName, QuotaWindow, Receipt,
    ReceiptAnswer, Symbol, Timestamp, WindowUse,
};

const VERSION: u64 = 1;

/// First and last call in µs, and how many.
type SliceV1 = (i64, i64, u32);

#[derive(Serialize, Deserialize)]
struct LedgerV1 {
    #[serde(default)]
    revision: u64,
    /// Window → slices.
    used: Vec<(String, Vec<SliceV1>)>,
    breaker: String,
    breaker_failures: u32,
    breaker_until: Option<i64>,
    n_calls: u64,
    n_failed_calls: u64,
    last_call_at: Option<i64>,
    last_latency_us: Option<u64>,
    last_error: Option<String>,
    last_error_at: Option<i64>,
}

/// Encodes an account without its provider, which is its key.
pub fn encode_ledger(ledger: &ProviderLedger) -> Vec<u8> {
    let slice =
        |slice: &CallSlice| (slice.first_at.as_micros(), slice.last_at.as_micros(), slice.n_calls);
    let used = ledger.used.iter();
    let breaker_failures = match ledger.breaker {
        BreakerState::Closed { n_failures } => n_failures,
        BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => 0,
    };
    let calls = &ledger.calls;
    let row = LedgerV1 {
        revision: ledger.revision,
        used: used
            .map(|used| (used.window.name().into(), used.slices.iter().map(slice).collect()))
            .collect(),
        breaker: ledger.breaker.name().into(),
        breaker_failures,
        breaker_until: ledger.breaker.until().map(Timestamp::as_micros),
        n_calls: calls.n_calls,
        n_failed_calls: calls.n_failed_calls,
        last_call_at: calls.last_call_at.map(Timestamp::as_micros),
        last_latency_us: calls.last_latency.map(micros),
        last_error: calls.last_error.clone(),
        last_error_at: calls.last_error_at.map(Timestamp::as_micros),
    };
    json::encode(VERSION, &row)
}

/// # Errors
/// When the bytes are no account of a known version.
pub fn decode_ledger(provider: ProviderName, bytes: &[u8]) -> Result<ProviderLedger, DecodeError> {
    let row: LedgerV1 = json::decode(VERSION, bytes)?;
    let used: Result<Vec<WindowUse>, DecodeError> = row.used.into_iter().map(window_use).collect();
    let breaker = match (row.breaker.as_str(), optional_timestamp(row.breaker_until)?) {
        ("closed", _) => BreakerState::Closed { n_failures: row.breaker_failures },
        ("open", Some(until)) => BreakerState::Open { until },
        ("half-open", Some(probe_until)) => BreakerState::HalfOpen { probe_until },
        (other, _) => return Err(DecodeError::invalid(format!("no breaker state: {other}"))),
    };
    let calls = CallStatistics {
        n_calls: row.n_calls,
        n_failed_calls: row.n_failed_calls,
        last_call_at: optional_timestamp(row.last_call_at)?,
        last_latency: row.last_latency_us.map(Duration::from_micros),
        last_error: row.last_error,
        last_error_at: optional_timestamp(row.last_error_at)?,
    };
    Ok(ProviderLedger { provider, revision: row.revision, used: used?, breaker, calls })
}

fn window_use((window, slices): (String, Vec<SliceV1>)) -> Result<WindowUse, DecodeError> {
    let window = quota_window(&window)?;
    let slice = |(first, last, n_calls)| {
        Ok(CallSlice { first_at: timestamp(first)?, last_at: timestamp(last)?, n_calls })
    };
    let slices: Result<Vec<CallSlice>, DecodeError> = slices.into_iter().map(slice).collect();
    Ok(WindowUse { window, slices: slices? })
}

#[derive(Serialize, Deserialize)]
struct ReceiptV1 {
    asked_at: i64,
    tried: Vec<AttemptV1>,
    answer: Option<AnswerV1>,
}

#[derive(Serialize, Deserialize)]
struct AttemptV1 {
    provider: String,
    outcome: String,
    /// The quota of `rate_limited`.
    window: Option<String>,
    detail: Option<String>,
    latency_us: Option<u64>,
    until: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct AnswerV1 {
    provider: String,
    price_id: u64,
    change: Option<String>,
    percent_change: Option<String>,
    observed_at: i64,
    raw_response_id: Option<String>,
}

/// Encodes a receipt without its symbol, which is its key.
pub fn encode_receipt(receipt: &Receipt) -> Vec<u8> {
    let attempt = |attempt: &Attempt| AttemptV1 {
        provider: attempt.provider.to_string(),
        outcome: attempt.outcome.name().to_owned(),
        window: match attempt.outcome {
            AttemptOutcome::Failed(FailureClass::RateLimited(window)) => {
                Some(window.name().to_owned())
            }
            _ => None,
        },
        detail: attempt.detail.clone(),
        latency_us: attempt.latency.map(micros),
        until: attempt.until.map(Timestamp::as_micros),
    };
    let answer = receipt.answer.as_ref().map(|answer| AnswerV1 {
        provider: answer.provider.to_string(),
        price_id: answer.price_id.get(),
        change: answer.change.map(|change| change.to_string()),
        percent_change: answer.percent_change.map(|change| change.to_string()),
        observed_at: answer.observed_at.as_micros(),
        raw_response_id: answer.raw_response_id.clone(),
    });
    let row = ReceiptV1 {
        asked_at: receipt.asked_at.as_micros(),
        tried: receipt.tried.iter().map(attempt).collect(),
        answer,
    };
    json::encode(VERSION, &row)
}

/// # Errors
/// When the bytes are no receipt of a known version.
pub fn decode_receipt(symbol: Symbol, bytes: &[u8]) -> Result<Receipt, DecodeError> {
    let row: ReceiptV1 = json::decode(VERSION, bytes)?;
    let tried: Result<Vec<Attempt>, DecodeError> = row.tried.into_iter().map(attempt).collect();
    let answer = row.answer.map(|answer| {
        Ok::<_, DecodeError>(ReceiptAnswer {
            provider: provider(&answer.provider)?,
            price_id: PriceId::new(answer.price_id)
                .ok_or_else(|| DecodeError::invalid(format!("no price id: {}", answer.price_id)))?,
            change: decimal(answer.change.as_deref())?,
            percent_change: decimal(answer.percent_change.as_deref())?,
            observed_at: timestamp(answer.observed_at)?,
            raw_response_id: answer.raw_response_id,
        })
    });
    let asked_at = timestamp(row.asked_at)?;
    Ok(Receipt { symbol, asked_at, tried: tried?, answer: answer.transpose()? })
}

fn attempt(row: AttemptV1) -> Result<Attempt, DecodeError> {
    let window = row.window.as_deref().map(quota_window).transpose()?;
    let outcome = match row.outcome.as_str() {
        "answered" => AttemptOutcome::Answered,
        "known_unknown" => AttemptOutcome::KnownUnknown,
        "budget_spent" => AttemptOutcome::BudgetSpent,
        "breaker_open" => AttemptOutcome::BreakerOpen,
        "switched_off" => AttemptOutcome::SwitchedOff,
        "not_counted" => AttemptOutcome::NotCounted,
        class => AttemptOutcome::Failed(failure_class(class, window)?),
    };
    Ok(Attempt {
        provider: provider(&row.provider)?,
        outcome,
        detail: row.detail,
        latency: row.latency_us.map(Duration::from_micros),
        until: optional_timestamp(row.until)?,
    })
}

fn failure_class(name: &str, window: Option<QuotaWindow>) -> Result<FailureClass, DecodeError> {
    if let Some(window) = window {
        return Ok(FailureClass::RateLimited(window));
    }
    let classes = [
        FailureClass::UnknownSymbol,
        FailureClass::NoPrice,
        FailureClass::Auth,
        FailureClass::Forbidden,
        FailureClass::BadRequest,
        FailureClass::UpstreamError,
        FailureClass::BadPayload,
    ];
    let found = classes.into_iter().find(|class| class.name() == name);
    found.ok_or_else(|| DecodeError::invalid(format!("no outcome: {name}")))
}

#[derive(Serialize, Deserialize)]
struct AssetListV1 {
    updated_at: i64,
    /// (symbol, name, exchange, currency): a tuple, because there are thousands.
    assets: Vec<(String, String, Option<String>, String)>,
}

/// Encodes a list without its class and provider, which are its key.
pub fn encode_assets(list: &AssetList) -> Vec<u8> {
    let asset = |asset: &Asset| {
        let (symbol, currency) = (asset.symbol.to_string(), asset.currency.to_string());
        (symbol, asset.name.clone(), asset.exchange.clone(), currency)
    };
    let row = AssetListV1 {
        updated_at: list.updated_at.as_micros(),
        assets: list.assets.iter().map(asset).collect(),
    };
    json::encode(VERSION, &row)
}

/// # Errors
/// When the bytes are no list of a known version.
pub fn decode_assets(
    class: AssetClass,
    provider: ProviderName,
    bytes: &[u8],
) -> Result<AssetList, DecodeError> {
    let row: AssetListV1 = json::decode(VERSION, bytes)?;
    let asset = |(symbol, name, exchange, currency): (String, String, Option<String>, String)| {
        Ok(Asset {
            symbol: Symbol::parse(&symbol).map_err(DecodeError::invalid)?,
            name,
            exchange,
            currency: Currency::parse(&currency).map_err(DecodeError::invalid)?,
        })
    };
    let assets: Result<Vec<Asset>, DecodeError> = row.assets.into_iter().map(asset).collect();
    Ok(AssetList { class, provider, updated_at: timestamp(row.updated_at)?, assets: assets? })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn quota_window(name: &str) -> Result<QuotaWindow, DecodeError> {
    QuotaWindow::parse(name).ok_or_else(|| DecodeError::invalid(format!("no quota window: {name}")))
}

fn provider(name: &str) -> Result<ProviderName, DecodeError> {
    ProviderName::parse(name).map_err(DecodeError::invalid)
}

fn decimal(text: Option<&str>) -> Result<Option<Decimal>, DecodeError> {
    text.map(|text| text.parse().map_err(DecodeError::invalid)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs).expect("a time")
    }

    fn name() -> ProviderName {
        ProviderName::parse("kraken").expect("a name")
    }

    #[test]
    fn an_account_comes_back_in_every_state_of_its_breaker() {
        for breaker in [
            BreakerState::Closed { n_failures: 3 },
            BreakerState::Open { until: at(9) },
            BreakerState::HalfOpen { probe_until: at(10) },
        ] {
            let slices = vec![CallSlice { first_at: at(1), last_at: at(2), n_calls: 3 }];
            let ledger = ProviderLedger {
                revision: 7,
                provider: name(),
                used: vec![WindowUse { window: QuotaWindow::Month, slices }],
                breaker,
                calls: CallStatistics {
                    n_calls: 4,
                    n_failed_calls: 1,
                    last_call_at: Some(at(3)),
                    last_latency: Some(Duration::from_millis(5)),
                    last_error: Some("no".into()),
                    last_error_at: None,
                },
            };
            assert_eq!(decode_ledger(name(), &encode_ledger(&ledger)), Ok(ledger));
        }
    }

    #[test]
    fn a_receipt_comes_back_with_every_outcome() {
        let failures = [
            FailureClass::UnknownSymbol,
            FailureClass::NoPrice,
            FailureClass::RateLimited(QuotaWindow::Day),
            FailureClass::Auth,
            FailureClass::Forbidden,
            FailureClass::BadRequest,
            FailureClass::UpstreamError,
            FailureClass::BadPayload,
        ];
        let mut outcomes = vec![
            AttemptOutcome::KnownUnknown,
            AttemptOutcome::BudgetSpent,
            AttemptOutcome::BreakerOpen,
            AttemptOutcome::NotCounted,
            AttemptOutcome::Answered,
        ];
        outcomes.extend(failures.map(AttemptOutcome::Failed));
        let attempt = |outcome| Attempt {
            provider: name(),
            outcome,
            detail: Some("why".into()),
            latency: Some(Duration::from_micros(7)),
            until: Some(at(8)),
        };
        let symbol = Symbol::parse("BTC-USD").expect("a symbol");
        let receipt = Receipt {
            symbol: symbol.clone(),
            asked_at: at(1),
            tried: outcomes.into_iter().map(attempt).collect(),
            answer: Some(ReceiptAnswer {
                provider: name(),
                price_id: PriceId::new(5).expect("an id"),
                change: Some(Decimal::new(-15, 1)),
                percent_change: None,
                observed_at: at(2),
                raw_response_id: Some("5.1".into()),
            }),
        };
        assert_eq!(decode_receipt(symbol, &encode_receipt(&receipt)), Ok(receipt));
    }

    #[test]
    fn an_asset_list_comes_back_and_other_bytes_are_an_error() {
        let list = AssetList {
            class: AssetClass::Crypto,
            provider: name(),
            updated_at: at(4),
            assets: vec![Asset {
                symbol: Symbol::parse("BTC-USD").expect("a symbol"),
                name: "Bitcoin \"₿\"".into(),
                exchange: None,
                currency: Currency::USD,
            }],
        };
        assert_eq!(decode_assets(list.class, name(), &encode_assets(&list)), Ok(list));
        for broken in ["", "{}", r#"{"v":2}"#, r#"{"v":1,"assets":[]}"#] {
            let bytes = broken.as_bytes();
            assert!(decode_assets(AssetClass::Crypto, name(), bytes).is_err(), "{broken}");
            assert!(decode_ledger(name(), bytes).is_err(), "{broken}");
            assert!(decode_receipt(Symbol::parse("X").expect("a symbol"), bytes).is_err());
        }
    }
}
