//! Exact decimal amounts: prices, volumes and means. No binary floating point anywhere.

use std::fmt;

use rust_decimal::Decimal;

/// Digits allowed before the decimal point.
pub const MAX_INTEGER_DIGITS: usize = 15;
/// Digits allowed after the decimal point.
pub const MAX_SCALE: usize = 20;
/// Significant digits allowed in all: what a 96-bit mantissa always holds.
pub const MAX_DIGITS: usize = 28;

/// A non-negative exact decimal with at most 15 digits before the point, 20 after it and 28 in
/// all, kept without trailing zeros.
///
/// The bounds make the sum of 1,000 amounts fit a 128-bit integer at scale 20, so a moving average
/// is summed exactly whatever the order of arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(Decimal);

/// Why a text is not an [`Amount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("is not a decimal number")]
    NotANumber,
    #[error("must not be negative")]
    Negative,
    #[error("has more than {MAX_INTEGER_DIGITS} digits before the decimal point")]
    TooLarge,
    #[error("has more than {MAX_SCALE} decimals or {MAX_DIGITS} significant digits")]
    TooPrecise,
}

impl Amount {
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Parses a JSON-style number (`12`, `0.1`, `1.5e-3`) without rounding.
    ///
    /// # Errors
    /// [`AmountError`] when the text is no number, is negative, or does not fit the bounds.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let signed = parse_signed(text)?;
        Self::try_from(signed)
    }

    /// The nearest amount within the bounds: decimals past the 20th, or past 28 significant
    /// digits, are rounded half to even. For providers that print binary fractions in full.
    ///
    /// # Errors
    /// As [`Amount::parse`], but never [`AmountError::TooPrecise`].
    pub fn parse_rounding(text: &str) -> Result<Self, AmountError> {
        match Self::parse(text) {
            Err(AmountError::TooPrecise) => {
                let decimal = text
                    .parse::<Decimal>()
                    .or_else(|_| Decimal::from_scientific(text))
                    .map_err(|_| AmountError::NotANumber)?;
                Self::try_from(round_to_bounds(decimal))
            }
            other => other,
        }
    }

    /// `mantissa` x 10^-`scale`; none when it does not fit the bounds. Much cheaper than the way
    /// over a [`Decimal`].
    pub fn from_scaled(mut mantissa: u64, mut scale: u32) -> Option<Self> {
        if scale > MAX_SCALE as u32 {
            return None;
        }
        while scale > 0 && mantissa.is_multiple_of(10) {
            mantissa /= 10;
            scale -= 1;
        }
        // 64 bits hold 20 digits, so few enough in all; only those before the point can be too many.
        let one = u64::checked_pow(10, scale + MAX_INTEGER_DIGITS as u32);
        if one.is_some_and(|too_large| mantissa >= too_large) {
            return None;
        }
        Some(Self(Decimal::from_i128_with_scale(i128::from(mantissa), scale)))
    }

    pub fn decimal(self) -> Decimal {
        self.0
    }

    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// A hundredth of this amount, exact: pence to pounds.
    ///
    /// # Errors
    /// [`AmountError::TooPrecise`] when two more decimals do not fit.
    pub fn hundredth(self) -> Result<Self, AmountError> {
        let scale = self.0.scale() + 2;
        Decimal::try_from_i128_with_scale(self.0.mantissa(), scale)
            .map_err(|_| AmountError::TooPrecise)
            .and_then(Self::try_from)
    }

    /// This amount as an integer count of 10^-20.
    pub fn scaled(self) -> i128 {
        self.0.mantissa() * 10_i128.pow(MAX_SCALE as u32 - self.0.scale())
    }
}

impl TryFrom<Decimal> for Amount {
    type Error = AmountError;

