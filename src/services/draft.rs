//! A price as somebody sent it, and the one place that checks it.

use std::time::Duration;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::model::{
    Amount, Currency, ExternalId, Invalid, Observation, ProviderName, RawPayload, Symbol,
    TimeSource, Timestamp, price,
};

/// The longest raw payload kept with a price, in bytes.
pub const MAX_RAW_BYTES: usize = 64 * 1024;

/// How times are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeFormat {
    #[default]
    Rfc3339,
    /// `2024-05-01`, read as midnight UTC.
    Date,
    /// Seconds since 1970, with or without decimals.
    Unix,
    /// Milliseconds since 1970.
    UnixMillis,
}

/// The texts of a price before anything about them is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceDraft {
    pub symbol: Option<String>,
    pub price: Option<String>,
    pub volume: Option<String>,
    /// Now when none.
    pub timestamp: Option<String>,
    /// `manual` when none.
    pub source: Option<String>,
    /// Told by the symbol when none; `GBp`, `ZAc` and `ILA` are hundredths.
    pub currency: Option<String>,
    pub external_id: Option<String>,
    pub raw: Option<RawPayload>,
}

/// What is wrong with one field of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub field: &'static str,
    pub detail: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.detail)
    }
}

/// A price and its currency in major units: what a correction may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedValue {
    pub price: Amount,
    pub volume: Option<Amount>,
    pub currency: Currency,
}

/// What drafts are checked against.
#[derive(Debug, Clone, Copy)]
pub struct Checker {
    pub now: Timestamp,
    /// How far ahead of our clock an observation may lie.
    pub max_future: Duration,
    pub time_format: TimeFormat,
}

impl Checker {
    /// Turns a draft into an observation, or says everything that is wrong with it.
    ///
    /// # Errors
    /// At least one [`FieldError`].
    pub fn check(&self, draft: PriceDraft) -> Result<Observation, Vec<FieldError>> {
        let mut errors = Errors::default();
        let symbol =
            errors.take("symbol", required(draft.symbol.as_deref()).and_then(Symbol::parse));
        let value = {
            let default = symbol.as_ref().map(Symbol::default_currency);
            errors.value(
                draft.price.as_deref(),
                draft.volume.as_deref(),
                draft.currency.as_deref(),
                default.unwrap_or(Currency::USD),
            )
        };
        let observed_at = match draft.timestamp.as_deref() {
            Some(text) => errors.take("timestamp", self.time(text)),
            None => Some(self.now),
        };
        let provider = match draft.source.as_deref() {
            Some(text) => errors.take("source", ProviderName::parse(text)),
            None => Some(ProviderName::manual()),
        };
        let external_id = match draft.external_id.as_deref() {
            None | Some("") => None,
            Some(text) => errors.take("external_id", ExternalId::parse(text)),
        };
        errors.check_raw(draft.raw.as_ref());
        match (symbol, value, observed_at, provider) {
            (Some(symbol), Some(value), Some(observed_at), Some(provider))
                if errors.0.is_empty() =>
            {
                Ok(Observation {
                    symbol,
                    provider,
                    observed_at,
                    external_id,
                    price: value.price,
                    volume: value.volume,
                    currency: value.currency,
                    received_at: self.now,
                    time_source: if draft.timestamp.is_none() {
                        TimeSource::Received
                    } else if self.time_format == TimeFormat::Date {
                        TimeSource::DateOnly
                    } else {
                        TimeSource::Provider
                    },
                    raw: draft.raw,
                })
            }
            _ => Err(errors.0),
        }
    }

    /// The time in a text.
    ///
    /// # Errors
    /// When it is none of the expected format, or too far in the future.
    pub fn time(&self, text: &str) -> Result<Timestamp, Invalid> {
        let instant = match self.time_format {
            TimeFormat::Rfc3339 => Timestamp::parse(text),
            TimeFormat::Date => Timestamp::parse_date(text),
            TimeFormat::Unix => from_unix(text, 1_000_000),
            TimeFormat::UnixMillis => from_unix(text, 1_000),
        }?;
        if instant > self.now.plus(self.max_future) {
            return Err(Invalid(format!("{instant} lies too far in the future")));
        }
        Ok(instant)
    }
}

/// Checks the value of a correction.
///
/// # Errors
/// At least one [`FieldError`].
pub fn check_value(
    price: Option<&str>,
    volume: Option<&str>,
    currency: Option<&str>,
    default: Currency,
    raw: Option<&RawPayload>,
) -> Result<CheckedValue, Vec<FieldError>> {
    let mut errors = Errors::default();
    let value = errors.value(price, volume, currency, default);
    errors.check_raw(raw);
    value.filter(|_| errors.0.is_empty()).ok_or(errors.0)
}

#[derive(Default)]
struct Errors(Vec<FieldError>);

