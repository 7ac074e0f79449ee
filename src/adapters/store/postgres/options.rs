//! How to reach a database, and why it could not be opened.

use std::str::FromStr;
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// How long a connection may have been idle to be used without a ping.
const PING_AFTER: Duration = Duration::from_millis(500);

/// Where the store is and how much it may take of the server.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// The schema that holds the tables; made when it is missing.
    pub schema: String,
    /// Two are always needed: one waits for notifications.
    pub max_connections: u32,
    /// The longest that one call may take, waiting for a connection included.
    pub call_timeout: Duration,
    /// How many observations may wait to be stored.
    pub queue_rows: usize,
    /// How long an append waits for room in the queue before it is refused as overloaded.
    pub overload_after: Duration,
    /// How many of the newest log entries are kept for streams to resume from; what is not
    /// confirmed is always kept.
    pub log_entries: u64,
}

impl PostgresOptions {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            schema: "tickerd".into(),
            max_connections: 10,
            call_timeout: Duration::from_secs(30),
            queue_rows: 50_000,
            overload_after: Duration::from_secs(5),
            log_entries: 1_000_000,
        }
    }

    pub(super) fn connect_options(&self) -> Result<PgConnectOptions, OpenError> {
        let valid_schema = !self.schema.is_empty()
            && self.schema.len() <= 48
            && self
                .schema
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && !self.schema.starts_with(|c: char| c.is_ascii_digit());
        if !valid_schema {
            return Err(OpenError::Schema(self.schema.clone()));
        }
        let millis = self.call_timeout.as_millis().to_string();
        let connect =
            PgConnectOptions::from_str(&self.url).map_err(|error| OpenError::url(&error))?;
        Ok(connect.application_name(&self.application_name()).options([
            ("search_path", self.schema.as_str()),
            // The server gives up when the client would. That goes for a process, too, that was
            // stopped or cut off within a transaction: it may hold the lock all writers wait for.
            ("statement_timeout", &millis),
            ("idle_in_transaction_session_timeout", &millis),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            // "already exists, skipping" is no news.
            ("client_min_messages", "warning"),
            // Not left to the settings of the server: an acknowledged price is durable, and a
            // transaction that waited for the lock sees what was committed meanwhile.
            ("synchronous_commit", "on"),
            ("default_transaction_isolation", "read committed"),
            // Every query here has its index. A plan made while a table was still small must not
            // read all of it later.
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            // Planning over all partitions takes milliseconds, so it is done once a connection;
            // partitions that cannot match are then left out at execution.
            ("plan_cache_mode", "force_generic_plan"),
            ("jit", "off"),
        ]))
    }

    pub(super) fn pool_options(&self) -> PgPoolOptions {
        PgPoolOptions::new()
            .max_connections(self.max_connections.max(2))
            .acquire_timeout(self.call_timeout.min(Duration::from_secs(10)))
            // A ping before each use costs a fifth of the throughput, so only a connection that
            // was idle for a while is asked whether it still stands: after a restart of the server
            // that is all of them but those in use.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > PING_AFTER {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
    }

    /// How an operator finds this store's connections in `pg_stat_activity`.
    fn application_name(&self) -> String {
        format!("tickerd/{}", self.schema)
    }

    /// The channel on which commits to the log are told.
    pub(super) fn channel(&self) -> String {
        format!("tickerd_{}", self.schema)
    }
}

/// Without the password.
impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// Why the store cannot be opened, for an operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the PostgreSQL URL cannot be read: {0}; write postgres://user:password@host:port/database"
    )]
    Url(String),
    #[error("`{0}` is no schema name: use up to 48 of a-z 0-9 _, not starting with a digit")]
    Schema(String),
    #[error("the PostgreSQL URL's user or password is refused: {0}")]
    Refused(String),
    #[error("PostgreSQL cannot be reached: {0}; is the server of the URL running?")]
    Unreachable(String),
    #[error(
        "the database has schema version {found}, this tickerd knows only {known}: \
         start a newer tickerd, or restore a backup made before the upgrade"
    )]
    NewerSchema { found: u32, known: u32 },
    #[error("the tables cannot be made: {0}; the user needs the right to create a schema")]
    Migration(String),
}

impl OpenError {
    fn url(error: &sqlx::Error) -> Self {
        // The text of a parse error names what is wrong, not the URL and its password.
        Self::Url(text(error))
    }

    pub(super) fn connecting(error: &sqlx::Error) -> Self {
        match error {
            // invalid_authorization_specification, invalid_password, invalid_catalog_name
            sqlx::Error::Database(database)
                if matches!(database.code().as_deref(), Some("28000" | "28P01" | "3D000")) =>
            {
                Self::Refused(text(error))
            }
            _ => Self::Unreachable(text(error)),
        }
    }

    pub(super) fn migrating(error: &sqlx::Error) -> Self {
        Self::Migration(text(error))
    }
}

fn text(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        sqlx::Error::Configuration(reason) => reason.to_string(),
        other => other.to_string(),
    }
}
