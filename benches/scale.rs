//! How the edge store grows: bulk import, single acknowledged writes, ranges, newest prices, bytes
//! a price and opening after a crash. Prints one line a figure; not a criterion bench, since a
//! single run over millions of prices is what is measured.
//!
//! `cargo bench --bench scale -- [PRICES] [SYMBOLS]`

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tickerd::adapters::store::redb::{RedbOptions, RedbStore};
use tickerd::model::{
    Amount, Currency, MovingAverage, Observation, Order, PriceId, ProviderName, RollingMean,
    Symbol, TimeRange, TimeSource, Timestamp, Window,
};
use tickerd::ports::{AverageStore, AverageUpdate, Outbox, PriceQuery, PriceStore, Store};
use tokio::task::JoinSet;

/// That of the service.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: u64 = 2_000;
const BATCHES_AT_ONCE: usize = 8;
const CALLERS: u64 = 256;
const START: i64 = 1_600_000_000_000_000;

/// A price that walks like one: some ticks up or down from the one before, every 100 to 1,000 ms.
fn observation(symbols: &[Symbol], n: u64, live: bool) -> Observation {
    let symbol = &symbols[(n % symbols.len() as u64) as usize];
    let step = n / symbols.len() as u64;
    let mix = (n ^ 0x9E37_79B9).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    let walk = (step as f64 / 700.0).sin() * 3_000.0 + (step as f64 / 31.0).sin() * 60.0;
    let cents = 6_000_000 + walk as i64 + (mix % 40) as i64;
    let observed = START + step as i64 * 500_000 + (mix % 400) as i64 * 1_000;
    let received = if live { observed + 50_000 + (mix % 9_000) as i64 } else { START * 11 / 10 };
    Observation {
        symbol: symbol.clone(),
        provider: ProviderName::manual(),
        observed_at: Timestamp::from_micros(observed).expect("a time"),
        external_id: None,
        price: Amount::parse(&format!("{}.{:02}", cents / 100, cents % 100)).expect("an amount"),
        volume: None,
        currency: Currency::USD,
        received_at: Timestamp::from_micros(received).expect("a time"),
        time_source: TimeSource::Provider,
        raw: None,
    }
}

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    let n_prices = numbers.first().copied().unwrap_or(1_000_000);
    let n_symbols = numbers.get(1).copied().unwrap_or(50);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure(n_prices, n_symbols));
}

async fn measure(n_prices: u64, n_symbols: u64) {
    let symbols: Vec<Symbol> =
        (0..n_symbols).map(|n| Symbol::parse(&format!("S{n}")).expect("a symbol")).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("scale.redb");
    let store = Arc::new(RedbStore::open(&file, &RedbOptions::default()).expect("a store"));
    println!("{n_prices} prices of {n_symbols} symbols");

    bulk(&store, &symbols, n_prices).await;
    println!("bytes a price in the file, prices alone: {:.1}", size(&file) / n_prices as f64);
    crash_and_open(&file, directory.path());
    reads(&store, &symbols).await;
    singles(&store, &symbols, n_prices).await;
    confirm_all(&store).await;
    averages(&store, &symbols).await;
    let n_stored = store.status().await.expect("status").n_prices;
    store.close().await.expect("closed");
    drop(store);
    println!("bytes a price, with one window of averages: {:.1}", size(&file) / n_stored as f64);
    let mut database = redb::Database::open(&file).expect("opened");
    while database.compact().expect("compacted") {}
    drop(database);
    println!("the same after compaction: {:.1}", size(&file) / n_stored as f64);
}

fn size(file: &Path) -> f64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len()) as f64
}

async fn bulk(store: &Arc<RedbStore>, symbols: &[Symbol], n_prices: u64) {
    let mut next = 0;
    let mut busy = Duration::ZERO;
    while next < n_prices {
        // Made before the clock runs: parsing is not what is measured.
        let until = (next + 100 * BATCH).min(n_prices);
        let mut batches = Vec::new();
        while next < until {
            let end = (next + BATCH).min(until);
            batches.push((next..end).map(|n| observation(symbols, n, false)).collect::<Vec<_>>());
            next = end;
        }
        let started = Instant::now();
        let mut writers = JoinSet::new();
        for batch in batches {
            if writers.len() == BATCHES_AT_ONCE {
                writers.join_next().await;
            }
            let store = Arc::clone(store);
            writers.spawn(async move { black_box(store.append(batch).await.expect("stored")) });
        }
        writers.join_all().await;
        busy += started.elapsed();
        // As the relay does meanwhile: the log keeps what is not published.
        confirm_all(store).await;
    }
    println!("bulk import: {:.0} prices/s", n_prices as f64 / busy.as_secs_f64());
}

