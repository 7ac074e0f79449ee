//! The edge store against a simple model: random writes, with sealing and reopening in between,
//! must answer like lists in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tickerd::adapters::store::redb::{RedbOptions, RedbStore};
use tickerd::model::{
    Amount, Currency, ExternalId, Mean, MovingAverage, Observation, Order, Position, Price,
    PriceId, ProviderName, RawPayload, Sequence, Symbol, TimeRange, TimeSource, Timestamp, Window,
};
use tickerd::ports::{
    Appended, AverageStore, AverageUpdate, Correction, Outbox, PriceQuery, PriceStore,
    Retention as _, Store, SystemClock,
};
use tickerd::services::retention::{Keep, Retention};

use crate::averages::Random;

const SYMBOLS: [&str; 3] = ["A", "BTC-USD", "C"];
const FAR: usize = 1_000_000;

/// What the store must say, kept in the simplest way.
#[derive(Default)]
struct Model {
    /// All versions of each price; the flag says that one is a deletion.
    histories: BTreeMap<PriceId, Vec<(Price, bool)>>,
    averages: BTreeMap<(Symbol, Window, Position), Mean>,
    unconfirmed: BTreeSet<Sequence>,
    ids: BTreeMap<Key, PriceId>,
}

type Key = (Symbol, Timestamp, ProviderName, Option<ExternalId>);

fn key(it: &Observation) -> Key {
    (it.symbol.clone(), it.observed_at, it.provider.clone(), it.external_id.clone())
}

impl Model {
    fn with_key(&self, observation: &Observation) -> Option<&(Price, bool)> {
        self.ids.get(&key(observation)).and_then(|id| self.histories[id].last())
    }

    fn learn(&mut self, price: Price, deleted: bool) {
        self.ids.insert(key(&price.observation), price.id);
        self.histories.entry(price.id).or_default().push((price, deleted));
    }

    fn live(&self, symbol: &Symbol) -> Vec<Price> {
        let mut live: Vec<Price> = self
            .histories
            .values()
            .filter_map(|versions| versions.last())
            .filter(|(price, deleted)| !deleted && price.observation.symbol == *symbol)
            .map(|(price, _)| price.clone())
            .collect();
        live.sort_by_key(Price::position);
        live
    }

    fn any_id(&self, random: &mut Random) -> Option<PriceId> {
        let n_ids = self.histories.len() as u64;
        (n_ids > 0).then(|| *self.histories.keys().nth(random.below(n_ids) as usize).expect("one"))
    }
}

fn observation(random: &mut Random, clock: i64) -> Observation {
    // Mostly the next moments, at times long ago, and one crowded instant.
    let secs = match random.below(20) {
        0 => random.below(clock as u64 + 1) as i64,
        1 => 17,
        _ => clock + random.below(30) as i64,
    };
    Observation {
        symbol: Symbol::parse(SYMBOLS[random.below(3) as usize]).expect("a symbol"),
        provider: ProviderName::parse(["x", "y"][random.below(2) as usize]).expect("a name"),
        observed_at: Timestamp::from_secs(secs).expect("a time"),
        external_id: (random.below(2) == 0)
            .then(|| ExternalId::parse(&format!("#{}", random.below(400))).expect("an id")),
        price: amount(random),
        volume: (random.below(3) == 0).then(|| amount(random)),
        currency: Currency::USD,
        received_at: Timestamp::from_secs(clock).expect("a time"),
        time_source: TimeSource::Provider,
        raw: (random.below(30) == 0).then(|| RawPayload(format!("{{\"at\":{secs}}}").into())),
    }
}

fn amount(random: &mut Random) -> Amount {
    let text = format!("{}.{:03}", random.below(90) + 1, random.below(1_000));
    Amount::parse(&text).expect("an amount")
}

async fn append(store: &RedbStore, model: &mut Model, random: &mut Random, clock: i64) {
    let batch: Vec<_> = (0..=random.below(250)).map(|_| observation(random, clock)).collect();
    let answers = store.append(batch.clone()).await.expect("appended");
    for (given, answer) in batch.into_iter().zip(answers) {
        match model.with_key(&given).cloned() {
            Some((known, false)) if known.observation.same_value(&given) => {
                assert_eq!(answer, Appended::Duplicate(known));
            }
            Some((known, false)) => assert_eq!(answer, Appended::Conflict(known)),
            known => {
                let Appended::New(price) = answer else { panic!("{answer:?} for {given:?}") };
                let expected = known.map(|(known, _)| (known.id, known.version + 1));
                assert_eq!((price.id, price.version), expected.unwrap_or((price.id, 1)));
                if expected.is_none() {
                    assert!(
                        model.histories.keys().last().is_none_or(|id| *id < price.id),
                        "ids grow"
                    );
                }
                assert_eq!(price.observation, given);
                model.learn(price, false);
            }
        }
    }
}

