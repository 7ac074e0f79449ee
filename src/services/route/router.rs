//! The front door: who asks for what, and who asks already.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;

use super::chain::Chains;
use super::fetch::{Fetch, Outcome};
use super::guard::{Guard, GuardOptions, Refused};
use super::switches::Endpoint;
use super::{Quoted, RouteFailure};
use crate::model::{
    Asset, AssetClass, AuditDraft, BreakerState, BudgetLeft, CallStatistics, ProviderName,
    QuotaWindow, Receipt, Symbol, Timestamp,
};
use crate::ports::provider::{PriceProvider, ProviderProfile};
use crate::ports::{Clock, Store, StoreError};
use crate::services::ingest::Ingest;

/// Answers kept for [`Router::quote_within`]; past it the oldest half goes.
const MAX_RECENT: usize = 10_000;

/// How the router works; everything has a default.
#[derive(Debug, Clone)]
pub struct RouterOptions {
    pub guard: GuardOptions,
    pub chains: Chains,
    /// Limits that take the place of a provider's own defaults.
    pub budgets: BTreeMap<ProviderName, Vec<(QuotaWindow, u32)>>,
    /// How long a provider is not asked again for a symbol that it does not list.
    pub remember_unknown: Duration,
    /// Suggested to callers when no provider said how long to wait.
    pub retry_after: Duration,
    /// Providers that are not enabled, and why.
    pub off: Vec<(ProviderName, String)>,
    /// Spreads retries.
    pub seed: u64,
}

impl Default for RouterOptions {
    fn default() -> Self {
        Self {
            guard: GuardOptions::default(),
            chains: Chains::default(),
            budgets: BTreeMap::new(),
            remember_unknown: Duration::from_secs(24 * 3_600),
            retry_after: Duration::from_secs(30),
            off: Vec::new(),
            seed: 0,
        }
    }
}

/// What `GET /v1/providers` tells of one provider.
#[derive(Debug, Clone)]
pub enum ProviderState {
    Off {
        name: ProviderName,
        why: String,
    },
    On {
        profile: Box<ProviderProfile>,
        breaker: BreakerState,
        budgets: Vec<BudgetLeft>,
        calls: CallStatistics,
        /// What is not asked any more, and why; without an endpoint, nothing is.
        switched_off: Vec<(Option<Endpoint>, String)>,
    },
}

impl ProviderState {
    pub fn name(&self) -> &ProviderName {
        match self {
            Self::Off { name, .. } => name,
            Self::On { profile, .. } => &profile.name,
        }
    }
}

type FlightFuture = BoxFuture<'static, Arc<BTreeMap<Symbol, Outcome>>>;
/// A symbol, and the provider it is asked of when only one is.
type FlightKey = (Symbol, Option<ProviderName>);

/// Who can be asked, and in which order.
#[derive(Clone)]
struct Lineup {
    guards: Vec<Arc<Guard>>,
    off: Vec<(ProviderName, String)>,
    chains: Chains,
}

impl Lineup {
    fn guard(&self, name: &ProviderName) -> Option<&Arc<Guard>> {
        self.guards.iter().find(|guard| guard.name() == name)
    }
}

/// Asks providers for prices. One for the whole service.
pub struct Router {
    lineup: ArcSwap<Lineup>,
    remember_unknown: Duration,
    retry_after: Duration,
    store: Arc<dyn Store>,
    ingest: Arc<Ingest>,
    clock: Arc<dyn Clock>,
    /// Questions under way. Whoever waits for one drives it, so that it goes on when the first
    /// who asked goes away, and ends when everybody did.
    flights: Mutex<HashMap<FlightKey, WeakShared<FlightFuture>>>,
    recent: Mutex<HashMap<FlightKey, (Timestamp, Quoted)>>,
}

