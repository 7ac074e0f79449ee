//! The edge store: the newest price of a symbol, appends of one caller, and 256 callers whose
//! writes share commits against one commit each.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tickerd::adapters::store::redb::{RedbOptions, RedbStore};
use tickerd::model::{Amount, Currency, Observation, ProviderName, Symbol, TimeSource, Timestamp};
use tickerd::ports::PriceStore;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const N_CALLERS: usize = 256;

static NEXT: AtomicI64 = AtomicI64::new(1);

fn observation() -> Observation {
    let micros = NEXT.fetch_add(1, Ordering::Relaxed);
    Observation {
        symbol: Symbol::parse("AAPL").expect("a symbol"),
        provider: ProviderName::manual(),
        observed_at: Timestamp::from_micros(micros).expect("a time"),
        external_id: None,
        price: Amount::parse("189.84").expect("an amount"),
        volume: None,
        currency: Currency::USD,
        received_at: Timestamp::from_micros(micros).expect("a time"),
        time_source: TimeSource::Provider,
        raw: None,
    }
}

async fn append_from_many(store: &Arc<RedbStore>) {
    let mut callers = JoinSet::new();
    for _ in 0..N_CALLERS {
        let store = Arc::clone(store);
        callers.spawn(async move { store.append(vec![observation()]).await.expect("stored") });
    }
    callers.join_all().await;
}

async fn append_one_by_one(store: &RedbStore) {
    for _ in 0..N_CALLERS {
        store.append(vec![observation()]).await.expect("stored");
    }
}

fn store(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("bench.redb");
    let store = Arc::new(RedbStore::open(&file, &RedbOptions::default()).expect("a store"));
    runtime.block_on(append_one_by_one(&store));

    let mut group = criterion.benchmark_group("edge store");
    group.sample_size(10);
    let symbol = Symbol::parse("AAPL").expect("a symbol");
    group.bench_function("latest", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            black_box(store.latest(&symbol, None, None).await.expect("read"));
        });
    });
    group.throughput(Throughput::Elements(N_CALLERS as u64));
    group.bench_function("append, 256 callers sharing commits", |bencher| {
        bencher.to_async(&runtime).iter(|| append_from_many(&store));
    });
    group.bench_function("append, one commit each", |bencher| {
        bencher.to_async(&runtime).iter(|| append_one_by_one(&store));
    });
    group.finish();
}

criterion_group!(benches, store);
criterion_main!(benches);
