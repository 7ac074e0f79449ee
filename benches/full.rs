//! The full mode against the edge mode and against what one would write without either, in one run:
//!
//!     TICKERD_SERVICES_FSYNC=on scripts/services run postgres kafka -- cargo bench --bench full
//!
//! Acknowledged single writes of 64 callers, a bulk import, and the averages a second that 1, 2 and
//! 4 averagers make of a topic with 8 partitions.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use sqlx::Executor;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tickerd::adapters::bus::kafka::{KafkaBus, KafkaOptions};
use tickerd::adapters::store::postgres::{PostgresOptions, PostgresStore};
use tickerd::adapters::store::redb::{RedbOptions, RedbStore};
use tickerd::model::{
    Amount, Currency, Observation, ProviderName, Symbol, TimeSource, Timestamp, Window,
};
use tickerd::ports::{AverageStore, EventBus, Outbox, PriceStore, Store, SystemClock};
use tickerd::services::averager::{Averager, AveragerSettings};
use tickerd::services::relay::Relay;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const N_CALLERS: usize = 64;
const N_SYMBOLS: i64 = 64;
const FOR: Duration = Duration::from_secs(10);
const N_IMPORTED: usize = 200_000;
const N_AT_ONCE: usize = 5_000;
const N_AVERAGED: usize = 100_000;

static NEXT: AtomicI64 = AtomicI64::new(1);

fn observation() -> Observation {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let at = Timestamp::from_micros(1_700_000_000_000_000 + number * 1_000).expect("a time");
    Observation {
        symbol: Symbol::parse(&format!("S{}", number % N_SYMBOLS)).expect("a symbol"),
        provider: ProviderName::manual(),
        observed_at: at,
        external_id: None,
        price: Amount::parse("189.84").expect("an amount"),
        volume: None,
        currency: Currency::USD,
        received_at: at,
        time_source: TimeSource::Provider,
        raw: None,
    }
}

fn told(what: &str, n_done: usize, took: Duration) {
    println!("{what:<44} {:>9.0}/s", n_done as f64 / took.as_secs_f64());
}

/// Has many callers do something again and again for a while.
async fn crowd<F: Future<Output = ()> + Send + 'static>(
    what: &str,
    once: impl Fn() -> F + Clone + Send + 'static,
) {
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..N_CALLERS {
        let once = once.clone();
        callers.spawn(async move {
            let mut n_done = 0;
            while started.elapsed() < FOR {
                once().await;
                n_done += 1;
            }
            n_done
        });
    }
    let n_done: usize = callers.join_all().await.into_iter().sum();
    told(what, n_done, started.elapsed());
}

async fn writes(name: &str, store: Arc<dyn Store>) {
    let one = Arc::clone(&store);
    crowd(&format!("single writes, 64 callers, {name}"), move || {
        let store = Arc::clone(&one);
        async move {
            store.append(vec![observation()]).await.expect("stored");
        }
    })
    .await;
    let started = Instant::now();
    for _ in 0..N_IMPORTED / N_AT_ONCE {
        let batch = (0..N_AT_ONCE).map(|_| observation()).collect();
        store.append(batch).await.expect("stored");
    }
    told(&format!("bulk import, {name}"), N_IMPORTED, started.elapsed());
    store.close().await.expect("closed");
}

/// A row a statement and a transaction a row: no versions, no outbox, no averages.
async fn insert(pool: &PgPool) {
    let observation = observation();
    sqlx::query(
        "insert into plain (symbol, provider, observed_at, price) \
         values ($1, 'manual', to_timestamp($2::bigint / 1e6), $3::text::numeric)",
    )
    .bind(observation.symbol.as_str().to_owned())
    .bind(observation.observed_at.as_micros())
    .bind(observation.price.to_string())
    .execute(pool)
    .await
    .expect("inserted");
}