impl Router {
    /// Takes over the accounts of `providers` from the store.
    ///
    /// # Errors
    /// When the store fails: without its ledger no call may be made.
    pub async fn open(
        providers: Vec<Arc<dyn PriceProvider>>,
        options: RouterOptions,
        store: Arc<dyn Store>,
        ingest: Arc<Ingest>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StoreError> {
        let (remember_unknown, retry_after) = (options.remember_unknown, options.retry_after);
        let lineup = line_up(providers, options, &store, &clock).await?;
        Ok(Arc::new(Self {
            lineup: ArcSwap::from_pointee(lineup),
            remember_unknown,
            retry_after,
            store,
            ingest,
            clock,
            flights: Mutex::default(),
            recent: Mutex::default(),
        }))
    }

    /// Asks these providers along these chains from now on. What was counted and booked is taken
    /// over from the store; calls under way come to their end.
    ///
    /// # Errors
    /// When the store fails; then all stays as it was.
    pub async fn set_providers(
        &self,
        providers: Vec<Arc<dyn PriceProvider>>,
        options: RouterOptions,
    ) -> Result<(), StoreError> {
        let lineup = line_up(providers, options, &self.store, &self.clock).await?;
        self.lineup.store(Arc::new(lineup));
        Ok(())
    }

    /// Asks along other chains from now on.
    pub fn set_chains(&self, chains: &Chains) {
        self.lineup.rcu(|lineup| Lineup { chains: chains.clone(), ..Lineup::clone(lineup) });
    }

    /// Asks for a symbol now: along its fallback chain, or only the provider that is named. What
    /// comes is stored. Cancel safe; others who wait for the same symbol are not disturbed.
    ///
    /// # Errors
    /// [`RouteFailure`] when there is no price.
    pub async fn quote(
        self: &Arc<Self>,
        symbol: &Symbol,
        provider: Option<&ProviderName>,
    ) -> Result<Quoted, RouteFailure> {
        let mut outcomes = self.ask(std::slice::from_ref(symbol), provider).await;
        outcomes.pop().map_or(Err(RouteFailure::NobodyToAsk), |(_, outcome)| outcome)
    }

    /// As [`Router::quote`], but an answer that came within the last `max_age` is given again.
    ///
    /// In a closed market the newest price is old however often it is asked for; this keeps
    /// every reader of it from asking anew.
    ///
    /// # Errors
    /// As [`Router::quote`].
    pub async fn quote_within(
        self: &Arc<Self>,
        symbol: &Symbol,
        provider: Option<&ProviderName>,
        max_age: Duration,
    ) -> Result<Quoted, RouteFailure> {
        let recent = self.recent.lock().get(&(symbol.clone(), provider.cloned())).cloned();
        match recent {
            Some((at, quoted)) if self.clock.now().since(at) <= max_age => Ok(quoted),
            _ => self.quote(symbol, provider).await,
        }
    }

    /// Asks for many symbols along their chains, batched; every symbol comes back once, in the
    /// order asked.
    pub async fn quotes(
        self: &Arc<Self>,
        symbols: &[Symbol],
    ) -> Vec<(Symbol, Result<Quoted, RouteFailure>)> {
        self.ask(symbols, None).await
    }

    /// As [`Router::quotes`], but asks only the provider that is named.
    pub async fn quotes_of(
        self: &Arc<Self>,
        symbols: &[Symbol],
        provider: &ProviderName,
    ) -> Vec<(Symbol, Result<Quoted, RouteFailure>)> {
        self.ask(symbols, Some(provider)).await
    }

    /// The newest receipt of a symbol.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn receipt(&self, symbol: &Symbol) -> Result<Option<Receipt>, StoreError> {
        self.store.receipt(symbol).await
    }