async fn change(store: &RedbStore, model: &mut Model, random: &mut Random, clock: i64) {
    let Some(id) = model.any_id(random) else { return };
    let received_at = Timestamp::from_secs(clock).expect("a time");
    let (_, was_deleted) = model.histories[&id].last().expect("a version").clone();
    let (answer, deletes) = if random.below(3) == 0 {
        (store.delete(id, received_at).await.expect("answered"), true)
    } else {
        let (price, currency) = (amount(random), Currency::USD);
        let correction = Correction { price, volume: None, currency, received_at, raw: None };
        (store.correct(id, correction).await.expect("answered"), false)
    };
    assert_eq!(answer.is_none(), was_deleted);
    if let Some(price) = answer
        && price.version as usize > model.histories[&id].len()
    {
        model.learn(price, deletes);
    }
}

async fn average(store: &RedbStore, model: &mut Model, random: &mut Random) {
    let mut update = AverageUpdate::default();
    for _ in 0..random.below(60) {
        let Some(id) = model.any_id(random) else { return };
        let (price, _) = &model.histories[&id][0];
        let symbol = price.observation.symbol.clone();
        let window = Window::new([3, 5][random.below(2) as usize]).expect("a window");
        let at = price.position();
        let mean = price.observation.price.decimal() / rust_decimal::Decimal::from(7);
        let mean = Mean::from_stored(mean);
        update.averages.push(MovingAverage { symbol, window, at, mean });
    }
    // The store removes before it writes.
    for ((symbol, window, at), _) in model.averages.iter().take(random.below(9) as usize) {
        update.removed.push((symbol.clone(), *window, *at));
    }
    for key in &update.removed {
        model.averages.remove(key);
    }
    for average in &update.averages {
        let key = (average.symbol.clone(), average.window, average.at);
        model.averages.insert(key, average.mean);
    }
    store.apply_averages(update).await.expect("applied");
}

async fn confirm(store: &RedbStore, model: &mut Model, random: &mut Random) {
    let waiting = store.pending(FAR).await.expect("pending");
    assert_eq!(store.depth().await.expect("depth"), waiting.len() as u64);
    let chosen: Vec<Sequence> =
        waiting.iter().filter(|_| random.below(8) > 0).map(|event| event.sequence).collect();
    store.confirm(&chosen).await.expect("confirmed");
    model.unconfirmed = waiting.into_iter().map(|event| event.sequence).collect();
    for sequence in chosen {
        model.unconfirmed.remove(&sequence);
    }
}

/// Drops old prices. What is gone has to be old, and each price has to be there whole or not at
/// all, which the comparison sees; the model follows.
async fn drop_old(store: &RedbStore, model: &mut Model, random: &mut Random, clock: i64) -> u64 {
    let cutoff = Timestamp::from_secs(random.below(clock as u64) as i64).expect("a time");
    let mut dropped = store.drop_before(cutoff, 1).await.expect("dropped");
    let rest = store.drop_before(cutoff, FAR).await.expect("dropped");
    dropped.n_prices += rest.n_prices;
    dropped.n_averages += rest.n_averages;
    assert!(store.drop_before(cutoff, FAR).await.expect("dropped").is_nothing());

    let mut gone = Vec::new();
    for (id, versions) in &model.histories {
        if store.history(*id).await.expect("read").is_empty() {
            assert!(versions[0].0.observation.observed_at < cutoff, "{id} is too young to go");
            gone.push(*id);
        }
    }
    assert_eq!(dropped.n_prices, gone.len() as u64);
    for id in gone {
        let versions = model.histories.remove(&id).expect("known");
        model.ids.remove(&key(&versions[0].0.observation));
    }
    let n_before = model.averages.len();
    let mut kept = BTreeSet::new();
    for name in SYMBOLS {
        let symbol = Symbol::parse(name).expect("a symbol");
        for window in [3, 5] {
            let window = Window::new(window).expect("a window");
            let stored = store.averages(&symbol, window, TimeRange::ALL, FAR).await;
            kept.extend(stored.expect("read").into_iter().map(|it| (it.symbol, it.window, it.at)));
        }
    }
    model.averages.retain(|key, _| kept.contains(key) || key.2.observed_at >= cutoff);
    assert_eq!(dropped.n_averages, (n_before - model.averages.len()) as u64);
    dropped.n_prices
}

