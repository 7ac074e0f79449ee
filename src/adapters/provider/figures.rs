//! Reading exact figures, times and changes out of JSON values. No binary floating point: the
//! text of a number is what is parsed.

use rust_decimal::Decimal;
use serde_json::Value;

use crate::model::{Amount, AmountError, Currency, Symbol, TimeSource, Timestamp, amount, price};
use crate::ports::provider::{FailureClass, ProviderError};

/// Significant digits kept of a figure that we derive; what a provider sends is kept whole.
const DERIVED_DIGITS: u32 = 12;

/// Texts that stand for "no figure" in one API or another.
const ABSENT: &[&str] = &["", "-", "--", "None", "none", "null", "N/A", "n/a", "NaN", "nan", "N/D"];

/// The change since the previous close or since 24 hours ago (PROVIDERS.md section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Change {
    pub(super) absolute: Option<Decimal>,
    pub(super) percent: Option<Decimal>,
}

impl Change {
    /// Completes what the provider says; what it does not tell and nothing implies stays none.
    pub(super) fn complete(
        price: Amount,
        absolute: Option<Decimal>,
        percent: Option<Decimal>,
        previous: Option<Decimal>,
    ) -> Self {
        let price = price.decimal();
        let previous = previous.filter(|close| *close > Decimal::ZERO);
        let before = previous
            .or_else(|| price.checked_sub(absolute?))
            .filter(|before| *before > Decimal::ZERO);
        let absolute = absolute
            .or_else(|| price.checked_sub(previous?).map(|change| change.normalize()))
            .or_else(|| absolute_from_percent(price, percent?));
        let percent = percent.or_else(|| percent_of(absolute?, before?));
        Self { absolute, percent }
    }
}

/// A price in the major unit, greater than zero.
///
/// # Errors
/// [`FailureClass::NoPrice`] when it is absent, zero or negative; [`FailureClass::BadPayload`]
/// when it is no number at all or out of bounds.
pub(super) fn price(value: Option<&Value>, in_hundredths: bool) -> Result<Amount, ProviderError> {
    let no_price = |why: &str| ProviderError::new(FailureClass::NoPrice, why);
    let Some(text) = text(value)? else {
        return Err(no_price("listed, but without a price"));
    };
    let amount = match Amount::parse_rounding(&text) {
        Ok(amount) => price::in_major_unit(amount, in_hundredths)
            .map_err(|error| bad_payload(format!("the price {error}")))?,
        Err(AmountError::Negative) => return Err(no_price("the price is negative")),
        Err(error) => return Err(bad_payload(format!("the price {error}"))),
    };
    if amount.is_zero() { Err(no_price("the price is zero")) } else { Ok(amount) }
}

/// A figure that may be negative or absent, such as a change; what cannot be read is none, because
/// it takes nothing from the price.
pub(super) fn signed(value: Option<&Value>) -> Option<Decimal> {
    let text = text(value).ok()??;
    let text = text.strip_suffix('%').unwrap_or(&text).trim();
    signed_text(text.strip_prefix('+').unwrap_or(text))
}

/// A hundredth of a signed figure when it is in a minor unit.
pub(super) fn in_major_unit(figure: Option<Decimal>, in_hundredths: bool) -> Option<Decimal> {
    if !in_hundredths {
        return figure;
    }
    figure?.checked_div(Decimal::ONE_HUNDRED).map(|figure| figure.normalize())
}

/// The time of a quote from seconds since 1970, else the time it was received.
pub(super) fn observed_at_secs(
    value: Option<&Value>,
    received_at: Timestamp,
) -> (Timestamp, TimeSource) {
    let instant = signed(value)
        .and_then(|secs| secs.checked_mul(Decimal::from(1_000_000)))
        .and_then(|micros| i64::try_from(micros.trunc().mantissa()).ok())
        .filter(|micros| *micros > 0)
        .and_then(|micros| Timestamp::from_micros(micros).ok());
    provider_time_or(instant, received_at)
}

/// The time of a quote from RFC 3339 text, else the time it was received.
pub(super) fn observed_at_text(
    value: Option<&Value>,
    received_at: Timestamp,
) -> (Timestamp, TimeSource) {
    let instant = value.and_then(Value::as_str).and_then(|text| Timestamp::parse(text).ok());
    provider_time_or(instant, received_at)
}

/// The currency of a quote: what the reply names, checked against the pair asked for.
///
/// # Errors
/// [`FailureClass::BadPayload`] when it is no currency, or another than the pair's quote side.
pub(super) fn currency_of(
    symbol: &Symbol,
    named: Option<&str>,
) -> Result<(Currency, bool), ProviderError> {
    let Some(named) = named.filter(|code| !code.is_empty()) else {
        return Ok((symbol.default_currency(), false));
    };
    let (currency, in_hundredths) = Currency::parse_unit(named)
        .map_err(|_| bad_payload(format!("{symbol} is priced in an unreadable currency")))?;
    match symbol.pair() {
        Some((_, quote)) if currency.as_str() != quote || in_hundredths => {
            Err(bad_payload(format!("{symbol} is priced in {currency}, not in {quote}")))
        }
        _ => Ok((currency, in_hundredths)),
    }
}