    /// Takes over what other processes on the store have booked since.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        for ledger in self.store.ledgers().await? {
            if let Some(guard) = self.guard(&ledger.provider) {
                guard.adopt(ledger);
            }
        }
        Ok(())
    }

    /// Every provider as this process knows it, those that are off included.
    pub fn providers(&self) -> Vec<ProviderState> {
        let lineup = self.lineup.load();
        let on = lineup.guards.iter().map(|guard| {
            let (breaker, budgets, calls) = guard.state();
            let switched_off = guard.switched_off();
            let profile = Box::new(guard.profile().clone());
            ProviderState::On { profile, breaker, budgets, calls, switched_off }
        });
        let off = lineup.off.iter();
        let off =
            off.map(|(name, why)| ProviderState::Off { name: name.clone(), why: why.clone() });
        on.chain(off).collect()
    }

    /// Closes a provider's breaker and forgets which symbols it does not list. Its budgets stay
    /// counted. `draft` goes into the trail with it. False when no provider of this name is enabled.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reset(&self, name: &ProviderName, draft: AuditDraft) -> Result<bool, StoreError> {
        let Some(guard) = self.guard(name) else { return Ok(false) };
        guard.reset(draft).await?;
        Ok(true)
    }

    /// Everything of an asset class that one provider lists.
    ///
    /// # Errors
    /// [`Refused`] when the provider was not asked or failed; none when it is not enabled.
    pub async fn assets(
        &self,
        provider: &ProviderName,
        class: AssetClass,
    ) -> Option<Result<Vec<Asset>, Refused>> {
        Some(self.guard(provider)?.assets(class).await)
    }

    /// The enabled providers that a symbol is asked of, in order, with their limits.
    pub fn chain_of(&self, symbol: &Symbol) -> Vec<(ProviderProfile, Vec<BudgetLeft>)> {
        let chain = self.chain(symbol).into_iter();
        chain.map(|guard| (guard.profile().clone(), guard.state().1)).collect()
    }

    /// The fallback chain of an asset class, those that are off included.
    pub fn chain_names(&self, class: AssetClass) -> Vec<ProviderName> {
        self.lineup.load().chains.of_class(class).to_vec()
    }

    /// An enabled provider with its limits.
    pub fn limits_of(&self, name: &ProviderName) -> Option<(ProviderProfile, Vec<BudgetLeft>)> {
        let guard = self.guard(name)?;
        Some((guard.profile().clone(), guard.state().1))
    }

    /// Whether `name` may be asked.
    ///
    /// # Errors
    /// [`RouteFailure::ProviderOff`] or [`RouteFailure::UnknownProvider`].
    pub fn check_provider(&self, name: &ProviderName) -> Result<(), RouteFailure> {
        if self.guard(name).is_some() {
            return Ok(());
        }
        let lineup = self.lineup.load();
        let off = lineup.off.iter().find(|(known, _)| known == name);
        Err(match off {
            Some((_, reason)) => {
                RouteFailure::ProviderOff { provider: name.clone(), reason: reason.clone() }
            }
            None => RouteFailure::UnknownProvider {
                provider: name.clone(),
                choices: lineup.guards.iter().map(|guard| guard.name().clone()).collect(),
            },
        })
    }

    fn guard(&self, name: &ProviderName) -> Option<Arc<Guard>> {
        self.lineup.load().guard(name).cloned()
    }

    fn chain(&self, symbol: &Symbol) -> Vec<Arc<Guard>> {
        let lineup = self.lineup.load();
        let names = lineup.chains.of(symbol).iter();
        names.filter_map(|name| lineup.guard(name).cloned()).collect()
    }

    async fn ask(
        self: &Arc<Self>,
        symbols: &[Symbol],
        provider: Option<&ProviderName>,
    ) -> Vec<(Symbol, Outcome)> {
        if let Some(Err(failure)) = provider.map(|provider| self.check_provider(provider)) {
            return symbols.iter().map(|s| (s.clone(), Err(failure.clone()))).collect();
        }
        let flights = self.join_or_start(symbols, provider);
        let landed = futures_util::future::join_all(flights).await;
        let mut asked = std::collections::BTreeSet::new();
        let once = symbols.iter().filter(|symbol| asked.insert((*symbol).clone()));
        once.map(|symbol| {
            let outcome = landed.iter().find_map(|outcomes| outcomes.get(symbol)).cloned();
            (symbol.clone(), outcome.unwrap_or(Err(RouteFailure::NobodyToAsk)))
        })
        .collect()
    }

    /// The flights that will bring these symbols: those under way, and new ones for the rest,
    /// one for each chain so that a slow chain keeps nobody else waiting.
    fn join_or_start(
        self: &Arc<Self>,
        symbols: &[Symbol],
        provider: Option<&ProviderName>,
    ) -> Vec<Shared<FlightFuture>> {
        let lineup = self.lineup.load();
        let mut joined: Vec<Shared<FlightFuture>> = Vec::new();
        let mut groups: BTreeMap<Vec<&ProviderName>, Vec<Symbol>> = BTreeMap::new();
        let mut flights = self.flights.lock();
        for symbol in symbols {
            let under_way = flights.get(&(symbol.clone(), provider.cloned()));
            if let Some(flight) = under_way.and_then(WeakShared::upgrade) {
                if !joined.iter().any(|known| known.ptr_eq(&flight)) {
                    joined.push(flight);
                }
                continue;
            }
            let chain = match provider {
                Some(provider) => vec![provider],
                None => lineup.chains.of(symbol).iter().collect(),
            };
            let group = groups.entry(chain).or_default();
            if !group.contains(symbol) {
                group.push(symbol.clone());
            }
        }
        for (chain, group) in groups {
            let guards = chain.into_iter().filter_map(|name| lineup.guard(name).cloned()).collect();
            let router = Arc::clone(self);
            let (symbols, named) = (group.clone(), provider.cloned());
            let flight: FlightFuture =
                async move { router.fly(symbols, guards, named).await }.boxed();
            let flight = flight.shared();
            for symbol in group {
                if let Some(weak) = flight.downgrade() {
                    flights.insert((symbol, provider.cloned()), weak);
                }
            }
            joined.push(flight);
        }
        joined
    }

    async fn fly(
        self: Arc<Self>,
        symbols: Vec<Symbol>,
        chain: Vec<Arc<Guard>>,
        provider: Option<ProviderName>,
    ) -> Arc<BTreeMap<Symbol, Outcome>> {
        let fetch = Fetch {
            store: &self.store,
            ingest: &self.ingest,
            clock: &self.clock,
            remember_unknown: self.remember_unknown,
            retry_after: self.retry_after,
        };
        let outcomes = fetch.walk(&symbols, &chain).await;
        self.remember(&outcomes, provider.as_ref());
        let mut flights = self.flights.lock();
        for symbol in symbols {
            flights.remove(&(symbol, provider.clone()));
        }
        // Flights that everybody left never land; they go when there are many.
        if flights.len() > MAX_RECENT {
            flights.retain(|_, flight| flight.upgrade().is_some());
        }
        Arc::new(outcomes)
    }

    fn remember(&self, outcomes: &BTreeMap<Symbol, Outcome>, provider: Option<&ProviderName>) {
        let now = self.clock.now();
        let mut recent = self.recent.lock();
        if recent.len() + outcomes.len() > MAX_RECENT {
            let mut times: Vec<Timestamp> = recent.values().map(|(at, _)| *at).collect();
            times.sort_unstable();
            let middle = times.get(times.len() / 2).copied().unwrap_or(now);
            recent.retain(|_, (at, _)| *at > middle);
        }
        for (symbol, outcome) in outcomes {
            if let Ok(quoted) = outcome {
                recent.insert((symbol.clone(), provider.cloned()), (now, quoted.clone()));
            }
        }
    }
}

/// Guards these providers, with what the store knows of them.
async fn line_up(
    providers: Vec<Arc<dyn PriceProvider>>,
    options: RouterOptions,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Result<Lineup, StoreError> {
    let mut ledgers = store.ledgers().await?;
    let guards = providers.into_iter().zip(options.seed..).map(|(provider, seed)| {
        let profile = provider.profile();
        let position = ledgers.iter().position(|ledger| ledger.provider == profile.name);
        let ledger = position.map(|position| ledgers.swap_remove(position));
        let own = profile.budget.clone();
        let limits = options.budgets.get(&profile.name).cloned().unwrap_or(own);
        let (store, clock) = (Arc::clone(store), Arc::clone(clock));
        Arc::new(Guard::new(provider, &limits, ledger, options.guard, store, clock, seed))
    });
    Ok(Lineup { guards: guards.collect(), off: options.off, chains: options.chains })
}
