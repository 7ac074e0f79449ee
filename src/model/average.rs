//! Moving averages: the arithmetic mean of the last `window` prices by (`observed_at`, id).

use std::collections::VecDeque;
use std::fmt;

use rust_decimal::Decimal;

use super::amount::MAX_SCALE;
use super::{Amount, Invalid, Position, Symbol};

/// A count of observations, 1 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(u16);

impl Window {
    pub const MAX: u16 = 1_000;

    /// # Errors
    /// When the count is not within 1 to 1,000.
    pub fn new(count: u64) -> Result<Self, Invalid> {
        match u16::try_from(count) {
            Ok(count @ 1..=Self::MAX) => Ok(Self(count)),
            _ => Err(Invalid(format!("a window counts 1 to {} prices", Self::MAX))),
        }
    }

    pub fn get(self) -> u16 {
        self.0
    }

    #[expect(clippy::len_without_is_empty, reason = "a window is never empty")]
    pub fn len(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An exact sum divided by its count. Where the quotient does not end it is rounded half to even to
/// what a 96-bit decimal holds: 28 decimals, or 28 significant digits if that is fewer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mean(Decimal);

impl Mean {
    /// The mean of `count` amounts whose scaled sum ([`Amount::scaled`]) is `sum`.
    fn of_scaled_sum(sum: i128, count: Window) -> Self {
        let mut mantissa = sum;
        let mut scale = MAX_SCALE as u32;
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        // A sum may need more than the 96 bits of a Decimal; what is cut here lies beyond the
        // 28th significant digit.
        let total = loop {
            match Decimal::try_from_i128_with_scale(mantissa, scale) {
                Ok(total) => break total,
                Err(_) => {
                    mantissa = divide_half_even(mantissa, 10);
                    scale -= 1;
                }
            }
        };
        Self((total / Decimal::from(count.get())).normalize())
    }

    /// A mean read back from a store.
    pub fn from_stored(decimal: Decimal) -> Self {
        Self(decimal.normalize())
    }

    pub fn decimal(self) -> Decimal {
        self.0
    }
}

impl fmt::Display for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The average of one window that ends at one price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovingAverage {
    pub symbol: Symbol,
    pub window: Window,
    /// The newest price in the window; its time is the average's time.
    pub at: Position,
    pub mean: Mean,
}

/// The mean of the last `window` amounts pushed, kept by an exact running sum.
#[derive(Debug, Clone)]
pub struct RollingMean {
    window: Window,
    scaled: VecDeque<i128>,
    sum: i128,
}

impl RollingMean {
    pub fn new(window: Window) -> Self {
        Self { window, scaled: VecDeque::with_capacity(window.len()), sum: 0 }
    }

    /// Adds the next amount; answers the mean once the window is full.
    pub fn push(&mut self, amount: Amount) -> Option<Mean> {
        if self.scaled.len() == self.window.len() {
            self.sum -= self.scaled.pop_front().unwrap_or(0);
        }
        self.scaled.push_back(amount.scaled());
        self.sum += amount.scaled();
        (self.scaled.len() == self.window.len()).then(|| Mean::of_scaled_sum(self.sum, self.window))
    }
}

/// The mean of exactly one window of amounts; none when there are fewer or more.
pub fn mean_of(amounts: impl ExactSizeIterator<Item = Amount>, window: Window) -> Option<Mean> {
    (amounts.len() == window.len())
        .then(|| Mean::of_scaled_sum(amounts.map(Amount::scaled).sum(), window))
}

fn divide_half_even(dividend: i128, divisor: i128) -> i128 {
    let quotient = dividend / divisor;
    let twice_rest = 2 * (dividend % divisor).abs();
    let up = twice_rest > divisor || (twice_rest == divisor && quotient % 2 != 0);
    if up { quotient + dividend.signum() } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(count: u64) -> Window {
        Window::new(count).expect("a window")
    }

    fn amounts(texts: &[&str]) -> Vec<Amount> {
        texts.iter().map(|text| Amount::parse(text).expect("an amount")).collect()
    }

    #[test]
    fn the_mean_is_exact_where_it_ends_and_rounded_where_it_does_not() {
        for (prices, expected) in [
            (vec!["0.1", "0.2"], "0.15"),
            (vec!["1", "1", "2"], "1.3333333333333333333333333333"),
            (vec!["2", "2", "1"], "1.6666666666666666666666666667"),
            (vec!["999999999999999", "999999999999999"], "999999999999999"),
        ] {
            let mean = mean_of(amounts(&prices).into_iter(), window(prices.len() as u64));
            assert_eq!(mean.map(|mean| mean.to_string()).as_deref(), Some(expected), "{prices:?}");
        }
    }

    #[test]
    fn a_thousand_of_the_largest_amounts_do_not_overflow() {
        let largest = Amount::parse("999999999999999.9999999999999").expect("an amount");
        let mean = mean_of(vec![largest; 1_000].into_iter(), window(1_000)).expect("a full window");
        assert_eq!(mean.to_string(), "999999999999999.9999999999999");
    }

    #[test]
    fn a_window_that_is_not_full_has_no_mean() {
        let mut rolling = RollingMean::new(window(3));
        let means: Vec<_> = amounts(&["1", "2", "3", "4"])
            .into_iter()
            .map(|amount| rolling.push(amount).map(|mean| mean.to_string()))
            .collect();
        assert_eq!(means, [None, None, Some("2".into()), Some("3".into())]);
        assert!(Window::new(0).is_err());
        assert!(Window::new(1_001).is_err());
    }

    proptest::proptest! {
        #[test]
        fn the_streaming_mean_equals_the_naive_one(
            mantissas in proptest::collection::vec((1_i128..10_i128.pow(15), 0_u32..=12), 1..60),
            count in 1_u64..20,
        ) {
            let window = window(count);
            let amounts: Vec<Amount> = mantissas
                .into_iter()
                .map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
                .map(|decimal| Amount::try_from(decimal).expect("within bounds"))
                .collect();
            let mut rolling = RollingMean::new(window);
            for (index, amount) in amounts.iter().enumerate() {
                let naive = (index + 1).checked_sub(window.len()).map(|start| {
                    let total: Decimal = amounts[start..=index].iter().map(|a| a.decimal()).sum();
                    (total / Decimal::from(window.get())).normalize()
                });
                proptest::prop_assert_eq!(rolling.push(*amount).map(Mean::decimal), naive);
            }
        }
    }
}
