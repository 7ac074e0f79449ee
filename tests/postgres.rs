//! What only the PostgreSQL store promises: several processes on one database, and its failures.
#![cfg(feature = "postgres")]

#[path = "support/build.rs"]
#[expect(dead_code, reason = "the builders are shared with tests that need more of them")]
mod build;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/servers.rs"]
mod servers;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tickerd::adapters::store::postgres::{OpenError, PostgresOptions, PostgresStore};
use tickerd::model::{Observation, Sequence, Timestamp};
use tickerd::ports::{
    Appended, JobStore, LeaseStore, LogEntry, Outbox, PriceQuery, PriceStore, Store, StoreErrorKind,
};

use build::{corrected, observed, provider, symbol};

const DEADLINE: Duration = Duration::from_secs(30);

/// Begins a transaction as every writer does: with the writers' lock.
const BEGIN_WRITING: &str = "begin; \
    select pg_advisory_xact_lock(20240501, 'log_bounds'::regclass::oid::int)";

/// Runs a test in a schema of its own and drops that afterwards, also when the test failed.
async fn with_schema<F: Future<Output = ()>>(test: impl FnOnce(PostgresOptions) -> F) {
    let Some(options) = postgres::fresh_options() else { return };
    let outcome = AssertUnwindSafe(test(options.clone())).catch_unwind().await;
    postgres::drop_schema(&options).await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// A connection of another program, in the store's schema.
async fn connect(options: &PostgresOptions) -> PgConnection {
    let mut connection = PgConnection::connect(&options.url).await.expect("a connection");
    let schema = &options.schema;
    connection
        .execute(AssertSqlSafe(format!("set search_path to {schema}")))
        .await
        .expect("the schema is set");
    connection
}

async fn open(options: &PostgresOptions) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(options.clone()).await.expect("a store"))
}

