//! What one would write without the service: a table of prices in PostgreSQL, and an index.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use sqlx::Executor;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::task::JoinSet;

use super::client::Load;
use super::{N_SYMBOLS, walk};

pub(crate) struct Plain {
    url: String,
    pool: PgPool,
    next: Arc<AtomicI64>,
}

impl Plain {
    /// The table, where somebody offers a server.
    pub(crate) async fn offered() -> Option<Self> {
        let url = std::env::var("TICKERD_TEST_POSTGRES_URL").ok()?;
        let pool = PgPoolOptions::new().max_connections(4).connect(&url).await.expect("connected");
        pool.execute("drop table if exists plain").await.expect("dropped");
        pool.execute(
            "create table plain (id bigserial primary key, symbol text not null, \
             provider text not null, observed_at timestamptz not null, \
             received_at timestamptz not null default now(), price numeric not null, \
             unique (symbol, provider, observed_at))",
        )
        .await
        .expect("made");
        pool.execute("create index on plain (symbol, observed_at)").await.expect("made");
        Some(Self { url, pool, next: Arc::new(AtomicI64::new(1_700_000_000_000_000)) })
    }

    pub(crate) async fn clean(&self) {
        let bytes: i64 = sqlx::query_scalar("select pg_total_relation_size('plain')")
            .fetch_one(&self.pool)
            .await
            .expect("told");
        let n_rows: i64 = sqlx::query_scalar("select count(*) from plain")
            .fetch_one(&self.pool)
            .await
            .expect("told");
        println!("| bytes a price, PostgreSQL | {:.1} |", bytes as f64 / n_rows as f64);
        self.pool.execute("drop table plain").await.expect("dropped");
    }

    /// Copies rows in and gives how many in a second.
    pub(crate) async fn copy(&self, rows: Range<u64>) -> f64 {
        let n_rows = rows.end - rows.start;
        let lines = rows.map(|n| {
            let (symbol, price, micros) = walk(n);
            let at = tickerd::model::Timestamp::from_micros(micros).expect("a time");
            format!("{symbol}\tmanual\t{at}\t{price}\n")
        });
        let text: String = lines.collect();
        let started = Instant::now();
        let statement = "copy plain (symbol, provider, observed_at, price) from stdin";
        let mut connection = self.pool.acquire().await.expect("connected");
        let mut copy = connection.copy_in_raw(statement).await.expect("begun");
        copy.send(text.as_bytes()).await.expect("sent");
        copy.finish().await.expect("copied");
        n_rows as f64 / started.elapsed().as_secs_f64()
    }

    /// So many callers that insert a row each in a transaction of its own.
    pub(crate) async fn inserts(&self, n_callers: usize, duration: Duration) -> Load {
        let next = Arc::clone(&self.next);
        self.crowd(n_callers, duration, move |pool| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            async move {
                sqlx::query(
                    "insert into plain (symbol, provider, observed_at, price) \
                     values ($1, 'manual', to_timestamp($2::bigint / 1e6), $3::text::numeric)",
                )
                .bind(format!("S{}", number.unsigned_abs() % N_SYMBOLS))
                .bind(number)
                .bind("60000.25")
                .execute(&pool)
                .await
                .expect("inserted");
            }
        })
        .await
    }

    /// So many callers that ask a question about one symbol after the other.
    pub(crate) async fn ask(
        &self,
        sql: &'static str,
        n_callers: usize,
        duration: Duration,
    ) -> Load {
        let next = Arc::clone(&self.next);
        self.crowd(n_callers, duration, move |pool| {
            let symbol = next.fetch_add(1, Ordering::Relaxed).unsigned_abs() % N_SYMBOLS;
            async move {
                let question = sqlx::query(sql).bind(format!("S{symbol}"));
                assert!(!question.fetch_all(&pool).await.expect("answered").is_empty());
            }
        })
        .await
    }

    async fn crowd<F: Future<Output = ()> + Send + 'static>(
        &self,
        n_callers: usize,
        duration: Duration,
        once: impl Fn(PgPool) -> F + Clone + Send + 'static,
    ) -> Load {
        // A server takes 100 connections by default; callers beyond that wait for one.
        let n_connections = n_callers.min(64) as u32;
        let pool = PgPoolOptions::new()
            .max_connections(n_connections)
            .min_connections(n_connections)
            .test_before_acquire(false)
            .connect(&self.url)
            .await
            .expect("connected");
        let started = Instant::now();
        let mut callers = JoinSet::new();
        for _ in 0..n_callers {
            let (pool, once) = (pool.clone(), once.clone());
            callers.spawn(async move {
                let mut times = Vec::new();
                while started.elapsed() < duration {
                    let sent = Instant::now();
                    once(pool.clone()).await;
                    times.push(sent.elapsed());
                }
                times
            });
        }
        let times = callers.join_all().await.into_iter().flatten().collect();
        let load = Load::of(times, started.elapsed());
        pool.close().await;
        load
    }
}
