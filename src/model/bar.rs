//! Open-high-low-close bars over half-open intervals.

use std::fmt;
use std::time::Duration;

use rust_decimal::Decimal;

use super::{Amount, Invalid, Timestamp};

/// The length of a bar. Bars start at multiples of it since 1970-01-01T00:00:00Z; weeks start on
/// Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarInterval {
    name: &'static str,
    micros: i64,
}

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

impl BarInterval {
    pub const ALL: [Self; 9] = [
        Self { name: "1m", micros: MINUTE },
        Self { name: "5m", micros: 5 * MINUTE },
        Self { name: "15m", micros: 15 * MINUTE },
        Self { name: "30m", micros: 30 * MINUTE },
        Self { name: "1h", micros: HOUR },
        Self { name: "4h", micros: 4 * HOUR },
        Self { name: "12h", micros: 12 * HOUR },
        Self { name: "1d", micros: DAY },
        Self { name: "1w", micros: 7 * DAY },
    ];

    /// # Errors
    /// Names the choices when the text is none of them.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|interval| interval.name == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|interval| interval.name).collect();
            Invalid(format!("an interval is one of {}", names.join(", ")))
        })
    }

    pub fn duration(self) -> Duration {
        Duration::from_micros(self.micros.unsigned_abs())
    }

    /// The start of the bar that `instant` falls into.
    pub fn start_of(self, instant: Timestamp) -> Timestamp {
        // 1970-01-01 was a Thursday: Monday-aligned weeks begin three days before it.
        let shift = if self.micros == 7 * DAY { 3 * DAY } else { 0 };
        let micros = instant.as_micros();
        let start = micros - (micros + shift).rem_euclid(self.micros);
        Timestamp::from_micros(start).unwrap_or(Timestamp::MIN)
    }
}

impl fmt::Display for BarInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The prices of one interval in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    pub start: Timestamp,
    pub open: Amount,
    pub high: Amount,
    pub low: Amount,
    pub close: Amount,
    /// The sum of the volumes; none when no price of the bar had one.
    pub volume: Option<Decimal>,
    pub n_prices: u64,
}

impl Bar {
    /// The bar of one price.
    pub fn open(start: Timestamp, price: Amount, volume: Option<Amount>) -> Self {
        Self {
            start,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: volume.map(Amount::decimal),
            n_prices: 1,
        }
    }

    /// Adds the next price in order of observation.
    pub fn add(&mut self, price: Amount, volume: Option<Amount>) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        if let Some(volume) = volume {
            let sum = self.volume.unwrap_or_default();
            self.volume = Some(sum.checked_add(volume.decimal()).unwrap_or(Decimal::MAX));
        }
        self.n_prices += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_start_at_multiples_of_their_interval() {
        let instant = Timestamp::parse("2024-05-01T13:47:12.5Z").expect("a time");
        for (interval, start) in [
            ("1m", "2024-05-01T13:47:00Z"),
            ("15m", "2024-05-01T13:45:00Z"),
            ("4h", "2024-05-01T12:00:00Z"),
            ("1d", "2024-05-01T00:00:00Z"),
            ("1w", "2024-04-29T00:00:00Z"),
        ] {
            let interval = BarInterval::parse(interval).expect("an interval");
            assert_eq!(interval.start_of(instant).to_string(), start, "{interval}");
        }
        let before_1970 = Timestamp::parse("1969-12-31T23:59:30Z").expect("a time");
        let minute = BarInterval::parse("1m").expect("an interval");
        assert_eq!(minute.start_of(before_1970).to_string(), "1969-12-31T23:59:00Z");
        assert!(BarInterval::parse("2m").is_err());
    }

    #[test]
    fn a_bar_keeps_first_highest_lowest_and_last() {
        let amount = |text| Amount::parse(text).expect("an amount");
        let mut bar = Bar::open(Timestamp::MIN, amount("5"), None);
        bar.add(amount("9"), Some(amount("1.5")));
        bar.add(amount("2"), Some(amount("2")));
        bar.add(amount("4"), None);
        let printed = [bar.open, bar.high, bar.low, bar.close].map(|a| a.to_string());
        assert_eq!(printed, ["5", "9", "2", "4"]);
        assert_eq!(bar.volume.map(|volume| volume.to_string()), Some("3.5".into()));
        assert_eq!(bar.n_prices, 4);
    }
}
