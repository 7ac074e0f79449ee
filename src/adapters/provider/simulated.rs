//! The `simulated` provider: seeded random walks, for demos and tests.
//!
//! The prices are invented, so it is only used when asked for by name or by `--demo`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rust_decimal::Decimal;

use super::QuoteResults;
use crate::model::{Amount, AssetClass, ProviderName, Symbol, TimeSource, Timestamp};
use crate::ports::Clock;
use crate::ports::provider::{FailureClass, PriceProvider, ProviderError, ProviderProfile, Quote};

/// Walks up or down by up to a quarter of a per cent at every question.
pub struct Simulated {
    profile: ProviderProfile,
    clock: Arc<dyn Clock>,
    walks: Mutex<BTreeMap<Symbol, Walk>>,
    seed: u64,
}

struct Walk {
    start: Decimal,
    price: Decimal,
    random: u64,
}

impl Simulated {
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        let profile = ProviderProfile {
            name: ProviderName::parse("simulated").expect("`simulated` is a provider name"),
            asset_classes: AssetClass::ALL.to_vec(),
            batch_size: 1_000,
            lists_assets_of: Vec::new(),
            budget: Vec::new(),
            base_url: None,
            has_key: false,
            invented: true,
        };
        Self { profile, clock, walks: Mutex::default(), seed }
    }

    /// Walks `n_moments` times `n_steps` steps and answers where that led each time, as if the
    /// moments had been `spacing` apart and the last of them were one spacing ago; oldest first.
    pub fn past(
        &self,
        symbols: &[Symbol],
        n_moments: u32,
        spacing: Duration,
        n_steps: u32,
    ) -> Vec<Quote> {
        let now = self.clock.now();
        let moments = (1..=n_moments).rev().map(|back| now.minus(spacing.saturating_mul(back)));
        moments
            .flat_map(|at| {
                symbols.iter().filter_map(move |symbol| self.walk(symbol, n_steps, at).ok())
            })
            .collect()
    }

    fn walk(&self, symbol: &Symbol, n_steps: u32, at: Timestamp) -> Result<Quote, ProviderError> {
        let mut walks = self.walks.lock();
        let walk = walks.entry(symbol.clone()).or_insert_with(|| Walk::starting(symbol, self.seed));
        for _ in 0..n_steps {
            walk.step();
        }
        let price = Amount::try_from(walk.price)
            .map_err(|error| ProviderError::new(FailureClass::NoPrice, error.to_string()))?;
        let change = walk.price - walk.start;
        Ok(Quote {
            symbol: symbol.clone(),
            price,
            change: Some(change),
            percent_change: Some((change * Decimal::ONE_HUNDRED / walk.start).round_dp(4)),
            volume: None,
            currency: symbol.default_currency(),
            observed_at: at,
            time_source: TimeSource::Received,
            raw: None,
        })
    }
}

impl Walk {
    /// A price that looks like one of its asset class, the same for the same symbol and seed.
    fn starting(symbol: &Symbol, seed: u64) -> Self {
        let random = symbol
            .as_str()
            .bytes()
            .fold(seed ^ 0x9E37_79B9_7F4A_7C15, |hash, byte| scramble(hash ^ u64::from(byte)));
        let fraction = Decimal::from(random % 1_000);
        let price = match symbol.asset_class() {
            AssetClass::Stock => Decimal::from(50) + fraction / Decimal::from(4),
            AssetClass::Crypto => Decimal::from(2_000) + fraction * Decimal::from(50),
            AssetClass::Forex if symbol.default_currency().as_str() == "JPY" => {
                Decimal::from(100) + fraction / Decimal::from(20)
            }
            AssetClass::Forex => Decimal::ONE + fraction / Decimal::from(4_000),
        };
        Self { start: price, price, random }
    }

    fn step(&mut self) {
        self.random = scramble(self.random);
        // Between -0.25 % and +0.25 %.
        let basis = Decimal::new(i64::try_from(self.random % 501).unwrap_or(250) - 250, 5);
        let scale = if self.start < Decimal::TEN { 5 } else { 2 };
        let next = (self.price * (Decimal::ONE + basis)).round_dp(scale);
        // A walk that strays far turns around, so that it never reaches zero.
        self.price = if next < self.start / Decimal::TWO { self.start } else { next };
    }
}

/// One step of the `SplitMix64` generator (Steele, Lea, Flood 2014).
fn scramble(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[async_trait]
impl PriceProvider for Simulated {
    fn profile(&self) -> &ProviderProfile {
        &self.profile
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<QuoteResults, ProviderError> {
        let now = self.clock.now();
        Ok(symbols.iter().map(|symbol| (symbol.clone(), self.walk(symbol, 1, now))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::ManualClock;

    #[test]
    fn the_same_seed_walks_the_same_way_and_never_to_zero() {
        let clock = Arc::new(ManualClock::at(Timestamp::parse("2024-05-01").expect("a time")));
        let bitcoin = Symbol::parse("BTC-USD").expect("a symbol");
        let walk = |seed| {
            let simulated = Simulated::new(clock.clone(), seed);
            (0..5_000)
                .map(|_| simulated.walk(&bitcoin, 1, clock.now()).expect("a quote").price)
                .collect::<Vec<_>>()
        };
        assert_eq!(walk(7), walk(7));
        assert_ne!(walk(7), walk(8));
        assert!(walk(7).iter().all(|price| !price.is_zero()));
    }

    #[test]
    fn the_past_leads_up_to_now_and_the_walk_goes_on_from_there() {
        let start = Timestamp::parse("2024-05-01").expect("a time");
        let simulated = Simulated::new(Arc::new(ManualClock::at(start)), 7);
        let bitcoin = Symbol::parse("BTC-USD").expect("a symbol");
        let minute = Duration::from_secs(60);
        let past = simulated.past(std::slice::from_ref(&bitcoin), 3, minute, 10);
        let times: Vec<_> = past.iter().map(|quote| quote.observed_at).collect();
        assert_eq!(times, [3, 2, 1].map(|back| start.minus(minute * back)));
        let other = Simulated::new(Arc::new(ManualClock::at(start)), 7);
        let walked = other.walk(&bitcoin, 31, start).expect("a quote");
        assert_eq!(simulated.walk(&bitcoin, 1, start).expect("a quote"), walked);
    }
}
