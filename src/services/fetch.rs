//! The fast price loop: the configured symbols, as often as asked for and allowed.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::plan::{Plan, Planner};
use super::route::Router;
use crate::model::{Symbol, Timestamp};
use crate::ports::Clock;

/// Who the loop is to the planner.
const WHO: &str = "fetch";

/// How the loop is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchState {
    /// The pause between two rounds as planned; none before the first.
    pub interval: Option<Duration>,
    /// Why that is longer than configured.
    pub stretched: Option<String>,
    pub last_run: Option<Timestamp>,
    /// Symbols of the last round that got a price, and that got none.
    pub n_answered: usize,
    pub n_failed: usize,
}

/// Asks for the active symbols again and again.
pub struct PriceFetch {
    router: Arc<Router>,
    planner: Arc<Planner>,
    clock: Arc<dyn Clock>,
    symbols: Mutex<Vec<Symbol>>,
    interval: Duration,
    state: Mutex<FetchState>,
}

impl PriceFetch {
    /// `interval` is the pause between the starts of two rounds, where the budgets allow it.
    pub fn new(
        router: Arc<Router>,
        planner: Arc<Planner>,
        clock: Arc<dyn Clock>,
        symbols: Vec<Symbol>,
        interval: Duration,
    ) -> Self {
        let symbols = Mutex::new(symbols);
        Self { router, planner, clock, symbols, interval, state: Mutex::default() }
    }

    /// Replaces the active symbols from the next round on.
    pub fn set_symbols(&self, symbols: Vec<Symbol>) {
        *self.symbols.lock() = symbols;
    }

    pub fn state(&self) -> FetchState {
        self.state.lock().clone()
    }

    /// Runs until cancelled.
    pub async fn run(&self, cancel: CancellationToken) {
        let _ = cancel.run_until_cancelled(self.run_for_ever()).await;
    }

    async fn run_for_ever(&self) {
        loop {
            let started_at = self.clock.now();
            let plan = self.fetch_once().await;
            let took = self.clock.now().since(started_at);
            self.clock.sleep(plan.interval.saturating_sub(took)).await;
        }
    }

    /// One round; answers when the next may start.
    pub async fn fetch_once(&self) -> Plan {
        let symbols = self.symbols.lock().clone();
        self.planner.wants(WHO, &symbols, None, self.interval);
        let plan = self.planner.plan(WHO);
        let plan = plan.unwrap_or(Plan { interval: self.interval, stretched: None });
        let started_at = self.clock.now();
        let quotes = self.router.quotes(&symbols).await;
        let n_answered = quotes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
        let n_failed = quotes.len() - n_answered;
        let mut state = self.state.lock();
        if plan.stretched != state.stretched {
            match &plan.stretched {
                Some(why) => tracing::info!("the price loop {why}"),
                None => tracing::info!("the price loop runs as configured"),
            }
        }
        if n_failed != state.n_failed && n_failed > 0 {
            tracing::warn!(n_answered, n_failed, "the price loop misses prices");
        }
        *state = FetchState {
            interval: Some(plan.interval),
            stretched: plan.stretched.clone(),
            last_run: Some(started_at),
            n_answered,
            n_failed,
        };
        plan
    }
}