impl Errors {
    fn take<T>(
        &mut self,
        field: &'static str,
        result: Result<T, impl std::fmt::Display>,
    ) -> Option<T> {
        result.map_err(|error| self.0.push(FieldError { field, detail: error.to_string() })).ok()
    }

    fn value(
        &mut self,
        price: Option<&str>,
        volume: Option<&str>,
        currency: Option<&str>,
        default: Currency,
    ) -> Option<CheckedValue> {
        let unit = match currency {
            Some(text) => self.take("currency", Currency::parse_unit(text)),
            None => Some((default, false)),
        };
        let price = required(price).and_then(|text| amount(text, "a price")).and_then(|amount| {
            let in_hundredths = unit.is_some_and(|(_, in_hundredths)| in_hundredths);
            match price::in_major_unit(amount, in_hundredths) {
                Ok(amount) if amount.is_zero() => {
                    Err(Invalid("a price must be greater than zero".into()))
                }
                Ok(amount) => Ok(amount),
                Err(error) => Err(Invalid(format!("a price {error}"))),
            }
        });
        let price = self.take("price", price);
        let volume = match volume {
            None | Some("") => Some(None),
            Some(text) => self.take("volume", amount(text, "a volume")).map(Some),
        };
        Some(CheckedValue { price: price?, volume: volume?, currency: unit?.0 })
    }

    fn check_raw(&mut self, raw: Option<&RawPayload>) {
        if raw.is_some_and(|raw| raw.0.len() > MAX_RAW_BYTES) {
            let detail = format!("raw data has at most {MAX_RAW_BYTES} bytes");
            self.0.push(FieldError { field: "raw_data", detail });
        }
    }
}

fn required(text: Option<&str>) -> Result<&str, Invalid> {
    text.ok_or_else(|| Invalid("is required".into()))
}

fn amount(text: &str, what: &str) -> Result<Amount, Invalid> {
    Amount::parse(text).map_err(|error| Invalid(format!("{what} {error}")))
}

fn from_unix(text: &str, micros_per_unit: i64) -> Result<Timestamp, Invalid> {
    let refuse = || Invalid("is not a number of seconds or milliseconds since 1970".into());
    if let Ok(whole) = text.parse::<i64>() {
        return Timestamp::from_micros(whole.checked_mul(micros_per_unit).ok_or_else(refuse)?);
    }
    let units = crate::model::amount::parse_signed(text).map_err(|_| refuse())?;
    let micros = units.checked_mul(Decimal::from(micros_per_unit)).ok_or_else(refuse)?;
    Timestamp::from_micros(micros.floor().to_i64().ok_or_else(refuse)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checker() -> Checker {
        Checker {
            now: Timestamp::parse("2024-05-01T00:00:00Z").expect("a time"),
            max_future: Duration::from_secs(3_600),
            time_format: TimeFormat::Rfc3339,
        }
    }

    fn draft(symbol: &str, price: &str) -> PriceDraft {
        PriceDraft {
            symbol: Some(symbol.into()),
            price: Some(price.into()),
            ..PriceDraft::default()
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let wrong = PriceDraft {
            volume: Some("-1".into()),
            timestamp: Some("2999-01-01T00:00:00Z".into()),
            source: Some("my source".into()),
            currency: Some("?".into()),
            external_id: Some("a b".into()),
            ..draft("A B", "-5")
        };
        let errors = checker().check(wrong).expect_err("all of it is wrong");
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        assert_eq!(
            fields,
            ["symbol", "currency", "price", "volume", "timestamp", "source", "external_id"]
        );
    }

    #[test]
    fn pence_become_pounds() {
        let pence = PriceDraft { currency: Some("GBp".into()), ..draft("VOD.L", "71.5") };
        let observation = checker().check(pence).expect("a price");
        assert_eq!(observation.price.to_string(), "0.715");
        assert_eq!(observation.currency.as_str(), "GBP");
    }

    #[test]
    fn times_are_read_in_the_format_asked_for() {
        for (format, text, expected) in [
            (TimeFormat::UnixMillis, "1514764802610", "2018-01-01T00:00:02.610Z"),
            (TimeFormat::Unix, "1463544000", "2016-05-18T04:00:00Z"),
            (TimeFormat::Unix, "1463544000.25", "2016-05-18T04:00:00.250Z"),
            (TimeFormat::Date, "2012-05-18", "2012-05-18T00:00:00Z"),
        ] {
            let checker = Checker { time_format: format, ..checker() };
            assert_eq!(checker.time(text).map(|t| t.to_string()), Ok(expected.into()), "{text}");
        }
        let seconds = Checker { time_format: TimeFormat::Unix, ..checker() };
        for text in ["", "NaN", "99999999999999999999", "1e400"] {
            assert!(seconds.time(text).is_err(), "{text}");
        }
    }
}
