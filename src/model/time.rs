//! Instants as microseconds since 1970-01-01T00:00:00Z.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use super::Invalid;

/// A UTC instant with microsecond resolution, from year 1 to year 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// 9999-12-31T23:59:59.999999Z.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// # Errors
    /// When the instant lies outside the years 1 to 9999.
    pub fn from_micros(micros: i64) -> Result<Self, Invalid> {
        if (Self::MIN.0..=Self::MAX.0).contains(&micros) {
            Ok(Self(micros))
        } else {
            Err(Invalid(format!("{micros} µs since 1970 is outside the years 1 to 9999")))
        }
    }

    /// # Errors
    /// As [`Timestamp::from_micros`].
    pub fn from_millis(millis: i64) -> Result<Self, Invalid> {
        Self::from_micros(millis.saturating_mul(1_000))
    }

    /// # Errors
    /// As [`Timestamp::from_micros`].
    pub fn from_secs(secs: i64) -> Result<Self, Invalid> {
        Self::from_micros(secs.saturating_mul(1_000_000))
    }

    /// Parses RFC 3339 with any offset; digits below a microsecond are cut off.
    ///
    /// A time without offset (`2024-05-01T10:00:00`, as old clients send it) and a bare date
    /// (`2024-05-01`, midnight) are read as UTC.
    ///
    /// # Errors
    /// When the text is neither, or the instant is out of range.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse = || Invalid(format!("`{}` is not an RFC 3339 time", clip(text)));
        // The longest legal form is 35 characters; do not scan more of what strangers send.
        if text.len() > 64 || !text.is_ascii() {
            return Err(refuse());
        }
        if let Ok(instant) = OffsetDateTime::parse(text, &Rfc3339) {
            let micros = instant.unix_timestamp_nanos().div_euclid(1_000);
            return i64::try_from(micros).map_err(|_| refuse()).and_then(Self::from_micros);
        }
        if text.len() == 10 {
            return Self::parse_date(text);
        }
        let zulu = format!("{}Z", text.replacen(' ', "T", 1));
        match OffsetDateTime::parse(&zulu, &Rfc3339) {
            Ok(_) => Self::parse(&zulu),
            Err(_) => Err(refuse()),
        }
    }

    /// Parses `YYYY-MM-DD` as midnight UTC of that date.
    ///
    /// # Errors
    /// When the text is no calendar date.
    pub fn parse_date(text: &str) -> Result<Self, Invalid> {
        let date = time::Date::parse(text, format_description!("[year]-[month]-[day]"))
            .map_err(|_| Invalid(format!("`{}` is not a date like 2024-05-01", clip(text))))?;
        Self::from_secs(date.midnight().assume_utc().unix_timestamp())
    }

    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Moves forward, stopping at [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros).min(Self::MAX.0))
    }

    /// Moves back, stopping at [`Timestamp::MIN`].
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros).max(Self::MIN.0))
    }

    /// The time that passed since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The instant in UTC, for calendar arithmetic.
    pub fn to_utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .expect("a Timestamp lies within the years 1 to 9999")
    }
}

/// Writes RFC 3339 with `Z` and as many decimals of a second as are not zero.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = self.to_utc();
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        // By hand: one answer has many times, and `write!` takes 2,800 instructions for each.
        let mut put = |digits: Range<usize>, mut number: u32| {
            for digit in text[digits].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(0..4, utc.year().unsigned_abs());
        put(5..7, u8::from(utc.month()).into());
        put(8..10, utc.day().into());
        put(11..13, utc.hour().into());
        put(14..16, utc.minute().into());
        put(17..19, utc.second().into());
        put(20..26, utc.microsecond());
        let end = match utc.microsecond() {
            0 => 19,
            micros if micros % 1_000 == 0 => 23,
            _ => 26,
        };
        text[end] = b'Z';
        f.write_str(str::from_utf8(&text[..=end]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A half-open span `[from, to)` of observation times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl TimeRange {
    pub const ALL: Self = Self { from: Timestamp::MIN, to: Timestamp::MAX };

    pub fn contains(&self, instant: Timestamp) -> bool {
        self.from <= instant && instant < self.to
    }
}

fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accepted_form_is_printed_in_utc() {
        for (given, printed) in [
            ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z"),
            ("2024-05-01T12:00:00+02:00", "2024-05-01T10:00:00Z"),
            ("2024-05-01T10:00:00.5Z", "2024-05-01T10:00:00.500Z"),
            ("2024-05-01T10:00:00.1234569Z", "2024-05-01T10:00:00.123456Z"),
            ("2024-05-01T10:00:00", "2024-05-01T10:00:00Z"),
            ("2024-05-01 10:00:00", "2024-05-01T10:00:00Z"),
            ("2024-05-01", "2024-05-01T00:00:00Z"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(
                Timestamp::parse(given).map(|t| t.to_string()),
                Ok(printed.into()),
                "{given}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for given in
            ["", "now", "2024-13-01", "2024-02-30", "2024-05-01T25:00:00Z", "17000000", "💥"]
        {
            assert!(Timestamp::parse(given).is_err(), "{given}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends_of_time() {
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.minus(Duration::MAX), Timestamp::MIN);
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX), Duration::ZERO);
    }

    proptest::proptest! {
        #[test]
        fn parsing_what_was_printed_gives_the_same(micros in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let timestamp = Timestamp(micros);
            proptest::prop_assert_eq!(Timestamp::parse(&timestamp.to_string()), Ok(timestamp));
        }
    }
}
