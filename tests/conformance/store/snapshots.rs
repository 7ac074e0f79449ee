//! Copying whole stores.

use std::sync::Arc;

use tickerd::model::{
    Asset, AssetClass, AssetList, BreakerState, CallStatistics, DeadLetter, JobConfig, Mean,
    MovingAverage, Order, Price, PriceId, ProviderLedger, Schedule, Sequence,
};
use tickerd::ports::{AverageUpdate, PriceQuery, SnapshotRecord, Store};

use super::dead_letters::letter;
use super::{pending, record, record_all};
use crate::build::{
    With, amount, corrected_at, currency, instant, observed, provider, raw, second, symbol, window,
};

const DAY_2: &str = "2024-06-02T00:00:00Z";
const DAY_3: &str = "2024-06-03T00:00:00Z";

/// Fills a store with something of everything, and answers the prices as first recorded.
async fn fill(store: &Arc<dyn Store>) -> Vec<Price> {
    let mut observations: Vec<_> = (0..30)
        .map(|secs| observed(["AAPL", "MSFT", "BTC-USD"][secs as usize % 3], secs / 2, "1.5"))
        .collect();
    observations[4].raw = Some(raw("{\"ä\":1}"));
    observations[5].volume = Some(amount("0.00000000000000000001"));
    observations.push(observed("GONE", 1, "9").external("e-1").by("kraken"));
    let prices = record_all(store, observations).await;
    for index in [3, 4, 30] {
        store.correct(prices[index].id, corrected_at("2", DAY_2)).await.expect("corrected");
    }
    for index in [4, 8, 30] {
        store.delete(prices[index].id, instant(DAY_3)).await.expect("deleted");
    }
    record(store, prices[8].observation.clone().received(DAY_3)).await;
    let average = MovingAverage {
        symbol: symbol("AAPL"),
        window: window(1),
        at: prices[0].position(),
        mean: Mean::from_stored(2.into()),
    };
    let update = AverageUpdate { averages: vec![average], ..AverageUpdate::default() };
    store.apply_averages(update).await.expect("applied");
    store.set_materialised_windows(&[window(1)]).await.expect("set");
    let parked = store.park(letter("removed")).await.expect("parked");
    store.park(letter("kept")).await.expect("parked");
    store.park(letter("kept too")).await.expect("parked");
    store.remove_dead_letter(parked).await.expect("removed");
    fill_with_others(store).await;
    prices
}

/// A job that somebody is at, an account and a list of assets.
async fn fill_with_others(store: &Arc<dyn Store>) {
    let config = JobConfig {
        name: None,
        symbols: vec![symbol("AAPL")],
        schedule: Schedule::Cron("0 * * * *".into()),
        provider: Some(provider("kraken")),
    };
    let first = store.create_job(config.clone(), second(1), None).await.expect("created");
    store.create_job(config, second(2), Some(second(9))).await.expect("created");
    store.delete_job(first.id).await.expect("deleted");
    let claimed = store.claim_due("somebody", second(10), second(99), 1).await.expect("claimed");
    assert_eq!(claimed.len(), 1);
    let ledger = ProviderLedger {
        provider: provider("kraken"),
        revision: 0,
        used: Vec::new(),
        breaker: BreakerState::Open { until: second(9) },
        calls: CallStatistics { n_calls: 7, ..CallStatistics::default() },
    };
    store.save_ledger(ledger).await.expect("saved");
    let asset = Asset {
        symbol: symbol("AAPL"),
        name: "Apple \"Inc\"".into(),
        exchange: None,
        currency: currency("USD"),
    };
    for class in [AssetClass::Stock, AssetClass::Crypto] {
        let (updated_at, assets) = (second(5), vec![asset.clone()]);
        let list = AssetList { class, provider: provider("yahoo"), updated_at, assets };
        store.save_assets(list).await.expect("saved");
    }
}

async fn read_all(store: &Arc<dyn Store>, portion: usize) -> Vec<Vec<SnapshotRecord>> {
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    let mut portions = Vec::new();
    loop {
        let records = snapshot.next(portion).await.expect("records");
        if records.is_empty() {
            assert_eq!(snapshot.next(portion).await.expect("records"), [], "the end stays");
            return portions;
        }
        assert!(records.len() <= portion, "{} records of at most {portion}", records.len());
        portions.push(records);
    }
}

