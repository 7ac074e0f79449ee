//! Whatever the order of arrival, duplicates, corrections and deletions: the stored averages equal
//! a batch computation over the stored prices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use tickerd::app::backends::{Parts, open_store};
use tickerd::app::config::{Config, Sources};
use tickerd::app::run::App;
use tickerd::model::{
    Amount, Observation, Order, Price, PriceId, ProviderName, Symbol, TimeRange, TimeSource,
    Timestamp, Window,
};
use tickerd::ports::{Correction, PriceQuery, Store, SystemClock};

const SYMBOLS: [&str; 3] = ["A", "B", "BTC-USD"];
const WINDOWS: [u64; 3] = [1, 5, 20];

/// `SplitMix64`: a test that fails can be run again with its seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

fn observation(random: &mut Random) -> Observation {
    let symbol = SYMBOLS[random.below(3) as usize];
    Observation {
        symbol: Symbol::parse(symbol).expect("a symbol"),
        provider: ProviderName::manual(),
        observed_at: Timestamp::from_secs(1_700_000_000 + random.below(60) as i64).expect("a time"),
        external_id: None,
        price: amount(random),
        volume: None,
        currency: tickerd::model::Currency::USD,
        received_at: Timestamp::from_secs(1_800_000_000).expect("a time"),
        time_source: TimeSource::Provider,
        raw: None,
    }
}

fn amount(random: &mut Random) -> Amount {
    let text = format!("{}.{:03}", random.below(50) + 1, random.below(1_000));
    Amount::parse(&text).expect("an amount")
}

async fn storm(store: &dyn Store, random: &mut Random, n_steps: u64) {
    let mut ids: Vec<PriceId> = Vec::new();
    for _ in 0..n_steps {
        let id = (!ids.is_empty()).then(|| ids[random.below(ids.len() as u64) as usize]);
        match (random.below(10), id) {
            (0, Some(id)) => {
                let received_at = Timestamp::from_secs(1_800_000_001).expect("a time");
                store.delete(id, received_at).await.expect("deleted");
            }
            (1 | 2, Some(id)) => {
                let correction = Correction {
                    price: amount(random),
                    volume: None,
                    currency: tickerd::model::Currency::USD,
                    received_at: Timestamp::from_secs(1_800_000_001).expect("a time"),
                    raw: None,
                };
                store.correct(id, correction).await.expect("corrected");
            }
            _ => {
                let batch = (0..=random.below(8)).map(|_| observation(random)).collect();
                let appended = store.append(batch).await.expect("appended");
                ids.extend(appended.iter().map(|outcome| outcome.price().id));
            }
        }
    }
}

/// Written apart from the averager: decimals, slices, no running sums.
fn batch_averages(prices: &[Price], window: u64) -> BTreeMap<(Timestamp, PriceId), Decimal> {
    let mut sorted: Vec<&Price> = prices.iter().collect();
    sorted.sort_by_key(|price| (price.observation.observed_at, price.id));
    sorted
        .windows(window as usize)
        .map(|slice| {
            let last = slice[slice.len() - 1];
            let total: Decimal = slice.iter().map(|p| p.observation.price.decimal()).sum();
            let mean = (total / Decimal::from(window)).normalize();
            ((last.observation.observed_at, last.id), mean)
        })
        .collect()
}

pub(crate) async fn assert_averages(store: &dyn Store, windows: &[u64], label: &str) {
    if let Some(difference) = first_difference(store, windows).await {
        panic!("{label}: {difference}");
    }
}

/// Where the stored averages are not those of a batch computation.
async fn first_difference(store: &dyn Store, windows: &[u64]) -> Option<String> {
    for symbol in store.symbols(None, 100).await.expect("symbols") {
        let query = PriceQuery {
            symbol: Some(symbol.clone()),
            order: Order::OldestFirst,
            ..PriceQuery::newest(100_000)
        };
        let prices = store.prices(query).await.expect("prices");
        for count in windows.iter().copied() {
            let window = Window::new(count).expect("a window");
            let stored: BTreeMap<_, _> = store
                .averages(&symbol, window, TimeRange::ALL, 100_000)
                .await
                .expect("averages")
                .into_iter()
                .map(|average| ((average.at.observed_at, average.at.id), average.mean.decimal()))
                .collect();
            let computed = batch_averages(&prices, count);
            if stored != computed {
                return Some(format!("{symbol}, window {count}: {stored:?}, not {computed:?}"));
            }
        }
    }
    None
}

/// The edge mode, or the full one where this run tests that.
fn configuration(directory: &std::path::Path) -> Config {
    let mut config = Sources::default().load().expect("valid").config;
    config.store.data_dir = directory.to_owned();
    if crate::full::is_wanted() {
        assert!(crate::full::go_full(&mut config), "TICKERD_TEST_MODE=full needs servers");
    }
    config
}

/// Runs the pipeline until the averages are right, for not every bus tells when all has arrived.
async fn drain(app: App, windows: &[u64], label: &str) {
    let settled = app.work(async |services| {
        let deadline = Instant::now() + Duration::from_secs(120);
        let wrong = async || first_difference(services.store.as_ref(), windows).await.is_some();
        while (services.store.depth().await.expect("a depth") > 0 || wrong().await)
            && Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_averages(services.store.as_ref(), windows, label).await;
    });
    settled.await.expect("the store closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_averages_equal_a_batch_computation() {
    // Those who join a group on a broker wait for one another for seconds.
    let n_seeds = if std::env::var_os("TICKERD_TEST_BUS").is_some() { 3 } else { 12 };
    for seed in 0..n_seeds {
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = configuration(directory.path());
        config.averages.windows =
            WINDOWS.map(|count| Window::new(count).expect("a window")).to_vec();
        let mut random = Random(seed);
        // The pipeline runs beside the storm, is stopped in the middle of it, and goes on.
        for round in 0..3 {
            let parts =
                Parts::open(&config, Arc::new(SystemClock)).await.expect("the backends open");
            let store = Arc::clone(&parts.store);
            let app = App::build(&config, parts, false).await.expect("built");
            let mut tasks = tokio::task::JoinSet::new();
            let beside = Arc::clone(&store);
            let mut own = Random(seed * 100 + round);
            tasks.spawn(async move { storm(beside.as_ref(), &mut own, 60).await });
            storm(store.as_ref(), &mut random, 60).await;
            tasks.join_all().await;
            drain(app, &WINDOWS, &format!("seed {seed}, round {round}")).await;
        }
        let store = open_store(&config).await.expect("the store opens");
        assert_averages(store.as_ref(), &WINDOWS, &format!("seed {seed}")).await;
        store.close().await.expect("closed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_new_in_the_configuration_is_filled_for_old_prices() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = configuration(directory.path());
    for windows in [&WINDOWS[..1], &WINDOWS[..], &WINDOWS[1..2], &WINDOWS[..]] {
        config.averages.windows =
            windows.iter().map(|count| Window::new(*count).expect("a window")).collect();
        let parts = Parts::open(&config, Arc::new(SystemClock)).await.expect("the backends open");
        let store = Arc::clone(&parts.store);
        storm(store.as_ref(), &mut Random(windows.len() as u64), 20).await;
        let app = App::build(&config, parts, false).await.expect("built");
        drain(app, windows, "after a change").await;
    }
    let store = open_store(&config).await.expect("the store opens");
    assert_averages(store.as_ref(), &WINDOWS, "after the last change").await;
}
