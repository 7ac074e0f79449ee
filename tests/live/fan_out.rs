//! `services::live` over a log in memory and over the edge store.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tickerd::adapters::store::redb::{RedbOptions, RedbStore};
use tickerd::model::{Amount, Currency, EventKind, Observation, ProviderName, Sequence, Symbol};
use tickerd::ports::{ManualClock, Outbox, PriceStore};
use tickerd::services::live::{
    Delivery, EndReason, Filter, Live, LiveSettings, Request, SubscribeError, Subscription,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::log::{FakeLog, at, average, price, price_at};

const PATIENCE: Duration = Duration::from_secs(20);

/// A running fan-out.
struct Running {
    live: Arc<Live>,
    clock: Arc<ManualClock>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

fn start(log: Arc<dyn Outbox>, settings: LiveSettings) -> Running {
    let clock = Arc::new(ManualClock::at(at(0)));
    let live = Arc::new(Live::new(log, Arc::clone(&clock) as _, settings));
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (runner, token) = (Arc::clone(&live), stop.clone());
    tasks.spawn(async move { runner.run(token).await });
    Running { live, clock, stop, tasks }
}

fn since(sequence: u64) -> Request {
    Request { filter: Filter::ALL, since: Some(Sequence(sequence)), conflate: None }
}

const FROM_NOW: Request = Request { filter: Filter::ALL, since: None, conflate: None };

async fn next(subscription: &mut Subscription) -> Delivery {
    tokio::time::timeout(PATIENCE, subscription.next()).await.expect("a delivery in time")
}

async fn entries(subscription: &mut Subscription) -> Vec<u64> {
    match next(subscription).await {
        Delivery::Entries(entries) => entries.iter().map(|entry| entry.sequence().0).collect(),
        other => panic!("entries expected, not {other:?}"),
    }
}

/// Reads until `last` has been delivered.
async fn until(subscription: &mut Subscription, last: u64) -> Vec<u64> {
    let mut read = Vec::new();
    while read.last() != Some(&last) {
        read.extend(entries(subscription).await);
    }
    read
}

#[tokio::test]
async fn a_subscription_resumes_and_goes_on_live() {
    let log = Arc::new(FakeLog::new());
    log.append_prices(1..=1_500);
    let running = start(Arc::clone(&log) as _, LiveSettings::default());
    let mut resumed = running.live.subscribe(since(700)).await.expect("room");
    let mut fresh = running.live.subscribe(FROM_NOW).await.expect("room");
    assert_eq!(until(&mut resumed, 1_500).await, (701..=1_500).collect::<Vec<_>>());
    log.append_prices(1_501..=1_510);
    assert_eq!(until(&mut resumed, 1_510).await, (1_501..=1_510).collect::<Vec<_>>());
    assert_eq!(until(&mut fresh, 1_510).await, (1_501..=1_510).collect::<Vec<_>>());
    assert_eq!(resumed.delivered(), Sequence(1_510));
}

#[tokio::test]
async fn sequences_need_not_be_consecutive() {
    let log = Arc::new(FakeLog::new());
    log.append_prices((1..=400).map(|n| n * 10));
    let running = start(Arc::clone(&log) as _, LiveSettings::default());
    let mut subscription = running.live.subscribe(since(1_995)).await.expect("room");
    assert_eq!(until(&mut subscription, 4_000).await.len(), 201);
    log.append_prices((401..=900).map(|n| n * 10));
    assert_eq!(until(&mut subscription, 9_000).await.len(), 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_during_resumption_are_seen_once_by_everybody() {
    const N: u64 = 4_000;
    let directory = tempfile::tempdir().expect("a directory");
    let options = RedbOptions::default();
    let store = RedbStore::open(&directory.path().join("live.redb"), &options).expect("a store");
    let store = Arc::new(store);
    // So few batches that slow readers fall out of the broadcast again and again.
    let settings = LiveSettings { buffered_batches: 2, ..LiveSettings::default() };
    let running = start(Arc::clone(&store) as _, settings);

    let mut writers = JoinSet::new();
    let n_per_writer = N / 4;
    for writer in 0..4_u64 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for n in 0..n_per_writer / 10 {
                let batch = (0..10).map(|k| observation(writer, n * 10 + k)).collect();
                store.append(batch).await.expect("stored");
            }
        });
    }
    let mut readers = JoinSet::new();
    for reader in 0..8_u64 {
        let live = Arc::clone(&running.live);
        readers.spawn(async move {
            let mut read: Vec<u64> = Vec::new();
            // Each breaks off and comes back at the last sequence it saw, as a client does.
            while (read.len() as u64) < N {
                let from = read.last().copied().unwrap_or(0);
                let mut subscription = live.subscribe(since(from)).await.expect("room");
                for _ in 0..=reader * 3 {
                    if (read.len() as u64) < N {
                        read.extend(entries(&mut subscription).await);
                    }
                    if reader % 2 == 1 {
                        tokio::time::sleep(Duration::from_millis(reader)).await;
                    }
                }
            }
            read
        });
    }
    while let Some(written) = writers.join_next().await {
        written.expect("a writer");
    }
    let expected: Vec<u64> = log_of(&*store).await;
    assert_eq!(expected.len() as u64, N);
    while let Some(read) = readers.join_next().await {
        assert!(read.expect("a reader") == expected, "a gap, a double or another order");
    }
}

async fn log_of(store: &dyn Outbox) -> Vec<u64> {
    let log = store.log_after(Sequence(0), usize::MAX).await.expect("the log");
    log.iter().map(|entry| entry.sequence().0).collect()
}

fn observation(writer: u64, n: u64) -> Observation {
    Observation {
        symbol: Symbol::parse(&format!("S{writer}")).expect("a symbol"),
        provider: ProviderName::manual(),
        observed_at: at(n as i64),
        external_id: None,
        price: Amount::parse("1.5").expect("an amount"),
        volume: None,
        currency: Currency::USD,
        received_at: at(n as i64),
        time_source: Default::default(),
        raw: None,
    }
}

#[tokio::test]
async fn only_what_was_asked_for_is_delivered() {
    let log = Arc::new(FakeLog::new());
    for n in 0..50 {
        log.append(price(4 * n + 1, "AAPL"));
        log.append(average(4 * n + 2, "AAPL"));
        log.append(price(4 * n + 3, "EUR/USD"));
        log.append(average(4 * n + 4, "EUR/USD"));
    }
    let running = start(Arc::clone(&log) as _, LiveSettings::default());
    let only = HashSet::from([Symbol::parse("eur/usd").expect("a symbol")]);
    for (prices, averages, remainders) in
        [(true, false, vec![3]), (false, true, vec![0]), (true, true, vec![3, 0])]
    {
        let filter = Filter { symbols: Some(only.clone()), prices, averages };
        let request = Request { filter, ..since(0) };
        let mut subscription = running.live.subscribe(request).await.expect("room");
        let read = entries(&mut subscription).await;
        assert_eq!(read.len(), 50 * remainders.len(), "{prices} {averages}");
        assert!(read.iter().all(|n| remainders.contains(&(n % 4))), "{read:?}");
        // What was passed over counts as delivered, so that resuming starts behind it.
        assert_eq!(subscription.delivered(), Sequence(200));
    }
}

#[tokio::test]
async fn a_place_the_log_does_not_reach_is_answered_with_a_reset() {
    let log = Arc::new(FakeLog::new());
    log.append_prices(1..=100);
    log.trim(40);
    let running = start(Arc::clone(&log) as _, LiveSettings::default());
    let mut edge = running.live.subscribe(since(40)).await.expect("room");
    assert_eq!(entries(&mut edge).await.first(), Some(&41));
    for unreachable in [39, 101] {
        let mut subscription = running.live.subscribe(since(unreachable)).await.expect("room");
        assert!(matches!(
            next(&mut subscription).await,
            Delivery::Reset { position: Sequence(100), log_start: Sequence(40) }
        ));
    }
    let mut subscription = running.live.subscribe(since(0)).await.expect("room");
    next(&mut subscription).await;
    log.append_prices(101..=101);
    assert_eq!(entries(&mut subscription).await, [101]);
}

#[tokio::test]
async fn a_slow_subscriber_reads_the_store_until_the_log_is_trimmed_before_it() {
    let log = Arc::new(FakeLog::new());
    let settings = LiveSettings { buffered_batches: 1, ..LiveSettings::default() };
    let running = start(Arc::clone(&log) as _, settings);
    let mut subscription = running.live.subscribe(since(0)).await.expect("room");
    let mut witness = running.live.subscribe(since(0)).await.expect("room");
    log.append_prices(1..=1);
    assert_eq!(entries(&mut subscription).await, [1]);
    // The witness is served live, so each entry is a batch of its own and the buffer overflows.
    assert_eq!(entries(&mut witness).await, [1]);
    for sequence in 2..=20 {
        log.append_prices(sequence..=sequence);
        assert_eq!(entries(&mut witness).await, [sequence]);
    }
    assert_eq!(until(&mut subscription, 20).await, (2..=20).collect::<Vec<_>>());
    for sequence in 21..=40 {
        log.append_prices(sequence..=sequence);
        assert_eq!(entries(&mut witness).await, [sequence]);
    }
    log.trim(30);
    assert!(matches!(next(&mut subscription).await, Delivery::Ended(EndReason::TooSlow)));
    assert_eq!(subscription.delivered(), Sequence(20));
}

#[tokio::test]
async fn giving_up_waiting_loses_nothing() {
    let log = Arc::new(FakeLog::new());
    let settings = LiveSettings { buffered_batches: 1, ..LiveSettings::default() };
    let running = start(Arc::clone(&log) as _, settings);
    let mut subscription = running.live.subscribe(FROM_NOW).await.expect("room");
    let mut read = Vec::new();
    for sequence in 1..=200 {
        log.append_prices(sequence..=sequence);
        for _ in 0..sequence % 4 {
            // Polled once and dropped, wherever it stands.
            let polled = futures_util::FutureExt::now_or_never(subscription.next());
            if let Some(Delivery::Entries(entries)) = polled {
                read.extend(entries.iter().map(|entry| entry.sequence().0));
            }
            tokio::task::yield_now().await;
        }
    }
    if read.last() != Some(&200) {
        read.extend(until(&mut subscription, 200).await);
    }
    assert_eq!(read, (1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn conflating_keeps_the_newest_of_each_and_every_correction() {
    let log = Arc::new(FakeLog::new());
    let running = start(Arc::clone(&log) as _, LiveSettings::default());
    let conflate = Some(Duration::from_millis(250));
    let request = Request { conflate, ..FROM_NOW };
    let mut subscription = running.live.subscribe(request).await.expect("room");
    log.append(price(1, "AAPL"));
    log.append(average(2, "AAPL"));
    log.append(price(3, "AAPL"));
    log.append(average(4, "AAPL"));
    log.append(price(5, "BTC-USD"));
    // Late: older than the third, so it does not hide it.
    log.append(price_at(6, "AAPL", 0, EventKind::Recorded));
    log.append(price_at(7, "AAPL", 1, EventKind::Corrected));
    log.append(price_at(8, "AAPL", 1, EventKind::Deleted));
    let early = tokio::time::timeout(Duration::from_millis(50), subscription.next()).await;
    assert!(early.is_err(), "nothing before the interval has passed");
    assert_eq!(subscription.delivered(), Sequence(0), "what is held is not delivered");
    running.clock.advance(Duration::from_millis(250));
    assert_eq!(entries(&mut subscription).await, [3, 4, 5, 7, 8]);
    assert_eq!(subscription.delivered(), Sequence(8));
}

#[tokio::test]
async fn there_is_room_for_as_many_as_configured() {
    let log = Arc::new(FakeLog::new());
    let settings = LiveSettings { max_subscribers: 2, ..LiveSettings::default() };
    let running = start(log, settings);
    let first = running.live.subscribe(FROM_NOW).await.expect("room");
    let _second = running.live.subscribe(FROM_NOW).await.expect("room");
    assert!(matches!(running.live.subscribe(FROM_NOW).await, Err(SubscribeError::Full(2))));
    drop(first);
    assert!(running.live.subscribe(FROM_NOW).await.is_ok());
}

#[tokio::test]
async fn stopping_ends_subscriptions_and_waits_for_them() {
    let log = Arc::new(FakeLog::new());
    let mut running = start(log, LiveSettings::default());
    let mut subscription = running.live.subscribe(FROM_NOW).await.expect("room");
    running.stop.cancel();
    assert!(matches!(next(&mut subscription).await, Delivery::Ended(EndReason::Stopping)));
    assert!(running.tasks.try_join_next().is_none(), "it waits for the subscription");
    drop(subscription);
    let ended = tokio::time::timeout(PATIENCE, running.tasks.join_next()).await;
    assert!(ended.expect("in time").is_some_and(|task| task.is_ok()));
    assert!(matches!(running.live.subscribe(FROM_NOW).await, Err(SubscribeError::Stopping)));
}

#[tokio::test]
async fn a_store_that_fails_delays_live_entries_and_ends_resumptions() {
    let log = Arc::new(FakeLog::new());
    let running = start(Arc::clone(&log) as _, LiveSettings::default());
    let mut subscription = running.live.subscribe(FROM_NOW).await.expect("room");
    log.append_prices(1..=1);
    assert_eq!(entries(&mut subscription).await, [1]);
    log.append_prices(2..=2);
    assert_eq!(entries(&mut subscription).await, [2]);
    log.broken.store(true, Ordering::SeqCst);
    assert!(matches!(running.live.subscribe(FROM_NOW).await, Err(SubscribeError::Store(_))));
    log.append_prices(3..=3);
    let early = tokio::time::timeout(Duration::from_millis(50), subscription.next()).await;
    assert!(early.is_err(), "nothing can be read: {early:?}");
    log.broken.store(false, Ordering::SeqCst);
    running.clock.advance(Duration::from_secs(60));
    assert_eq!(entries(&mut subscription).await, [3]);
}