async fn copy(source: &Arc<dyn Store>, target: &Arc<dyn Store>, portion: usize) {
    for records in read_all(source, portion).await {
        target.load(records).await.expect("loaded");
    }
}

async fn everything(store: &Arc<dyn Store>, as_of: Option<&str>) -> Vec<Price> {
    let query = PriceQuery {
        as_of: as_of.map(instant),
        order: Order::OldestFirst,
        ..PriceQuery::newest(1_000)
    };
    store.prices(query).await.expect("listed")
}

/// Asserts that two stores answer the same about all prices, versions and dead letters.
async fn assert_equal(one: &Arc<dyn Store>, other: &Arc<dyn Store>, prices: &[Price]) {
    for as_of in [
        None,
        Some("2024-05-31T00:00:00Z"),
        Some(crate::build::RECEIVED_AT),
        Some(DAY_2),
        Some(DAY_3),
    ] {
        assert_eq!(everything(other, as_of).await, everything(one, as_of).await, "{as_of:?}");
    }
    for price in prices {
        let history = one.history(price.id).await.expect("history");
        assert!(!history.is_empty());
        assert_eq!(other.history(price.id).await.expect("history"), history);
    }
    for name in ["AAPL", "GONE", "MSFT"] {
        let latest = one.latest(&symbol(name), None, None).await.expect("latest");
        assert_eq!(other.latest(&symbol(name), None, None).await.expect("latest"), latest);
    }
    assert_eq!(
        other.symbols(None, 100).await.expect("symbols"),
        one.symbols(None, 100).await.expect("symbols")
    );
    let mut jobs = one.jobs(None, 100).await.expect("jobs");
    // Who was at a job in the one store is not at it in the other.
    jobs.iter_mut().for_each(|job| job.lease = None);
    assert_eq!(other.jobs(None, 100).await.expect("jobs"), jobs);
    let ledgers = one.ledgers().await.expect("ledgers");
    assert_eq!(other.ledgers().await.expect("ledgers"), ledgers);
    for class in AssetClass::ALL {
        let lists = one.asset_lists(class).await.expect("lists");
        assert_eq!(other.asset_lists(class).await.expect("lists"), lists);
    }
    let letters = one.dead_letters(0, 100).await.expect("letters");
    assert_eq!(other.dead_letters(0, 100).await.expect("letters"), letters);
}

pub(crate) async fn a_snapshot_does_not_see_later_changes(store: Arc<dyn Store>) {
    let prices = fill(&store).await;
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    let expected: Vec<_> = read_all(&store, 1_000).await.into_iter().flatten().collect();

    // Writes go on beside it, before and between its portions.
    record(&store, observed("NEW", 1, "1")).await;
    store.delete(prices[0].id, instant(DAY_3)).await.expect("deleted");
    store.correct(prices[1].id, corrected_at("7", DAY_3)).await.expect("corrected");
    let mut records = snapshot.next(5).await.expect("records");
    store.correct(prices[29].id, corrected_at("7", DAY_3)).await.expect("corrected");
    store.park(letter("late")).await.expect("parked");
    loop {
        let portion = snapshot.next(5).await.expect("records");
        if portion.is_empty() {
            break;
        }
        records.extend(portion);
    }

    assert!(matches!(records[0], SnapshotRecord::Counters { .. }), "counters come first");
    let n_counters =
        records.iter().filter(|record| matches!(record, SnapshotRecord::Counters { .. })).count();
    assert_eq!(n_counters, 1);
    let by_debug = |records: &[SnapshotRecord]| {
        let mut texts: Vec<_> = records.iter().map(|record| format!("{record:?}")).collect();
        texts.sort();
        texts
    };
    assert_eq!(by_debug(&records), by_debug(&expected));
    let n_histories =
        records.iter().filter(|record| matches!(record, SnapshotRecord::History(_))).count();
    assert_eq!(n_histories, 31, "deleted prices are copied too");
}

pub(crate) async fn a_loaded_store_equals_its_source(
    source: Arc<dyn Store>,
    target: Arc<dyn Store>,
) {
    let prices = fill(&source).await;

    copy(&source, &target, 1_000).await;

    assert_equal(&source, &target, &prices).await;
    // The copy goes on where the source was.
    let again = target.append(vec![prices[0].observation.clone()]).await.expect("appended");
    assert_eq!(again[0].price(), &prices[0]);
    let gone = record(&target, observed("GONE", 1, "5").external("e-1").by("kraken")).await;
    assert_eq!((gone.id, gone.version), (prices[30].id, 4));
}

