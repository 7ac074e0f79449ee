//! The `replay` provider: real daily history, played back as if live.
//!
//! One day of history passes with every step of the clock; at the end it begins again, and so it
//! did before its start. The prices are real, their times are not, so it is only used when asked for by name or by `--demo`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rust_decimal::Decimal;

use super::QuoteResults;
use crate::model::{Amount, AssetClass, Currency, ProviderName, Symbol, TimeSource, Timestamp};
use crate::ports::Clock;
use crate::ports::provider::{
    Asset, FailureClass, PriceProvider, ProviderError, ProviderProfile, Quote,
};

/// The last 196 days of five stocks to 2013-03-01 (licence: NOTICE beside it).
const STOCKS: &str = include_str!("stocks-daily.csv");

/// Plays back closing prices.
pub struct Replay {
    profile: ProviderProfile,
    clock: Arc<dyn Clock>,
    step: Duration,
    start: Timestamp,
    history: BTreeMap<Symbol, Vec<(Amount, Option<Amount>)>>,
}

impl Replay {
    /// Plays the embedded stocks, one day each `step`, from now on.
    pub fn of_stocks(clock: Arc<dyn Clock>, step: Duration) -> Self {
        let mut history: BTreeMap<Symbol, Vec<_>> = BTreeMap::new();
        for line in STOCKS.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            if let [symbol, _date, close, volume] = cells[..]
                && let (Ok(symbol), Ok(close)) = (Symbol::parse(symbol), Amount::parse(close))
            {
                history.entry(symbol).or_default().push((close, Amount::parse(volume).ok()));
            }
        }
        let profile = ProviderProfile {
            name: ProviderName::parse("replay").expect("`replay` is a provider name"),
            asset_classes: vec![AssetClass::Stock],
            batch_size: 100,
            lists_assets_of: vec![AssetClass::Stock],
            budget: Vec::new(),
            base_url: None,
            has_key: false,
            invented: true,
        };
        Self { profile, start: clock.now(), clock, step, history }
    }

    /// The symbols it plays.
    pub fn symbols(&self) -> Vec<Symbol> {
        self.history.keys().cloned().collect()
    }

    /// What it would have played in the `n_steps` before its start, oldest first.
    pub fn past(&self, n_steps: u32) -> Vec<Quote> {
        let steps = (1..=i64::from(n_steps)).rev();
        steps
            .flat_map(|back| {
                self.history.keys().filter_map(move |symbol| self.at(symbol, -back).ok())
            })
            .collect()
    }

    fn quote(&self, symbol: &Symbol) -> Result<Quote, ProviderError> {
        let n_steps = self.clock.now().since(self.start).as_micros() / self.step.as_micros().max(1);
        self.at(symbol, i64::try_from(n_steps).unwrap_or(i64::MAX))
    }

    /// The quote of `step` steps after the start, or before it.
    fn at(&self, symbol: &Symbol, step: i64) -> Result<Quote, ProviderError> {
        let history = self.history.get(symbol).filter(|history| !history.is_empty());
        let history = history.ok_or_else(|| {
            ProviderError::new(FailureClass::UnknownSymbol, "the replay has no such symbol")
        })?;
        let n_days = i64::try_from(history.len()).unwrap_or(i64::MAX);
        let day = usize::try_from(step.rem_euclid(n_days)).unwrap_or_default();
        let away = self.step.saturating_mul(u32::try_from(step.unsigned_abs()).unwrap_or(u32::MAX));
        let (price, volume) = history[day];
        let before = day.checked_sub(1).map(|before| history[before].0.decimal());
        let change = before.map(|before| price.decimal() - before);
        Ok(Quote {
            symbol: symbol.clone(),
            price,
            change,
            percent_change: change.zip(before).and_then(|(change, before)| {
                (change * Decimal::ONE_HUNDRED).checked_div(before).map(|p| p.round_dp(4))
            }),
            volume,
            currency: Currency::USD,
            observed_at: if step < 0 { self.start.minus(away) } else { self.start.plus(away) },
            time_source: TimeSource::Provider,
            raw: None,
        })
    }
}

#[async_trait]
impl PriceProvider for Replay {
    fn profile(&self) -> &ProviderProfile {
        &self.profile
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<QuoteResults, ProviderError> {
        Ok(symbols.iter().map(|symbol| (symbol.clone(), self.quote(symbol))).collect())
    }

    async fn assets(&self, _class: AssetClass) -> Result<Vec<Asset>, ProviderError> {
        let asset = |symbol: &Symbol| Asset {
            symbol: symbol.clone(),
            name: format!("{symbol} (replayed history)"),
            exchange: None,
            currency: Currency::USD,
        };
        Ok(self.history.keys().map(asset).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::ManualClock;

    #[tokio::test]
    async fn one_day_passes_with_every_step_and_history_begins_again() {
        let clock = Arc::new(ManualClock::at(Timestamp::parse("2024-05-01").expect("a time")));
        let replay = Replay::of_stocks(clock.clone(), Duration::from_secs(1));
        let facebook = Symbol::parse("FB").expect("a symbol");
        let price = |at: Duration| {
            clock.set(Timestamp::parse("2024-05-01").expect("a time").plus(at));
            replay.quote(&facebook).map(|quote| quote.price.to_string())
        };
        assert_eq!(replay.symbols().len(), 5);
        assert_eq!(price(Duration::ZERO), Ok("38.2318".into()));
        assert_eq!(price(Duration::from_millis(1_500)), Ok("34.03".into()));
        assert_eq!(price(Duration::from_secs(196)), Ok("38.2318".into()));
    }

    #[test]
    fn the_past_is_what_it_would_have_played_and_ends_before_the_start() {
        let start = Timestamp::parse("2024-05-01").expect("a time");
        let replay = Replay::of_stocks(Arc::new(ManualClock::at(start)), Duration::from_secs(1));
        let past = replay.past(200);
        assert_eq!(past.len(), 5 * 200);
        assert!(past.windows(2).all(|two| two[0].observed_at <= two[1].observed_at));
        let facebook: Vec<_> = past.iter().filter(|quote| quote.symbol.as_str() == "FB").collect();
        assert_eq!(facebook[199].observed_at, start.minus(Duration::from_secs(1)));
        // 196 steps before the start its first day was played, as at the start.
        assert_eq!(facebook[4].price.to_string(), "38.2318");
        assert_eq!(facebook[5].price.to_string(), "34.03");
    }
}