async fn compare(store: &RedbStore, model: &Model, random: &mut Random, label: &str) {
    for name in SYMBOLS {
        let symbol = Symbol::parse(name).expect("a symbol");
        let live = model.live(&symbol);
        let query = PriceQuery {
            symbol: Some(symbol.clone()),
            order: Order::OldestFirst,
            ..PriceQuery::newest(FAR)
        };
        let listed = store.prices(query.clone()).await.expect("listed");
        assert_eq!(listed, live, "{label}: {name}");
        let newest = store.prices(PriceQuery { order: Order::NewestFirst, ..query.clone() }).await;
        assert!(newest.expect("listed").iter().eq(live.iter().rev()), "{label}: newest first");
        let latest = store.latest(&symbol, None, None).await.expect("latest");
        assert_eq!(latest.as_ref(), live.last(), "{label}");
        if live.is_empty() {
            continue;
        }

        let middle = random.below(live.len() as u64) as usize;
        let at = live[middle].position();
        let behind = store.prices(PriceQuery { after: Some(at), limit: 40, ..query.clone() }).await;
        assert!(
            behind.expect("listed").iter().eq(live[middle + 1..].iter().take(40)),
            "{label}: behind"
        );
        let values = store.values_around(&symbol, at, 7, 9).await.expect("values");
        let expected: Vec<_> = live[middle.saturating_sub(7)..live.len().min(middle + 9)]
            .iter()
            .map(|price| (price.position(), price.observation.price))
            .collect();
        assert_eq!(values, expected, "{label}: around");
        for window in [3, 5] {
            let window = Window::new(window).expect("a window");
            let stored = store.averages(&symbol, window, TimeRange::ALL, FAR).await;
            let expected = model
                .averages
                .iter()
                .rev()
                .filter(|((of, size, _), _)| *of == symbol && *size == window);
            let expected: Vec<_> = expected.map(|((_, _, at), mean)| (*at, *mean)).collect();
            let stored: Vec<_> =
                stored.expect("averages").into_iter().map(|it| (it.at, it.mean)).collect();
            assert_eq!(stored, expected, "{label}: averages of {name} over {window}");
        }
    }
    for _ in 0..20 {
        let Some(id) = model.any_id(random) else { break };
        let versions = &model.histories[&id];
        let (current, deleted) = versions.last().expect("a version");
        let read = store.price(id, None).await.expect("read");
        assert_eq!(read.as_ref(), (!deleted).then_some(current), "{label}: price {id}");
        let history = store.history(id).await.expect("history");
        let history: Vec<_> = history.into_iter().map(|it| (it.price, it.deleted)).collect();
        assert_eq!(history, *versions, "{label}: history of {id}");
    }
    let status = store.status().await.expect("status");
    assert_eq!(status.n_prices, model.histories.len() as u64, "{label}");
    assert_eq!(status.n_averages, model.averages.len() as u64, "{label}");
}

fn open(file: &Path, unsealed_entries: u64) -> RedbStore {
    // So short a history that the log is trimmed all the time.
    let options = RedbOptions { log_history: 50, unsealed_entries, ..RedbOptions::default() };
    RedbStore::open(file, &options).expect("a store")
}

