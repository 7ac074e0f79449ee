//! Leases, by the clock of the database.

use std::time::Duration;

use async_trait::async_trait;

use crate::ports::LeaseStore;

use super::error::{Result, translate};
use super::store::PostgresStore;

#[async_trait]
impl LeaseStore for PostgresStore {
    async fn hold_lease(&self, name: &str, holder: &str, length: Duration) -> Result<bool> {
        self.db
            .within(async {
                // `clock_timestamp`, because `now` stands still within a transaction that waited.
                let held: Option<i32> = sqlx::query_scalar(
                    "insert into leases (name, holder, held_until) \
                     values ($1, $2, clock_timestamp() + make_interval(secs => $3)) \
                     on conflict (name) do update \
                        set holder = excluded.holder, held_until = excluded.held_until \
                      where leases.holder = excluded.holder \
                         or leases.held_until <= clock_timestamp() \
                     returning 1",
                )
                .bind(name)
                .bind(holder)
                .bind(length.as_secs_f64())
                .fetch_optional(&self.db.pool)
                .await
                .map_err(translate)?;
                Ok(held.is_some())
            })
            .await
    }

    async fn give_up_lease(&self, name: &str, holder: &str) -> Result<()> {
        self.db
            .within(async {
                sqlx::query("delete from leases where name = $1 and holder = $2")
                    .bind(name)
                    .bind(holder)
                    .execute(&self.db.pool)
                    .await
                    .map_err(translate)?;
                Ok(())
            })
            .await
    }
}
