//! Opening, closing and asking after the whole store.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Postgres, Transaction};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::model::{AuditDraft, Sequence};
use crate::ports::{Store, StoreErrorKind, StoreStatus};
use crate::telemetry::metrics;

use super::append::{Queue, flush_queue};
use super::committed::{LAST_COMMITTED, follow_commits};
use super::error::{Result, closed, translate};
use super::migrate::{SCHEMA_VERSION, migrate};
use super::options::{OpenError, PostgresOptions};
use super::rows::{get, unsigned};

/// Prices, averages and the log in a PostgreSQL database.
///
/// Several processes may use one database at the same time.
#[derive(Clone)]
pub struct PostgresStore {
    pub(super) db: Arc<Database>,
    pub(super) queue: Arc<Queue>,
    /// Goes into the trail with each change, in views made by `audited`.
    pub(super) draft: Option<AuditDraft>,
    /// The flusher, then the listener. They end with the store: dropping the set aborts them.
    tasks: Arc<Mutex<JoinSet<()>>>,
}

/// What the store's calls and its tasks share.
pub(super) struct Database {
    pub(super) pool: PgPool,
    pub(super) options: PostgresOptions,
    /// How many events this process has confirmed: says when the log is to be cut.
    pub(super) n_confirmed: AtomicUsize,
    committed: watch::Sender<Sequence>,
}

impl PostgresStore {
    /// Connects, brings the schema up to date and starts the store's two tasks.
    ///
    /// # Errors
    /// [`OpenError`] with a sentence for the operator; it never holds the password.
    pub async fn open(options: PostgresOptions) -> std::result::Result<Self, OpenError> {
        let connect = options.connect_options()?;
        let mut connection =
            tokio::time::timeout(options.call_timeout, PgConnection::connect_with(&connect))
                .await
                .map_err(|_| OpenError::Unreachable("no answer in time".into()))?
                .map_err(|error| OpenError::connecting(&error))?;
        migrate(&mut connection, &options.schema).await?;
        let last_sequence: i64 = sqlx::query_scalar(LAST_COMMITTED)
            .fetch_one(&mut connection)
            .await
            .map_err(|error| OpenError::migrating(&error))?;
        // It served its purpose; failing to part politely changes nothing.
        let _ = connection.close().await;

        let committed = Sequence(u64::try_from(last_sequence).unwrap_or(0));
        let db = Arc::new(Database {
            pool: options.pool_options().connect_lazy_with(connect),
            options,
            n_confirmed: AtomicUsize::new(0),
            committed: watch::Sender::new(committed),
        });
        let (queue, waiting) = Queue::new(&db.options);
        let mut tasks = JoinSet::new();
        tasks.spawn(flush_queue(Arc::clone(&db), waiting));
        tasks.spawn(follow_commits(Arc::clone(&db)));
        let tasks = Arc::new(Mutex::new(tasks));
        Ok(Self { db, queue: Arc::new(queue), draft: None, tasks })
    }
}

impl Database {
    /// Runs one call of the port, at most as long as a call may take.
    pub(super) async fn within<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        if self.pool.is_closed() {
            return Err(closed());
        }
        match tokio::time::timeout(self.options.call_timeout, call).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreErrorKind::Unavailable
                .because(format!("no answer within {:?}", self.options.call_timeout))),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "it must end when its caller goes away")]
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        // Given up half-way, sqlx (0.9) would put the connection back into the pool within a
        // transaction that it knows nothing of, and what others then do on it is not committed.
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move { pool.begin().await }).await;
        begun.map_err(|error| StoreErrorKind::Unavailable.because(error))?.map_err(translate)
    }

    /// Tells watchers that everything up to `sequence` is committed. Never runs backwards.
    pub(super) fn tell_committed(&self, sequence: Sequence) {
        self.committed.send_if_modified(|known| {
            let is_news = sequence > *known;
            if is_news {
                *known = sequence;
            }
            is_news
        });
    }

    pub(super) fn committed(&self) -> watch::Receiver<Sequence> {
        self.committed.subscribe()
    }
}

/// How many rows of a table are counted one by one.
const COUNTED: i64 = 10_000;

#[async_trait]
impl Store for PostgresStore {
    async fn status(&self) -> Result<StoreStatus> {
        let counts = self.db.within(async {
            sqlx::query(
                // Metrics ask often. So what is many is not counted: PostgreSQL knows about how many.
                "with kept as ( \
                     select oid, coalesce(inhparent, oid) as whole, \
                            greatest(n_live_tup, reltuples, 0)::bigint as n_rows \
                       from pg_catalog.pg_class \
                       left join pg_catalog.pg_inherits on inhrelid = oid \
                       left join pg_catalog.pg_stat_all_tables on relid = oid \
                      where relnamespace = current_schema()::regnamespace and relkind = 'r' \
                 ), few as ( \
                     select 'prices'::regclass as whole, count(*) as n \
                       from (select from prices where not deleted limit $1) as first_ones \
                     union all \
                     select 'averages'::regclass, count(*) \
                       from (select from averages limit $1) as first_ones \
                 ), counts as ( \
                     select whole, case when n < $1 then n else greatest(n, \
                                (select sum(n_rows) from kept where kept.whole = few.whole)) end as n \
                       from few \
                 ) \
                 select (select count(*) from symbols), \
                        (select n::bigint from counts where whole = 'prices'::regclass), \
                        (select n::bigint from counts where whole = 'averages'::regclass), \
                        (select count(*) from dead_letters), \
                        (select coalesce(sum(pg_total_relation_size(oid)), 0)::bigint from kept)",
            )
            .bind(COUNTED)
            .fetch_one(&self.db.pool)
            .await
            .map_err(translate)
        });
        let row = counts.await?;
        let (n_all, n_idle) = (self.db.pool.size() as usize, self.db.pool.num_idle());
        metrics::store_connections(n_idle, n_all.saturating_sub(n_idle));
        Ok(StoreStatus {
            backend: "postgres",
            schema_version: SCHEMA_VERSION,
            n_symbols: unsigned(get(&row, 0)?)?,
            n_prices: unsigned(get(&row, 1)?)?,
            n_averages: unsigned(get(&row, 2)?)?,
            n_dead_letters: unsigned(get(&row, 3)?)?,
            size_bytes: unsigned(get(&row, 4)?)?,
        })
    }

    async fn check(&self) -> Result<()> {
        let written = self.db.within(async {
            sqlx::query("update checks set checked_at = now()")
                .execute(&self.db.pool)
                .await
                .map_err(translate)
        });
        written.await.map(|_| ())
    }

    async fn close(&self) -> Result<()> {
        self.queue.close();
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let everything = async {
            // The flusher ends once it has stored what was accepted; the listener never does.
            let _ = tasks.join_next().await;
            tasks.shutdown().await;
        };
        let in_time = tokio::time::timeout(self.db.options.call_timeout, everything).await;
        // A snapshot that somebody still reads keeps its connection; do not wait for it long.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.db.pool.close()).await;
        in_time.map_err(|_| {
            StoreErrorKind::Unavailable.because("not everything accepted was stored in time")
        })
    }
}
