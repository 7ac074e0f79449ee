//! Dropping what is old.

use async_trait::async_trait;

use crate::model::Timestamp;
use crate::ports::{Dropped, Retention};

use super::error::{Result, translate};
use super::rows::{count, get, unsigned};
use super::store::PostgresStore;

#[async_trait]
impl Retention for PostgresStore {
    async fn drop_before(&self, cutoff: Timestamp, limit: usize) -> Result<Dropped> {
        self.db
            .within(async {
                let row = sqlx::query(
                    "with gone as materialized ( \
                         select id, symbol, observed_at from prices where observed_at < $1 \
                          order by observed_at, id limit $2), \
                     gone_versions as ( \
                         delete from price_versions using gone where price_versions.id = gone.id), \
                     gone_averages as ( \
                         delete from averages using gone, materialised_windows \
                          where averages.symbol = gone.symbol \
                            and averages.window_size = materialised_windows.window_size \
                            and averages.observed_at = gone.observed_at \
                            and averages.price_id = gone.id \
                      returning 1), \
                     gone_prices as ( \
                         delete from prices using gone \
                          where prices.id = gone.id and prices.observed_at = gone.observed_at \
                      returning 1) \
                     select (select count(*) from gone_prices), \
                            (select count(*) from gone_averages)",
                )
                .bind(cutoff.to_utc())
                .bind(count(limit))
                .fetch_one(&self.db.pool)
                .await
                .map_err(translate)?;
                Ok(Dropped {
                    n_prices: unsigned(get(&row, 0)?)?,
                    n_averages: unsigned(get(&row, 1)?)?,
                })
            })
            .await
    }

    /// Rows that are deleted leave their pages for others: the size says nothing about the rows.
    async fn fitting_from(&self, _: u64) -> Result<Option<Timestamp>> {
        Ok(None)
    }
}
