//! Many ask for prices while the providers, the store and the clock fail. Whoever is answered gets
//! a price that a provider really gave, and it is stored; nonsense never is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tickerd::app::backends::Parts;
use tickerd::model::{AssetClass, Price, Symbol, TimeSource};
use tickerd::ports::provider::{PriceProvider, ProviderError, ProviderProfile, Quote};
use tickerd::ports::{Clock, PriceQuery, Store, SystemClock};
use tickerd::services::ingest::Ingest;
use tickerd::services::route::{Router, RouterOptions};
use tokio::task::JoinSet;

use crate::build::{amount, provider, symbol};
use crate::faulty::{Faults, Faulty};
use crate::service::{config, eventually};

const N_CALLERS: usize = 12;
const N_QUESTIONS: usize = 40;
const KINDS: &[&str] = &[
    "store refuses",
    "store dawdles",
    "store loses the answer",
    "provider dawdles",
    "provider fails",
    "provider limits",
    "provider loses the answer",
    "provider tells a price of zero",
    "provider tells tomorrow's price",
    "provider answers for another symbol",
    "clock is an hour slow",
    "clock is a second fast",
    "clock oversleeps",
];

/// Gives each price once, and remembers for what.
struct Market {
    profile: ProviderProfile,
    given: Mutex<BTreeMap<String, Symbol>>,
}

impl Market {
    fn named(name: &str) -> Arc<Self> {
        let profile = ProviderProfile {
            name: provider(name),
            asset_classes: AssetClass::ALL.to_vec(),
            batch_size: 3,
            lists_assets_of: Vec::new(),
            budget: Vec::new(),
            base_url: None,
            has_key: false,
            invented: false,
        };
        Arc::new(Self { profile, given: Mutex::default() })
    }

    /// Whether it gave this price for this symbol.
    fn gave(&self, price: &Price) -> bool {
        let observation = &price.observation;
        let given = self.given.lock().expect("no test panicked here");
        observation.provider == self.profile.name
            && given.get(&observation.price.to_string()) == Some(&observation.symbol)
    }
}

#[async_trait]
impl PriceProvider for Market {
    fn profile(&self) -> &ProviderProfile {
        &self.profile
    }

    async fn quotes(
        &self,
        symbols: &[Symbol],
    ) -> Result<Vec<(Symbol, Result<Quote, ProviderError>)>, ProviderError> {
        let mut given = self.given.lock().expect("no test panicked here");
        let quote = |symbol: &Symbol| {
            let price = amount(&(given.len() + 1).to_string());
            given.insert(price.to_string(), symbol.clone());
            let quote = Quote {
                symbol: symbol.clone(),
                price,
                change: None,
                percent_change: None,
                volume: None,
                currency: symbol.default_currency(),
                observed_at: SystemClock.now(),
                time_source: TimeSource::Provider,
                raw: None,
            };
            (symbol.clone(), Ok(quote))
        };
        Ok(symbols.iter().map(quote).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_was_given_by_a_provider_and_is_stored_whatever_fails() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    let parts = Parts::open(&config, Arc::new(SystemClock)).await.expect("the backends open");
    let faults = Faults::seeded(11, 40);
    let store: Arc<dyn Store> = Faulty::over(&parts.store, &faults);
    let clock: Arc<dyn Clock> = Faulty::over(&parts.clock, &faults);
    let markets = ["first", "second"].map(Market::named);
    let mut providers: Vec<Arc<dyn PriceProvider>> = Vec::new();
    for market in &markets {
        let honest: Arc<dyn PriceProvider> = Arc::clone(market) as _;
        providers.push(Faulty::over(&honest, &faults));
    }
    let mut options = RouterOptions::default();
    options.chains.stocks = vec![provider("first"), provider("second")];
    options.guard.breaker.open_for = Duration::from_millis(20);
    options.guard.retry_pause = Duration::from_millis(1);
    let (cache, future) = (Arc::clone(&parts.cache), config.ingest.max_future);
    let ingest = Arc::new(Ingest::new(store.clone(), cache, Arc::clone(&clock), future));
    let router = eventually_open(providers, options, store, ingest, clock).await;

    let mut asking = JoinSet::new();
    for caller in 0..N_CALLERS {
        let router = Arc::clone(&router);
        asking.spawn(async move {
            let mut answers = Vec::new();
            for question in 0..N_QUESTIONS {
                let symbol = symbol(["A", "B", "C", "D"][(caller + question) % 4]);
                answers.extend(router.quote(&symbol, None).await.ok());
            }
            answers
        });
    }
    let answers = asking.join_all().await.concat();
    eventually(async || {
        let _ = router.quote(&symbol("A"), None).await;
        faults.all_fired(KINDS)
    })
    .await;
    faults.calm();
    eventually(async || router.quote(&symbol("A"), None).await.is_ok()).await;

    assert!(answers.len() > N_CALLERS, "{} answers", answers.len());
    for quoted in &answers {
        let id = quoted.price.id;
        let stored = parts.store.price(id, None).await.expect("read");
        assert_eq!(stored.as_ref(), Some(&quoted.price), "as it was answered");
    }
    let stored = parts.store.prices(PriceQuery::newest(100_000)).await.expect("read");
    let mut prices = BTreeMap::new();
    for price in &stored {
        assert!(markets.iter().any(|market| market.gave(price)), "nobody gave {price:?}");
        let observation = &price.observation;
        let again = prices.insert((&observation.provider, observation.price.to_string()), price);
        assert_eq!(again, None, "stored twice");
    }
    faults.assert_each_fired(KINDS);
}

/// Opens it, over a store that may refuse.
async fn eventually_open(
    providers: Vec<Arc<dyn PriceProvider>>,
    options: RouterOptions,
    store: Arc<dyn Store>,
    ingest: Arc<Ingest>,
    clock: Arc<dyn Clock>,
) -> Arc<Router> {
    loop {
        let (providers, options, ingest) = (providers.clone(), options.clone(), ingest.clone());
        let router = Router::open(providers, options, store.clone(), ingest, clock.clone()).await;
        if let Ok(router) = router {
            return router;
        }
    }
}
