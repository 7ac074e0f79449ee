//! The schema and its versions.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::options::OpenError;

/// Every step up, in order. A released file never changes; the next change is the next file.
const STEPS: &[(u32, &str)] = &[
    (1, include_str!("../../../../migrations/postgres/0001_prices.up.sql")),
    (2, include_str!("../../../../migrations/postgres/0002_access.up.sql")),
];

/// The schema version this code reads and writes.
pub(super) const SCHEMA_VERSION: u32 = STEPS[STEPS.len() - 1].0;

/// Brings the schema up to [`SCHEMA_VERSION`] in one transaction, one process at a time.
pub(super) async fn migrate(connection: &mut PgConnection, schema: &str) -> Result<(), OpenError> {
    let mut transaction = connection.begin().await.map_err(|error| OpenError::migrating(&error))?;
    // Advisory locks are shared by the whole database: the name of the schema keeps them apart.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('tickerd migrate ' || $1, 0))")
        .bind(schema)
        .execute(&mut *transaction)
        .await
        .map_err(|error| OpenError::migrating(&error))?;
    let exists: bool = sqlx::query_scalar(
        "select exists (select from pg_catalog.pg_namespace where nspname = $1)",
    )
    .bind(schema)
    .fetch_one(&mut *transaction)
    .await
    .map_err(|error| OpenError::migrating(&error))?;
    if !exists {
        // The name was checked to be lower-case letters, digits and underscores.
        transaction
            .execute(AssertSqlSafe(format!("create schema {schema}")))
            .await
            .map_err(|error| OpenError::migrating(&error))?;
    }
    let found =
        apply_steps(&mut transaction).await.map_err(|error| OpenError::migrating(&error))?;
    if found > SCHEMA_VERSION {
        return Err(OpenError::NewerSchema { found, known: SCHEMA_VERSION });
    }
    transaction.commit().await.map_err(|error| OpenError::migrating(&error))
}

/// Applies the steps above the version found, and answers that version.
async fn apply_steps(connection: &mut PgConnection) -> sqlx::Result<u32> {
    connection
        .execute(
            "create table if not exists schema_versions \
             (version integer primary key, applied_at timestamptz not null default now())",
        )
        .await?;
    let found: i32 = sqlx::query_scalar("select coalesce(max(version), 0) from schema_versions")
        .fetch_one(&mut *connection)
        .await?;
    let found = u32::try_from(found).unwrap_or(0);
    for (version, sql) in STEPS.iter().filter(|(version, _)| *version > found) {
        tracing::info!(version, "bringing the PostgreSQL schema up");
        sqlx::raw_sql(*sql).execute(&mut *connection).await?;
        sqlx::query("insert into schema_versions (version) values ($1)")
            .bind(i32::try_from(*version).unwrap_or(i32::MAX))
            .execute(&mut *connection)
            .await?;
    }
    Ok(found)
}