async fn confirm_all(store: &RedbStore) {
    loop {
        let events = store.pending(20_000).await.expect("pending");
        if events.is_empty() {
            return;
        }
        let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
        store.confirm(&sequences).await.expect("confirmed");
    }
}

/// Opens a copy of the file as it lies on disk, which is what a killed process leaves.
fn crash_and_open(file: &Path, directory: &Path) {
    let copy = directory.join("crashed.redb");
    std::fs::copy(file, &copy).expect("copied");
    let started = Instant::now();
    let store = RedbStore::open(&copy, &RedbOptions::default()).expect("opened");
    println!("open after a crash: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    drop(store);
    std::fs::remove_file(copy).expect("removed");
}

async fn reads(store: &RedbStore, symbols: &[Symbol]) {
    let all =
        store.prices(PriceQuery { symbol: Some(symbols[0].clone()), ..PriceQuery::newest(1) });
    let newest = all.await.expect("read").pop().expect("a price").observation.observed_at;
    let span = newest.as_micros() - START;
    let mut times = Vec::new();
    for n in 0..200_i64 {
        let from = START + span / 200 * n;
        let query = PriceQuery {
            symbol: Some(symbols[n as usize % symbols.len()].clone()),
            range: TimeRange {
                from: Timestamp::from_micros(from).expect("a time"),
                ..TimeRange::ALL
            },
            order: Order::OldestFirst,
            ..PriceQuery::newest(1_000)
        };
        let started = Instant::now();
        let prices = black_box(store.prices(query).await.expect("read"));
        times.push(started.elapsed());
        drop(prices);
    }
    show("range of 1,000", &mut times);
    let mut ids: Vec<PriceId> = Vec::new();
    let mut times = Vec::new();
    for n in 0..1_000_usize {
        let started = Instant::now();
        let price = store.latest(&symbols[n % symbols.len()], None, None).await.expect("read");
        times.push(started.elapsed());
        ids.extend(price.map(|price| price.id));
    }
    show("latest", &mut times);
    let mut times = Vec::new();
    for id in ids {
        let id =
            PriceId::new((((id.get() / 2) >> 20) << 20) | (id.get() & 0xFFFFF)).expect("an id");
        let started = Instant::now();
        black_box(store.price(id, None).await.expect("read"));
        times.push(started.elapsed());
    }
    show("by id", &mut times);
}

fn show(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e6;
    println!("{what}: median {:.1} us, p95 {:.1} us", at(0.5), at(0.95));
}

async fn singles(store: &Arc<RedbStore>, symbols: &[Symbol], first: u64) {
    let next = Arc::new(AtomicU64::new(first));
    let until = Instant::now() + Duration::from_secs(3);
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (store, next, symbols) = (Arc::clone(store), Arc::clone(&next), symbols.to_vec());
        callers.spawn(async move {
            let mut times = Vec::new();
            while Instant::now() < until {
                let observation = observation(&symbols, next.fetch_add(1, Ordering::Relaxed), true);
                let started = Instant::now();
                store.append(vec![observation]).await.expect("stored");
                times.push(started.elapsed());
            }
            times
        });
    }
    let mut times: Vec<Duration> = callers.join_all().await.into_iter().flatten().collect();
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    times.sort_unstable();
    println!(
        "single acknowledged writes, {CALLERS} callers: {rate:.0}/s, p99 {:.1} ms",
        times[times.len() * 99 / 100].as_secs_f64() * 1e3
    );
}

/// Computes and stores the averages of window 5, as the averager does after an import.
async fn averages(store: &RedbStore, symbols: &[Symbol]) {
    let window = Window::new(5).expect("a window");
    let started = Instant::now();
    let mut n_averages = 0;
    for symbol in symbols {
        let mut rolling = RollingMean::new(window);
        let mut from = tickerd::model::Position::MIN;
        loop {
            let values = store.values_around(symbol, from, 0, 4_096).await.expect("read");
            let Some((last, _)) = values.last().copied() else { break };
            let averages: Vec<MovingAverage> = values
                .iter()
                .filter_map(|(at, price)| {
                    rolling.push(*price).map(|mean| MovingAverage {
                        symbol: symbol.clone(),
                        window,
                        at: *at,
                        mean,
                    })
                })
                .collect();
            n_averages += averages.len();
            store
                .apply_averages(AverageUpdate { averages, ..AverageUpdate::default() })
                .await
                .expect("applied");
            from = tickerd::model::Position {
                id: PriceId::new(last.id.get() + 1).expect("an id"),
                ..last
            };
        }
    }
    println!("averages: {:.0}/s", n_averages as f64 / started.elapsed().as_secs_f64());
}