    fn try_from(decimal: Decimal) -> Result<Self, AmountError> {
        let decimal = decimal.normalize();
        if decimal.is_sign_negative() && !decimal.is_zero() {
            return Err(AmountError::Negative);
        }
        if decimal.scale() as usize > MAX_SCALE {
            return Err(AmountError::TooPrecise);
        }
        if decimal.trunc().mantissa() >= 10_i128.pow(MAX_INTEGER_DIGITS as u32) {
            return Err(AmountError::TooLarge);
        }
        if decimal.mantissa() >= 10_i128.pow(MAX_DIGITS as u32) {
            return Err(AmountError::TooPrecise);
        }
        Ok(Self(decimal))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Parses a possibly negative number of at most 28 significant digits, exactly.
///
/// # Errors
/// [`AmountError::NotANumber`], [`AmountError::TooLarge`] or [`AmountError::TooPrecise`].
pub fn parse_signed(text: &str) -> Result<Decimal, AmountError> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let dangling_point = number.contains('.') && fraction.is_empty();
    if whole.is_empty() || dangling_point || !all_digits(whole) || !all_digits(fraction) {
        return Err(AmountError::NotANumber);
    }

    // The value is `significant` x 10^-scale, with neither leading nor trailing zeros.
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Ok(Decimal::ZERO);
    }
    let trailing_zeros = digits.len() - digits.trim_end_matches('0').len();
    let scale = fraction.len() as i64 - trailing_zeros as i64 - exponent;
    let integer_digits = significant.len() as i64 - scale;
    if integer_digits > MAX_INTEGER_DIGITS as i64 {
        return Err(AmountError::TooLarge);
    }
    if scale > MAX_SCALE as i64 || significant.len() > MAX_DIGITS {
        return Err(AmountError::TooPrecise);
    }
    let mut mantissa: i128 = significant.parse().map_err(|_| AmountError::NotANumber)?;
    if scale < 0 {
        mantissa *= 10_i128.pow(scale.unsigned_abs() as u32);
    }
    if negative {
        mantissa = -mantissa;
    }
    Decimal::try_from_i128_with_scale(mantissa, scale.max(0) as u32)
        .map_err(|_| AmountError::TooPrecise)
}

fn parse_exponent(text: &str) -> Result<i64, AmountError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AmountError::NotANumber);
    }
    // Beyond four digits every non-zero number is out of bounds anyway.
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX).min(9_999);
    Ok(if text.starts_with('-') { -magnitude } else { magnitude })
}

fn round_to_bounds(decimal: Decimal) -> Decimal {
    let rounded = decimal.round_dp(MAX_SCALE as u32);
    rounded.round_sf(MAX_DIGITS as u32).unwrap_or(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_exactly_and_printed_plainly() {
        for (given, printed) in [
            ("0.1", "0.1"),
            ("150.250", "150.25"),
            ("1e5", "100000"),
            ("1.5E-3", "0.0015"),
            ("0.00000000000000000001", "0.00000000000000000001"),
            ("999999999999999.9999999999999", "999999999999999.9999999999999"),
            ("1.00000000000000000000000000000000000000000", "1"),
            ("-0", "0"),
            ("0e99999999999999999999", "0"),
        ] {
            assert_eq!(
                Amount::parse(given).map(|a| a.to_string()),
                Ok(printed.to_owned()),
                "{given}"
            );
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_with_its_reason() {
        for (given, reason) in [
            ("", AmountError::NotANumber),
            ("NaN", AmountError::NotANumber),
            ("Infinity", AmountError::NotANumber),
            ("1.", AmountError::NotANumber),
            (".5", AmountError::NotANumber),
            ("+1", AmountError::NotANumber),
            ("1e", AmountError::NotANumber),
            ("1,5", AmountError::NotANumber),
            ("-1", AmountError::Negative),
            ("1234567890123456", AmountError::TooLarge),
            ("1e15", AmountError::TooLarge),
            ("1e99999999999999999999", AmountError::TooLarge),
            ("0.000000000000000000001", AmountError::TooPrecise),
            ("1e-99999999999999999999", AmountError::TooPrecise),
            ("1.2345678901234567890123456789012345678901", AmountError::TooPrecise),
        ] {
            assert_eq!(Amount::parse(given), Err(reason), "{given}");
        }
    }

    #[test]
    fn rounding_is_only_done_when_asked_for() {
        let text = "0.1234567890123456789012345";
        assert_eq!(Amount::parse(text), Err(AmountError::TooPrecise));
        assert_eq!(
            Amount::parse_rounding(text).map(|amount| amount.to_string()),
            Ok("0.12345678901234567890".trim_end_matches('0').to_owned())
        );
    }

    proptest::proptest! {
        #[test]
        fn parsing_what_was_printed_gives_the_same(mantissa in 0_i128..10_i128.pow(27), scale in 0_u32..=20) {
            if let Ok(amount) = Amount::try_from(Decimal::from_i128_with_scale(mantissa, scale)) {
                proptest::prop_assert_eq!(Amount::parse(&amount.to_string()), Ok(amount));
                proptest::prop_assert_eq!(Decimal::from(0) + amount.decimal(), amount.decimal());
            }
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".{0,60}") {
            let _ = Amount::parse(&text);
            let _ = Amount::parse_rounding(&text);
        }
    }
}