pub(crate) async fn counters_do_not_run_backwards_in_a_copy(
    source: Arc<dyn Store>,
    target: Arc<dyn Store>,
) {
    fill(&source).await;
    let portions = read_all(&source, 1_000).await;
    let SnapshotRecord::Counters { last_price_id, last_sequence } = portions[0][0] else {
        panic!("counters come first: {:?}", portions[0][0]);
    };
    let last_event = pending(&source).await.pop().expect("an event");
    assert!(last_sequence >= last_event.sequence);

    copy(&source, &target, 1_000).await;

    // A stream that stopped in the source cannot resume in the copy as if nothing were missing.
    assert!(target.log_start().await.expect("start") >= last_sequence);
    let price = record(&target, observed("NEW", 1, "1")).await;
    assert!(price.id.get() > last_price_id, "{} > {last_price_id}", price.id);
    let event = pending(&target).await.pop().expect("an event");
    assert!(event.sequence > last_sequence, "{} > {last_sequence}", event.sequence);
    let letters = target.dead_letters(0, 100).await.expect("letters");
    let last_letter = letters.last().expect("a letter").id;
    assert!(target.park(letter("new")).await.expect("parked") > last_letter);
    assert_eq!(target.dead_letters(0, 100).await.expect("letters").len(), 3);
}

pub(crate) async fn loading_makes_no_events_and_forgets_averages(
    source: Arc<dyn Store>,
    target: Arc<dyn Store>,
) {
    fill(&source).await;
    target.set_materialised_windows(&[window(1), window(5)]).await.expect("set");

    copy(&source, &target, 1_000).await;

    assert_eq!(target.depth().await.expect("depth"), 0);
    assert_eq!(pending(&target).await, []);
    assert_eq!(target.log_after(Sequence(0), 10).await.expect("log"), []);
    assert_eq!(target.materialised_windows().await.expect("windows"), []);
    assert_eq!(target.latest_average(&symbol("AAPL"), window(1)).await.expect("latest"), None);
    assert_eq!(target.status().await.expect("status").n_averages, 0);
}

pub(crate) async fn loading_again_changes_nothing(source: Arc<dyn Store>, target: Arc<dyn Store>) {
    let prices = fill(&source).await;
    copy(&source, &target, 1_000).await;
    let counts = target.status().await.expect("status");

    copy(&source, &target, 7).await;

    assert_equal(&source, &target, &prices).await;
    let after = target.status().await.expect("status");
    assert_eq!(
        (after.n_symbols, after.n_prices, after.n_dead_letters),
        (counts.n_symbols, counts.n_prices, counts.n_dead_letters)
    );
}

pub(crate) async fn records_that_are_there_are_left_alone(
    source: Arc<dyn Store>,
    target: Arc<dyn Store>,
) {
    let prices = fill(&source).await;
    copy(&source, &target, 1_000).await;
    let newer = target
        .correct(prices[0].id, corrected_at("77", DAY_3))
        .await
        .expect("corrected")
        .expect("known");
    let mut other = letter("other");
    other.id = target.dead_letters(0, 1).await.expect("letters")[0].id;

    copy(&source, &target, 1_000).await;
    target.load(vec![SnapshotRecord::DeadLetter(other.clone())]).await.expect("loaded");

    assert_eq!(target.price(prices[0].id, None).await.expect("read"), Some(newer));
    assert_eq!(target.history(prices[0].id).await.expect("history").len(), 2);
    let kept = target.dead_letter(other.id).await.expect("read");
    assert_eq!(kept, Some(DeadLetter { id: other.id, ..letter("kept") }));
}

pub(crate) async fn portions_of_one_record_load_everything(
    source: Arc<dyn Store>,
    target: Arc<dyn Store>,
) {
    let prices = fill(&source).await;

    copy(&source, &target, 1).await;

    assert_equal(&source, &target, &prices).await;
    let ids: Vec<PriceId> = everything(&target, None).await.iter().map(|price| price.id).collect();
    assert_eq!(ids.len(), 29);
}