#[tokio::test(flavor = "multi_thread")]
async fn random_writes_are_answered_like_lists_in_memory() {
    let mut n_dropped = 0;
    for (seed, unsealed_entries) in [(1, 0), (2, 300), (3, 2_000), (4, 1 << 20)] {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("model.redb");
        let mut store = open(&file, unsealed_entries);
        let mut model = Model::default();
        let mut random = Random(seed);
        for step in 0..60 {
            let clock = 1_000 + step * 30;
            match random.below(13) {
                12 => n_dropped += drop_old(&store, &mut model, &mut random, clock).await,
                0 | 1 => change(&store, &mut model, &mut random, clock).await,
                2 | 3 => average(&store, &mut model, &mut random).await,
                4 => confirm(&store, &mut model, &mut random).await,
                5 => {
                    store.close().await.expect("closed");
                    drop(store);
                    store = open(&file, unsealed_entries);
                }
                _ => append(&store, &mut model, &mut random, clock).await,
            }
            if step % 6 == 5 {
                let label = format!("seed {seed}, step {step}");
                compare(&store, &model, &mut random, &label).await;
            }
        }
        let waiting = store.pending(FAR).await.expect("pending");
        assert!(model.unconfirmed.iter().all(|old| waiting.iter().any(|it| it.sequence == *old)));
    }
    assert!(n_dropped > 1_000, "only {n_dropped} old prices were dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_too_much_drops_its_oldest_prices_until_the_rest_fits() {
    const N_PRICES: u64 = 40_000;
    let directory = tempfile::tempdir().expect("a directory");
    let store = Arc::new(open(&directory.path().join("full.redb"), 0));
    let mut random = Random(6);
    for first in (0..N_PRICES).step_by(2_000) {
        let batch: Vec<_> = (first..first + 2_000)
            .map(|n| {
                let mut given = observation(&mut random, 2_000_000_000);
                given.observed_at = Timestamp::from_secs(1_000 + n as i64).expect("a time");
                given.raw = Some(RawPayload(format!("{{\"n\":{n}}}").into()));
                given
            })
            .collect();
        store.append(batch).await.expect("appended");
    }
    // One more commit seals the last.
    store.confirm(&[]).await.expect("confirmed");
    let newest = store.prices(PriceQuery::newest(1_000)).await.expect("listed");
    let bytes_of_all = bytes_taken(&store).await;
    for share in [0.8, 0.5, 0.2] {
        let n_bytes = (bytes_of_all as f64 * share) as u64;
        let keep = Keep { age: None, bytes: Some(n_bytes) };
        let retention = Retention::new(store.clone(), Arc::new(SystemClock), keep);
        for _ in 0..5 {
            retention.drop_due().await.expect("dropped");
        }
        assert_eq!(store.fitting_from(n_bytes).await.expect("told"), None, "{share}");
        let kept = store.status().await.expect("status").n_prices as f64 / N_PRICES as f64;
        assert!((share * 0.5..=share * 1.2).contains(&kept), "{kept} are kept of {share}");
    }
    assert_eq!(store.prices(PriceQuery::newest(1_000)).await.expect("listed"), newest);
}

/// The least that everything fits in.
async fn bytes_taken(store: &RedbStore) -> u64 {
    let (mut low, mut high) = (0, 1 << 32);
    while low < high {
        let middle = u64::midpoint(low, high);
        match store.fitting_from(middle).await.expect("told") {
            Some(_) => low = middle + 1,
            None => high = middle,
        }
    }
    low
}

#[tokio::test(flavor = "multi_thread")]
async fn compacting_loses_nothing_and_leaves_few_bytes_a_price() {
    const N_PRICES: u64 = 60_000;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("compact.redb");
    let options = RedbOptions { log_history: 1_000, ..RedbOptions::default() };
    let store = RedbStore::open(&file, &options).expect("a store");
    let mut random = Random(5);
    for first in (0..N_PRICES).step_by(5_000) {
        let batch: Vec<_> = (first..first + 5_000)
            .map(|n| {
                let mut given = observation(&mut random, 2_000_000_000);
                given.observed_at = Timestamp::from_secs(1_000 + n as i64).expect("a time");
                (given.external_id, given.volume, given.raw) = (None, None, None);
                given
            })
            .collect();
        store.append(batch).await.expect("appended");
        let waiting = store.pending(FAR).await.expect("pending");
        let waiting: Vec<_> = waiting.into_iter().map(|event| event.sequence).collect();
        store.confirm(&waiting).await.expect("confirmed");
    }
    let all = PriceQuery::newest(FAR);
    let before = store.prices(all.clone()).await.expect("listed");
    store.close().await.expect("closed");
    drop(store);

    let compacted = RedbStore::compact(&file, &options).await.expect("compacted");

    assert!(compacted.bytes_after < compacted.bytes_before, "{compacted:?}");
    assert_eq!(compacted.status.n_prices, N_PRICES);
    assert!(compacted.bytes_after < 16 * N_PRICES, "{compacted:?}");
    let store = RedbStore::open(&file, &options).expect("opened");
    assert_eq!(store.prices(all).await.expect("listed"), before);
}