/// The text of a number, or of a string that should hold one.
fn text(value: Option<&Value>) -> Result<Option<String>, ProviderError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::String(text)) => {
            let text = text.trim();
            Ok((!ABSENT.contains(&text)).then(|| text.to_owned()))
        }
        Some(_) => Err(bad_payload("a figure is no number")),
    }
}

fn signed_text(text: &str) -> Option<Decimal> {
    match amount::parse_signed(text) {
        Ok(figure) => Some(figure),
        Err(AmountError::TooPrecise) => {
            let figure: Decimal = text.parse().or_else(|_| Decimal::from_scientific(text)).ok()?;
            Some(figure.round_dp(amount::MAX_SCALE as u32).normalize())
        }
        Err(_) => None,
    }
}

fn absolute_from_percent(price: Decimal, percent: Decimal) -> Option<Decimal> {
    let growth = Decimal::ONE.checked_add(percent.checked_div(Decimal::ONE_HUNDRED)?)?;
    if growth <= Decimal::ZERO {
        return None;
    }
    rounded(price.checked_sub(price.checked_div(growth)?)?)
}

fn percent_of(change: Decimal, before: Decimal) -> Option<Decimal> {
    rounded(change.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(before)?)
}

fn rounded(figure: Decimal) -> Option<Decimal> {
    let bounded = figure.round_dp(amount::MAX_SCALE as u32);
    bounded.round_sf(DERIVED_DIGITS).map(|figure| figure.normalize())
}

fn provider_time_or(instant: Option<Timestamp>, received_at: Timestamp) -> (Timestamp, TimeSource) {
    match instant {
        Some(instant) => (instant, TimeSource::Provider),
        None => (received_at, TimeSource::Received),
    }
}

fn bad_payload(why: impl Into<String>) -> ProviderError {
    ProviderError::new(FailureClass::BadPayload, why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    #[test]
    fn only_a_positive_number_is_a_price() {
        for (given, expected) in [
            (json!(null), Err(FailureClass::NoPrice)),
            (json!(0), Err(FailureClass::NoPrice)),
            (json!("0.0000"), Err(FailureClass::NoPrice)),
            (json!(-1.5), Err(FailureClass::NoPrice)),
            (json!("NaN"), Err(FailureClass::NoPrice)),
            (json!("-"), Err(FailureClass::NoPrice)),
            (json!("abc"), Err(FailureClass::BadPayload)),
            (json!(true), Err(FailureClass::BadPayload)),
            (json!({"usd": 1}), Err(FailureClass::BadPayload)),
            (json!("1e30"), Err(FailureClass::BadPayload)),
            (json!(" 112.1300 "), Ok("112.13")),
        ] {
            let read = price(Some(&given), false).map(|amount| amount.to_string());
            assert_eq!(read.map_err(|error| error.class), expected.map(str::to_owned), "{given}");
        }
        let exact: Value = serde_json::from_str("0.10000000000000000001").expect("JSON");
        let exact = price(Some(&exact), false).expect("a price");
        assert_eq!(exact.to_string(), "0.10000000000000000001");
        let pence = price(Some(&json!("308.8")), true).expect("a price");
        assert_eq!(pence.to_string(), "3.088");
    }

    #[test]
    fn a_change_is_completed_from_what_there_is_and_never_invented() {
        let price = Amount::parse("110").expect("an amount");
        for (absolute, percent, previous, change, change_percent) in [
            (None, None, None, None, None),
            (None, Some("10"), None, Some("10"), Some("10")),
            (None, None, Some("100"), Some("10"), Some("10")),
            (None, None, Some("0"), None, None),
            (Some("10"), None, None, Some("10"), Some("10")),
            (Some("9.5"), Some("9"), Some("100"), Some("9.5"), Some("9")),
            (None, Some("-100"), None, None, Some("-100")),
        ] {
            let completed = Change::complete(
                price,
                absolute.map(decimal),
                percent.map(decimal),
                previous.map(decimal),
            );
            let expected =
                Change { absolute: change.map(decimal), percent: change_percent.map(decimal) };
            assert_eq!(completed, expected, "{absolute:?} {percent:?} {previous:?}");
        }
    }

    #[test]
    fn a_pair_priced_in_another_currency_is_refused() {
        let pair = Symbol::parse("BTC-USD").expect("a symbol");
        let stock = Symbol::parse("VOD.L").expect("a symbol");
        assert!(currency_of(&pair, Some("USD")).is_ok());
        assert!(currency_of(&pair, Some("EUR")).is_err());
        assert_eq!(currency_of(&stock, Some("GBp")).map(|(_, pence)| pence), Ok(true));
        let unnamed = currency_of(&stock, None).expect("the listing's currency");
        assert_eq!((unnamed.0.as_str(), unnamed.1), ("GBP", false));
    }

    #[test]
    fn seconds_are_read_and_their_absence_is_marked() {
        let received_at = Timestamp::from_secs(1_800_000_000).expect("an instant");
        let (at, source) = observed_at_secs(Some(&json!(1_636_322_400)), received_at);
        assert_eq!(
            (at.to_string().as_str(), source),
            ("2021-11-07T22:00:00Z", TimeSource::Provider)
        );
        for absent in [json!(null), json!(0), json!("soon"), json!(9e30)] {
            assert_eq!(
                observed_at_secs(Some(&absent), received_at),
                (received_at, TimeSource::Received),
                "{absent}"
            );
        }
    }
}
