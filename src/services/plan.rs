//! The planner: what everybody who polls wants together, against what the budgets allow.
//!
//! Whoever polls says what it wants and how often. Where all of it does not fit a provider's
//! budget, everyone who leans on that provider is slowed by the same factor, so that 25 calls a
//! day last the day. Symbols that two jobs share count for both: the plan errs on the slow side.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::route::Router;
use crate::model::{BudgetLeft, ProviderName, QuotaWindow, Symbol};
use crate::ports::provider::ProviderProfile;

/// How often somebody may poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub interval: Duration,
    /// Why that is less often than asked for; none when it is as asked.
    pub stretched: Option<String>,
}

/// What one poller needs of one provider.
#[derive(Debug, Clone)]
struct Need {
    provider: ProviderName,
    /// Calls of one run.
    n_calls: usize,
    limits: Vec<(QuotaWindow, u32)>,
}

#[derive(Debug, Clone)]
struct Demand {
    interval: Duration,
    needs: Vec<Need>,
}

/// Knows what everybody wants. One for the whole service.
pub struct Planner {
    router: Arc<Router>,
    demands: Mutex<BTreeMap<String, Demand>>,
}

impl Planner {
    pub fn new(router: Arc<Router>) -> Self {
        Self { router, demands: Mutex::default() }
    }

    /// Says what the poller `who` wants; replaces what it wanted before.
    pub fn wants(
        &self,
        who: &str,
        symbols: &[Symbol],
        provider: Option<&ProviderName>,
        interval: Duration,
    ) {
        let mut by_carrier: BTreeMap<
            ProviderName,
            (ProviderProfile, Vec<BudgetLeft>, Vec<&Symbol>),
        > = BTreeMap::new();
        for symbol in symbols {
            let chain = match provider {
                Some(name) => self.router.limits_of(name).into_iter().collect(),
                None => self.router.chain_of(symbol),
            };
            if let Some((profile, limits)) = carrier(symbol, chain) {
                let entry = by_carrier.entry(profile.name.clone());
                entry.or_insert_with(|| (profile, limits, Vec::new())).2.push(symbol);
            }
        }
        let needs = by_carrier.into_iter().map(|(provider, (profile, limits, symbols))| Need {
            provider,
            n_calls: n_calls(&symbols, profile.batch_size.max(1)),
            limits: limits.iter().map(|left| (left.window, left.limit)).collect(),
        });
        let demand = Demand { interval, needs: needs.collect() };
        self.demands.lock().insert(who.to_owned(), demand);
    }

    /// Forgets pollers whose name starts with `prefix`, but for those that `keep` wants.
    pub fn retain(&self, prefix: &str, keep: impl Fn(&str) -> bool) {
        self.demands.lock().retain(|who, _| !who.starts_with(prefix) || keep(who));
    }

    /// How often `who` may poll, all the others considered; none when it never said what it wants.
    pub fn plan(&self, who: &str) -> Option<Plan> {
        let demands = self.demands.lock();
        let own = demands.get(who)?;
        let mut plan = Plan { interval: own.interval, stretched: None };
        for need in &own.needs {
            for (window, limit) in &need.limits {
                let wanted: f64 = demands
                    .values()
                    .flat_map(|demand| demand.needs.iter().map(move |need| (demand, need)))
                    .filter(|(_, other)| other.provider == need.provider)
                    .map(|(demand, other)| calls_in(*window, other.n_calls, demand.interval))
                    .sum();
                let factor = wanted / f64::from((*limit).max(1));
                let interval = stretch(own.interval, factor);
                if factor > 1.0 && interval > plan.interval {
                    plan.interval = interval;
                    plan.stretched = Some(format!(
                        "runs every {} s instead of {} s: {} allows {limit} calls a {}",
                        interval.as_secs(),
                        own.interval.as_secs(),
                        need.provider,
                        window.name()
                    ));
                }
            }
        }
        Some(plan)
    }
}

/// The provider of a chain that can carry the most: what falls to it last it can do the longest.
fn carrier(
    symbol: &Symbol,
    chain: Vec<(ProviderProfile, Vec<BudgetLeft>)>,
) -> Option<(ProviderProfile, Vec<BudgetLeft>)> {
    let class = symbol.asset_class();
    let mut best: Option<(f64, (ProviderProfile, Vec<BudgetLeft>))> = None;
    for (profile, limits) in chain {
        if !profile.asset_classes.contains(&class) {
            continue;
        }
        let calls_a_day = limits
            .iter()
            .map(|left| f64::from(left.limit) * 86_400.0 / length(left.window).as_secs_f64())
            .fold(f64::INFINITY, f64::min);
        let symbols_a_day = calls_a_day * profile.batch_size.max(1) as f64;
        // Of equals the first: it is the one that is asked.
        if best.as_ref().is_none_or(|(most, _)| symbols_a_day > *most) {
            best = Some((symbols_a_day, (profile, limits)));
        }
    }
    best.map(|(_, carrier)| carrier)
}

fn n_calls(symbols: &[&Symbol], batch_size: usize) -> usize {
    let mut by_currency: BTreeMap<&str, usize> = BTreeMap::new();
    for symbol in symbols {
        *by_currency.entry(symbol.pair().map_or("", |(_, quote)| quote)).or_default() += 1;
    }
    by_currency.into_values().map(|n_symbols| n_symbols.div_ceil(batch_size)).sum()
}

/// Calls that fall into one window on the average. One run may still hold more calls than a second
/// or a minute allows: the router waits for seconds, and falls back past a minute.
fn calls_in(window: QuotaWindow, n_calls: usize, interval: Duration) -> f64 {
    let runs = length(window).as_secs_f64() / interval.as_secs_f64().max(0.001);
    n_calls as f64 * runs
}

fn stretch(interval: Duration, factor: f64) -> Duration {
    let secs = (interval.as_secs_f64() * factor).ceil();
    Duration::try_from_secs_f64(secs).unwrap_or(super::schedule::MAX_INTERVAL)
}

/// Months as the shortest there is.
fn length(window: QuotaWindow) -> Duration {
    match window {
        QuotaWindow::Second => Duration::from_secs(1),
        QuotaWindow::Minute => Duration::from_secs(60),
        QuotaWindow::Day => Duration::from_secs(86_400),
        QuotaWindow::Month => Duration::from_secs(28 * 86_400),
    }
}
