//! A whole store with a router on it, and providers that do as they are told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tickerd::adapters::cache::moka::MokaCache;
use tickerd::adapters::store::redb::{RedbOptions, RedbStore};
use tickerd::model::{
    Actor, Amount, AssetClass, AuditDraft, Currency, ProviderName, Symbol, TimeSource, Timestamp,
};
use tickerd::ports::provider::{
    Asset, FailureClass, PriceProvider, ProviderError, ProviderProfile, QuotaWindow, Quote,
};
use tickerd::ports::{Clock, Store};
use tickerd::services::ingest::Ingest;
use tickerd::services::route::{Router, RouterOptions};

pub(crate) type Answers = Vec<(Symbol, Result<Quote, ProviderError>)>;

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).expect("a symbol")
}

pub(crate) fn name(text: &str) -> ProviderName {
    ProviderName::parse(text).expect("a name")
}

pub(crate) fn noon() -> Timestamp {
    Timestamp::parse("2026-03-31T12:00:00Z").expect("a time")
}

/// What a [`Told`] provider does with the next calls.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Another price at each call, stamped with the clock's time.
    Walks,
    /// The same price at the same time, again and again.
    Stands(&'static str, &'static str),
    Fails(FailureClass, Option<Duration>),
    /// Never answers.
    Hangs,
}

/// A provider that does as it is told.
pub(crate) struct Told {
    profile: ProviderProfile,
    clock: Arc<dyn Clock>,
    does: Mutex<Does>,
    n_prices: AtomicU64,
    /// When it was called, and for what.
    pub(crate) calls: Mutex<Vec<(Timestamp, Vec<Symbol>)>>,
}

impl Told {
    pub(crate) fn new(
        provider: &str,
        budget: &[(QuotaWindow, u32)],
        batch_size: usize,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let profile = ProviderProfile {
            name: name(provider),
            asset_classes: AssetClass::ALL.to_vec(),
            batch_size,
            lists_assets_of: vec![AssetClass::Crypto],
            budget: budget.to_vec(),
            base_url: None,
            has_key: false,
            invented: false,
        };
        let (does, calls) = (Mutex::new(Does::Walks), Mutex::default());
        Arc::new(Self { profile, clock, does, n_prices: AtomicU64::new(1), calls })
    }

    /// One that is asked with a key of the user's.
    pub(crate) fn with_key(provider: &str, clock: Arc<dyn Clock>) -> Arc<Self> {
        let mut told = Self::new(provider, &[], 1, clock);
        Arc::get_mut(&mut told).expect("nobody else has it yet").profile.has_key = true;
        told
    }

    pub(crate) fn does(&self, does: Does) {
        *self.does.lock().expect("no test panicked here") = does;
    }

    pub(crate) fn n_calls(&self) -> usize {
        self.calls.lock().expect("no test panicked here").len()
    }

    fn quote(&self, symbol: &Symbol, price: &str, observed_at: Timestamp) -> Quote {
        Quote {
            symbol: symbol.clone(),
            price: Amount::parse(price).expect("an amount"),
            change: None,
            percent_change: None,
            volume: None,
            currency: symbol.default_currency(),
            observed_at,
            time_source: TimeSource::Provider,
            raw: None,
        }
    }
}

#[async_trait]
impl PriceProvider for Told {
    fn profile(&self) -> &ProviderProfile {
        &self.profile
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<Answers, ProviderError> {
        let now = self.clock.now();
        self.calls.lock().expect("no test panicked here").push((now, symbols.to_vec()));
        let does = self.does.lock().expect("no test panicked here").clone();
        // Others get a turn, as with any call that leaves the process.
        tokio::task::yield_now().await;
        match does {
            Does::Walks => {
                let price = self.n_prices.fetch_add(1, Ordering::SeqCst).to_string();
                let quote = |symbol: &Symbol| (symbol.clone(), Ok(self.quote(symbol, &price, now)));
                Ok(symbols.iter().map(quote).collect())
            }
            Does::Stands(price, at) => {
                let at = Timestamp::parse(at).expect("a time");
                let quote = |symbol: &Symbol| (symbol.clone(), Ok(self.quote(symbol, price, at)));
                Ok(symbols.iter().map(quote).collect())
            }
            Does::Fails(class, retry_after) => {
                Err(ProviderError { class, detail: "as told".into(), retry_after })
            }
            Does::Hangs => std::future::pending().await,
        }
    }

    async fn assets(&self, class: AssetClass) -> Result<Vec<Asset>, ProviderError> {
        if class != AssetClass::Crypto {
            return Err(ProviderError::new(FailureClass::BadRequest, "only coins"));
        }
        let asset = |(text, name): (&str, &str)| Asset {
            symbol: symbol(text),
            name: name.into(),
            exchange: None,
            currency: Currency::USD,
        };
        let coins = [("BTC-USD", "Bitcoin"), ("BCH-USD", "Bitcoin Cash"), ("ETH-USD", "Ethereum")];
        Ok(coins.into_iter().map(asset).collect())
    }
}

/// A store in a directory of its own, with what stands on it.
pub(crate) struct House {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) router: Arc<Router>,
}

impl House {
    pub(crate) async fn open(
        directory: &std::path::Path,
        providers: Vec<Arc<dyn PriceProvider>>,
        options: RouterOptions,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let path = directory.join("store.redb");
        let store = RedbStore::open(&path, &RedbOptions::default()).expect("a store");
        Self::on(Arc::new(store), providers, options, clock).await
    }

    /// Another process on a store that is open already.
    pub(crate) async fn on(
        store: Arc<dyn Store>,
        providers: Vec<Arc<dyn PriceProvider>>,
        options: RouterOptions,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let cache = Arc::new(MokaCache::new(1_000, Duration::from_secs(300)));
        let future = Duration::from_secs(300);
        let ingest = Ingest::new(Arc::clone(&store), cache, Arc::clone(&clock), future);
        let ingest = Arc::new(ingest);
        let (of_router, of_ingest) = (Arc::clone(&store), Arc::clone(&ingest));
        let router = Router::open(providers, options, of_router, of_ingest, clock);
        let router = router.await.expect("a router");
        Self { store, router }
    }

    pub(crate) async fn close(self) {
        self.store.close().await.expect("closed");
    }
}

/// Chains in which these providers are asked for everything, in this order; no retries, so that
/// calls can be counted.
pub(crate) fn options(chain: &[&str]) -> RouterOptions {
    let mut options = RouterOptions::default();
    let chain: Vec<ProviderName> = chain.iter().map(|provider| name(provider)).collect();
    options.chains.stocks = chain.clone();
    options.chains.crypto = chain.clone();
    options.chains.forex = chain;
    options.guard.n_retries = 0;
    options
}

/// What the trail is told when a test resets a provider.
pub(crate) fn reset_draft() -> AuditDraft {
    AuditDraft::without_request(Timestamp::MIN, Actor::System, "provider.reset", "")
}
