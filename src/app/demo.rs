//! The demo: two providers that need no network, their feeds, and a past to look at.

use std::sync::Arc;
use std::time::Duration;

use super::config::Config;
use crate::adapters::provider::replay::Replay;
use crate::adapters::provider::simulated::Simulated;
use crate::model::Symbol;
use crate::ports::{Clock, PriceProvider, Store};
use crate::services::feed::Feed;
use crate::services::ingest::Ingest;
use crate::services::route::Chains;

/// The walks are the same at every start.
const SEED: u64 = 42;

/// The symbols that are simulated beside the replayed stocks.
const SIMULATED: [&str; 5] = ["BTC-USD", "ETH-USD", "EUR/USD", "GBP/USD", "USD/JPY"];

/// A day of history lasts this many moves of the simulation: else the history is over in minutes,
/// and each candle of five minutes shows all of it.
const MOVES_A_DAY: u32 = 20;

/// How many days of history, or moments of a walk, are stored as the past: at the default pace
/// four hours.
const N_PAST: u32 = 720;

/// What `serve --demo` plays.
pub(super) struct Demo {
    replay: Arc<Replay>,
    simulated: Arc<Simulated>,
    interval: Duration,
    clock: Arc<dyn Clock>,
}

impl Demo {
    pub(super) fn new(config: &Config, clock: &Arc<dyn Clock>) -> Self {
        let interval = config.demo.interval;
        Self {
            replay: Arc::new(Replay::of_stocks(Arc::clone(clock), interval * MOVES_A_DAY)),
            simulated: Arc::new(Simulated::new(Arc::clone(clock), SEED)),
            interval,
            clock: Arc::clone(clock),
        }
    }

    /// Its providers, in place of all others.
    pub(super) fn providers(&self) -> Vec<Arc<dyn PriceProvider>> {
        vec![Arc::clone(&self.replay) as _, Arc::clone(&self.simulated) as _]
    }

    pub(super) fn chains(&self) -> Chains {
        let replay = self.replay.profile().name.clone();
        let simulated = self.simulated.profile().name.clone();
        Chains {
            stocks: vec![replay, simulated.clone()],
            crypto: vec![simulated.clone()],
            forex: vec![simulated],
            ..Chains::default()
        }
    }

    /// One feed a provider. Each begins with what its provider tells of the time before.
    pub(super) fn feeds(&self, store: &Arc<dyn Store>, ingest: &Arc<Ingest>) -> Vec<Feed> {
        let day = self.interval * MOVES_A_DAY;
        let walked = SIMULATED.into_iter().filter_map(|text| Symbol::parse(text).ok());
        let walked: Vec<Symbol> = walked.collect();
        let feed = |provider: Arc<dyn PriceProvider>, symbols, interval, past| {
            let (ingest, clock) = (Arc::clone(ingest), Arc::clone(&self.clock));
            Feed::new(provider, symbols, interval, ingest, clock).behind(past, Arc::clone(store))
        };
        vec![
            feed(
                Arc::clone(&self.replay) as _,
                self.replay.symbols(),
                day,
                self.replay.past(N_PAST),
            ),
            feed(
                Arc::clone(&self.simulated) as _,
                walked.clone(),
                self.interval,
                self.simulated.past(&walked, N_PAST, day, MOVES_A_DAY),
            ),
        ]
    }
}
