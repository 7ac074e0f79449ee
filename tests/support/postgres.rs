//! PostgreSQL stores of a test's own: each in a fresh schema that is dropped afterwards.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tickerd::adapters::store::postgres::PostgresOptions;

/// Options for a store in a schema nobody else has; none when there is no server.
pub(crate) fn fresh_options() -> Option<PostgresOptions> {
    static N_SCHEMAS: AtomicU64 = AtomicU64::new(0);
    let url = crate::servers::offered("postgres")?;
    let schema = format!("t{}_{}", std::process::id(), N_SCHEMAS.fetch_add(1, Ordering::Relaxed));
    Some(PostgresOptions {
        schema,
        max_connections: 4,
        call_timeout: Duration::from_secs(60),
        ..PostgresOptions::new(url)
    })
}

/// Takes a test's schema away.
pub(crate) async fn drop_schema(options: &PostgresOptions) {
    let mut connection = PgConnection::connect(&options.url).await.expect("a connection");
    let schema = &options.schema;
    connection
        .execute(AssertSqlSafe(format!("drop schema if exists {schema} cascade")))
        .await
        .expect("the schema is dropped");
}