async fn plain_inserts(url: &str) {
    let pool = PgPoolOptions::new().max_connections(N_CALLERS as u32).connect(url).await;
    let pool = pool.expect("connected");
    pool.execute(
        "create table plain (id bigserial primary key, symbol text not null, \
         provider text not null, observed_at timestamptz not null, price numeric not null, \
         unique (symbol, provider, observed_at))",
    )
    .await
    .expect("made");
    let many = pool.clone();
    crowd("single writes, 64 callers, INSERT loop", move || {
        let pool = many.clone();
        async move { insert(&pool).await }
    })
    .await;
    let (started, mut n_done) = (Instant::now(), 0);
    while started.elapsed() < FOR {
        insert(&pool).await;
        n_done += 1;
    }
    told("bulk import, INSERT loop", n_done, started.elapsed());
    pool.execute("drop table plain").await.expect("dropped");
    pool.close().await;
}

async fn postgres(url: &str, schema: &str) -> Arc<PostgresStore> {
    let options = PostgresOptions { schema: schema.into(), ..PostgresOptions::new(url) };
    Arc::new(PostgresStore::open(options).await.expect("a store"))
}

/// Each averager with connections of its own, as processes have.
async fn averages(url: &str, brokers: &str, n_averagers: usize) {
    let name = format!("averages{n_averagers}");
    let topic = format!("bench-{}", uuid::Uuid::now_v7());
    let store = postgres(url, &name).await;
    let bus = || async {
        let options = KafkaOptions {
            dead_letter_topic: format!("{topic}.dlq"),
            topic: topic.clone(),
            ..KafkaOptions::new(brokers)
        };
        Arc::new(KafkaBus::open(options).await.expect("a bus"))
    };
    let publisher = bus().await;
    let windows = vec![Window::new(5).expect("a window")];
    // Or the first averager would compute all without the topic.
    store.set_materialised_windows(&windows).await.expect("noted");
    for _ in 0..N_AVERAGED / N_AT_ONCE {
        let batch = (0..N_AT_ONCE).map(|_| observation()).collect();
        store.append(batch).await.expect("stored");
    }
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let relay = Relay::new(store.clone(), publisher.clone(), Arc::new(SystemClock));
    let token = stop.clone();
    tasks.spawn(async move { relay.run(token).await });
    while store.depth().await.expect("a depth") > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..n_averagers {
        let settings = AveragerSettings {
            group: "averager".into(),
            windows: windows.clone(),
            max_attempts: 5,
        };
        let (store, bus) = (postgres(url, &name).await, bus().await);
        let averager = Averager::new(store, bus, Arc::new(SystemClock), settings);
        let token = stop.clone();
        tasks.spawn(async move { averager.run(token).await });
    }
    let left = async || publisher.lag("averager").await.expect("a lag").expect("Kafka tells it");
    let waits_below = async |limit: u64| loop {
        let left = left().await;
        if left < limit {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // The clock runs from the first averages on: until then the group only forms.
    let n_left = waits_below(N_AVERAGED as u64).await;
    let started = Instant::now();
    waits_below(1).await;
    let what = format!("averages, {n_averagers} averagers, 8 partitions");
    told(&what, n_left as usize, started.elapsed());
    stop.cancel();
    tasks.join_all().await;
    store.close().await.expect("closed");
}

#[tokio::main]
async fn main() {
    let offered = |name: &str| std::env::var(format!("TICKERD_TEST_{name}_URL"));
    let (Ok(url), Ok(brokers)) = (offered("POSTGRES"), offered("KAFKA")) else {
        eprintln!("scripts/services run postgres kafka -- cargo bench --bench full");
        std::process::exit(2);
    };
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("edge.redb");
    let edge = RedbStore::open(&file, &RedbOptions::default()).expect("a store");
    writes("edge", Arc::new(edge)).await;
    writes("full", postgres(&url, "writes").await).await;
    plain_inserts(&url).await;
    for n_averagers in [1, 2, 4] {
        averages(&url, &brokers, n_averagers).await;
    }
}