/// Waits until `is_true` answers true.
async fn eventually<F: Future<Output = bool>>(what: &str, mut is_true: impl FnMut() -> F) {
    let wait = async {
        while !is_true().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Waits until a connection of the store waits for a lock.
async fn until_waiting(connection: &mut PgConnection, options: &PostgresOptions) {
    let wait = async {
        loop {
            let n_waiting: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity \
                  where application_name = $1 and wait_event_type = 'Lock'",
            )
            .bind(format!("tickerd/{}", options.schema))
            .fetch_one(&mut *connection)
            .await
            .expect("counted");
            if n_waiting > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.expect("the store waits for the other writer");
}

async fn sequences(store: &PostgresStore) -> Vec<u64> {
    let events = store.pending(10_000).await.expect("pending");
    events.iter().map(|event| event.sequence.0).collect()
}

/// Another process takes the next sequence, and commits late.
async fn take_sequence(connection: &mut PgConnection) {
    for sql in [
        BEGIN_WRITING,
        "insert into log (sequence, kind, symbol, observed_at, price_id, amount, message_id, \
                          version, currency, received_at, provider, has_raw) \
         select setval('last_sequence', last_value + 1), 0, 'LATE', now(), 1000, 1, \
                gen_random_uuid(), 1, 'USD', now(), 'other', false from last_sequence",
        "insert into outbox select last_value from last_sequence",
    ] {
        connection.execute(sql).await.expect("executed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_sequence_that_commits_late_is_never_skipped() {
    with_schema(|options| async move {
        let store = open(&options).await;
        let mut other = connect(&options).await;
        let mut watcher = connect(&options).await;
        take_sequence(&mut other).await;

        // This process is ready to take the sequence behind, but must not overtake.
        let appending = {
            let store = Arc::clone(&store);
            async move { store.append(vec![observed("SOON", 1, "1")]).await.expect("appended") }
        };
        let mut appends = tokio::task::JoinSet::new();
        appends.spawn(appending);
        until_waiting(&mut watcher, &options).await;
        assert_eq!(sequences(&store).await, [0_u64; 0], "nothing is visible before its turn");
        assert_eq!(*store.committed().borrow(), Sequence(0));
        assert!(appends.try_join_next().is_none(), "and nothing is acknowledged");

        other.execute("commit").await.expect("committed");
        appends.join_next().await.expect("a task").expect("appended");

        let symbols: Vec<_> = store.pending(10).await.expect("pending");
        let symbols: Vec<_> =
            symbols.iter().map(|event| (event.sequence.0, event.symbol.as_str())).collect();
        assert_eq!(symbols, [(1, "LATE"), (2, "SOON")]);
        let log = store.log_after(Sequence(0), 10).await.expect("log");
        assert_eq!(log.len(), 2);
        assert_eq!(*store.committed().borrow(), Sequence(2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_before_its_commit_leaves_no_gap_to_wait_for() {
    with_schema(|options| async move {
        let store = open(&options).await;
        let mut other = connect(&options).await;
        take_sequence(&mut other).await;
        drop(other);

        store.append(vec![observed("AAPL", 1, "1")]).await.expect("appended");

        let events = store.pending(10).await.expect("pending");
        assert_eq!(events.len(), 1, "its event never appears");
        let mut committed = open(&options).await.committed();
        assert_eq!(*committed.borrow_and_update(), events[0].sequence);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_one_process_miss_nothing_of_the_others() {
    with_schema(|options| async move {
        let stores = [open(&options).await, open(&options).await];
        let reader = open(&options).await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..6_usize {
            let store = Arc::clone(&stores[writer % 2]);
            writers.spawn(async move {
                for secs in 0..30 {
                    let own = observed(&format!("S{writer}"), secs, "1");
                    let shared = observed("SHARED", secs, "1");
                    let answers = store.append(vec![own, shared]).await.expect("appended");
                    if let Appended::New(price) = &answers[1] {
                        store.correct(price.id, corrected("2")).await.expect("corrected");
                    }
                }
            });
        }

        // 6 x 30 of their own, 30 shared ones and their corrections.
        let mut committed = reader.committed();
        let mut read: Vec<Sequence> = Vec::new();
        while read.len() < 240 {
            let known = *committed.borrow_and_update();
            let after = read.last().copied().unwrap_or_default();
            let portion = reader.log_after(after, 11).await.expect("log");
            if portion.is_empty() {
                assert!(known <= after, "{known} is told before it can be read");
                tokio::time::timeout(DEADLINE, committed.changed())
                    .await
                    .expect("woken in time")
                    .expect("open");
            }
            read.extend(portion.iter().map(LogEntry::sequence));
        }
        writers.join_all().await;

        let whole = reader.log_after(Sequence(0), 1_000).await.expect("log");
        let whole: Vec<_> = whole.iter().map(LogEntry::sequence).collect();
        assert_eq!(read, whole);
        let shared = PriceQuery { symbol: Some(symbol("SHARED")), ..PriceQuery::newest(100) };
        assert_eq!(reader.prices(shared).await.expect("listed").len(), 30, "stored once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_that_wait_together_share_a_transaction() {
    with_schema(|options| async move {
        let store = open(&options).await;
        let mut other = connect(&options).await;
        other.execute(BEGIN_WRITING).await.expect("locked");
        let mut callers = tokio::task::JoinSet::new();
        for secs in 0..200 {
            let store = Arc::clone(&store);
            callers.spawn(async move { store.append(vec![observed("AAPL", secs, "1")]).await });
        }
        // All but the first few gather behind the one that waits for the lock.
        tokio::time::sleep(Duration::from_millis(300)).await;
        other.execute("commit").await.expect("released");
        for answer in callers.join_all().await {
            assert!(matches!(answer.expect("appended")[..], [Appended::New(_)]));
        }

        let n_transactions: i64 = sqlx::query_scalar("select count(distinct xmin::text) from log")
            .fetch_one(&mut other)
            .await
            .expect("counted");
        assert!(n_transactions <= 20, "200 appends took {n_transactions} transactions");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_that_find_no_room_are_refused_as_overloaded() {
    with_schema(|options| async move {
        let options = PostgresOptions {
            queue_rows: 2,
            overload_after: Duration::from_millis(100),
            ..options
        };
        let store = open(&options).await;
        let mut other = connect(&options).await;
        other.execute(BEGIN_WRITING).await.expect("locked");
        let waiting = {
            let store = Arc::clone(&store);
            async move {
                store.append(vec![observed("AAPL", 1, "1"), observed("AAPL", 2, "1")]).await
            }
        };
        let mut first = tokio::task::JoinSet::new();
        first.spawn(waiting);
        tokio::time::sleep(Duration::from_millis(50)).await;

        let error = store.append(vec![observed("AAPL", 3, "1")]).await.expect_err("refused");

        assert_eq!(error.kind, StoreErrorKind::Overloaded, "{error}");
        other.execute("commit").await.expect("released");
        first.join_next().await.expect("a task").expect("joined").expect("appended");
        store.append(vec![observed("AAPL", 3, "1")]).await.expect("room again");
        let listed = store.prices(PriceQuery::newest(10)).await.expect("listed");
        assert_eq!(listed.len(), 3);
        // More at once than the queue holds is still taken, alone.
        let large = (10..20).map(|secs| observed("AAPL", secs, "1")).collect();
        assert_eq!(store.append(large).await.expect("appended").len(), 10);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_stored_before_the_store_is_closed() {
    with_schema(|options| async move {
        let store = open(&options).await;
        let mut callers = tokio::task::JoinSet::new();
        for secs in 0..50 {
            let store = Arc::clone(&store);
            callers.spawn(async move { store.append(vec![observed("AAPL", secs, "1")]).await });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        store.close().await.expect("closed");
        let answers = callers.join_all().await;
        let n_acknowledged = answers.iter().filter(|answer| answer.is_ok()).count();
        for error in answers.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        }

        let again = open(&options).await;
        let stored = again.prices(PriceQuery::newest(100)).await.expect("listed");
        assert_eq!(stored.len(), n_acknowledged);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_go_away_leave_no_transaction_open() {
    with_schema(|options| async move {
        let options = PostgresOptions { max_connections: 2, ..options };
        let store = open(&options).await;
        let now = Timestamp::from_secs(1).expect("a time");
        for micros in (0..4_000).step_by(10) {
            let claiming = store.claim_due("gone", now, now, 1);
            let _ = tokio::time::timeout(Duration::from_micros(micros), claiming).await;
        }
        // Where a transaction was left open, this is not committed and nobody else sees it.
        for n in 0..20 {
            let name = format!("lease {n}");
            store.hold_lease(&name, "holder", DEADLINE).await.expect("asked");
        }
        let mut other = connect(&options).await;
        let n_seen: i64 = sqlx::query_scalar("select count(*) from leases")
            .fetch_one(&mut other)
            .await
            .expect("counted");
        assert_eq!(n_seen, 20);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_prices_are_told_without_being_counted() {
    with_schema(|options| async move {
        let store = open(&options).await;
        for first in (0..12_000).step_by(2_000) {
            let batch = (first..first + 2_000).map(|secs| observed("AAPL", secs, "1"));
            store.append(batch.collect()).await.expect("appended");
        }
        // Up to 10,000 are counted; PostgreSQL learns of the others a little later.
        let told = async {
            while store.status().await.expect("a status").n_prices != 12_000 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(DEADLINE, told).await.expect("told in time");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_store_leaves_no_connection_behind() {
    with_schema(|options| async move {
        let mut watcher = connect(&options).await;
        let store = open(&options).await;
        store.append(vec![observed("AAPL", 1, "1")]).await.expect("appended");
        drop(store);

        let name = format!("tickerd/{}", options.schema);
        let wait = async {
            loop {
                let n_connections: i64 = sqlx::query_scalar(
                    "select count(*) from pg_stat_activity where application_name = $1",
                )
                .bind(&name)
                .fetch_one(&mut watcher)
                .await
                .expect("counted");
                if n_connections == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.expect("all connections are given back");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_are_made_anew() {
    with_schema(|options| async move {
        let store = open(&options).await;
        let second = open(&options).await;
        store.append(vec![observed("AAPL", 1, "1")]).await.expect("appended");
        let mut operator = connect(&options).await;
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1",
        )
        .bind(format!("tickerd/{}", options.schema))
        .execute(&mut operator)
        .await
        .expect("terminated");

        eventually("an append after the connections are lost", || async {
            match store.append(vec![observed("AAPL", 2, "1")]).await {
                Ok(_) => true,
                Err(error) => {
                    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
                    false
                }
            }
        })
        .await;
        let mut committed = second.committed();
        tokio::time::timeout(DEADLINE, committed.wait_for(|sequence| sequence.0 >= 2))
            .await
            .expect("the other process hears of it")
            .expect("open");
        assert_eq!(sequences(&store).await.len(), 2, "stored once however often it was sent");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_make_the_schema_once() {
    with_schema(|options| async move {
        let mut starts = tokio::task::JoinSet::new();
        for _ in 0..5 {
            let options = options.clone();
            starts.spawn(async move { PostgresStore::open(options).await.map(drop) });
        }
        for outcome in starts.join_all().await {
            outcome.expect("opened");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_schema_is_refused_with_a_sentence() {
    with_schema(|options| async move {
        drop(open(&options).await);
        let mut other = connect(&options).await;
        other.execute("insert into schema_versions (version) values (7)").await.expect("inserted");

        let Err(error) = PostgresStore::open(options).await else { panic!("should be refused") };

        assert!(matches!(error, OpenError::NewerSchema { found: 7, known: 2 }), "{error:?}");
        let sentence = error.to_string();
        assert!(sentence.contains("schema version 7") && sentence.contains("only 2"), "{sentence}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_goes_down_and_up_again() {
    with_schema(|options| async move {
        drop(open(&options).await);
        let mut other = connect(&options).await;
        // The newest first.
        for down in [
            include_str!("../migrations/postgres/0002_access.down.sql"),
            include_str!("../migrations/postgres/0001_prices.down.sql"),
        ] {
            other.execute(down).await.expect("down");
        }
        let left: Vec<String> = sqlx::query_scalar(
            "select relname::text from pg_class \
              where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')",
        )
        .fetch_all(&mut other)
        .await
        .expect("listed");
        assert_eq!(left, ["schema_versions"]);
        other.execute("delete from schema_versions").await.expect("deleted");

        open(&options).await.check().await.expect("up again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_url_is_refused_without_showing_its_password() {
    let Some(options) = postgres::fresh_options() else { return };
    let (before, after) = options.url.split_once('@').expect("a URL with a user");
    let unreachable = "postgres://tickerd:tops3cret@127.0.0.1:1/postgres".to_owned();
    let user = before.rsplit_once(':').expect("a password").0;
    for (label, url, expected) in [
        ("no URL", "tops3cret".to_owned(), "URL cannot be read"),
        ("wrong password", format!("{user}:tops3cret@{after}"), "refused"),
        ("no server", unreachable, "cannot be reached"),
    ] {
        let options = PostgresOptions { url, ..options.clone() };
        let Err(error) = PostgresStore::open(options.clone()).await else {
            panic!("{label} should be refused")
        };
        let sentence = format!("{error} {error:?} {options:?}");
        assert!(sentence.contains(expected), "{label}: {sentence}");
        assert!(!sentence.contains("tops3cret"), "{label}: {sentence}");
    }
    let options = PostgresOptions { schema: "a; drop".into(), ..options };
    assert!(matches!(PostgresStore::open(options).await, Err(OpenError::Schema(_))));
}

/// Observations spread over years, so that every partition holds some.
fn across_partitions(n_observations: u64) -> Vec<Observation> {
    (0..n_observations)
        .map(|index| {
            let year = 2010 + index % 35;
            let mut observation = observed("AAPL", 0, "1");
            let observed_at = format!("{year}-01-01T00:00:00Z");
            let start = Timestamp::parse(&observed_at).expect("an instant");
            observation.observed_at = start.plus(Duration::from_secs(index));
            observation
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_of_all_partitions_are_found_by_key_id_and_time() {
    with_schema(|options| async move {
        let store = open(&options).await;
        let given = across_partitions(700);
        let answers = store.append(given.clone()).await.expect("appended");
        let again = store.append(given).await.expect("appended again");
        assert!(again.iter().all(|answer| matches!(answer, Appended::Duplicate(_))));

        let mut prices: Vec<_> = answers.iter().map(|answer| answer.price().clone()).collect();
        for price in prices.iter().step_by(23) {
            assert_eq!(store.price(price.id, None).await.expect("read").as_ref(), Some(price));
        }
        prices.sort_by_key(|price| std::cmp::Reverse(price.position()));
        let query = PriceQuery { symbol: Some(symbol("AAPL")), ..PriceQuery::newest(1_000) };
        assert_eq!(store.prices(query).await.expect("listed"), prices);
        assert_eq!(store.prices(PriceQuery::newest(1_000)).await.expect("listed"), prices);
        let latest = store.latest(&symbol("AAPL"), Some(&provider("yahoo")), None).await;
        assert_eq!(latest.expect("latest").as_ref(), prices.first());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_cut_behind_what_streams_and_the_relay_need() {
    with_schema(|options| async move {
        let store = open(&PostgresOptions { log_entries: 10, ..options }).await;
        let batch = (0..30).map(|secs| observed("AAPL", secs, "1")).collect();
        store.append(batch).await.expect("appended");
        let events = store.pending(100).await.expect("pending");
        let confirm = |range: std::ops::Range<usize>| {
            let sequences: Vec<_> = events[range].iter().map(|event| event.sequence).collect();
            let store = Arc::clone(&store);
            async move { store.confirm(&sequences).await.expect("confirmed") }
        };

        confirm(20..30).await;
        assert_eq!(store.log_start().await.expect("start"), Sequence(0), "the oldest waits");
        confirm(0..5).await;
        assert_eq!(store.log_start().await.expect("start"), Sequence(5), "the sixth waits");
        assert_eq!(sequences(&store).await, (6..=20).collect::<Vec<_>>());

        confirm(5..20).await;
        let start = store.log_start().await.expect("start");
        assert_eq!(start, Sequence(20), "the newest 10 are kept");
        let log = store.log_after(start, 100).await.expect("log");
        let log: Vec<_> = log.iter().map(|entry| entry.sequence().0).collect();
        assert_eq!(log, (21..=30).collect::<Vec<_>>());
        assert_eq!(store.log_after(Sequence(0), 100).await.expect("log").len(), 10);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_is_woken_sooner_than_it_polls() {
    with_schema(|options| async move {
        let writer = open(&options).await;
        let reader = open(&options).await;
        let mut committed = reader.committed();
        let started = std::time::Instant::now();
        for secs in 0..10 {
            writer.append(vec![observed("AAPL", secs, "1")]).await.expect("appended");
            let last = *writer.committed().borrow();
            tokio::time::timeout(DEADLINE, committed.wait_for(|sequence| *sequence >= last))
                .await
                .expect("woken in time")
                .expect("open");
        }
        // Polling alone would take a second each.
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_is_unavailable() {
    with_schema(|options| async move {
        let options = PostgresOptions { call_timeout: Duration::from_millis(500), ..options };
        // Made beforehand: making the schema may take longer.
        drop(open(&PostgresOptions { call_timeout: DEADLINE, ..options.clone() }).await);
        let store = open(&options).await;
        let mut other = connect(&options).await;
        other.execute(BEGIN_WRITING).await.expect("locked");

        let error = store.append(vec![observed("AAPL", 1, "1")]).await.expect_err("too long");

        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        other.execute("rollback").await.expect("released");
        eventually("an append once the lock is free", || async {
            store.append(vec![observed("AAPL", 1, "1")]).await.is_ok()
        })
        .await;
        assert_eq!(sequences(&store).await.len(), 1);
    })
    .await;
}
