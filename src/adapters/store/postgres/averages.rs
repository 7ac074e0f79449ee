//! Moving averages, consumer positions and the windows that are complete.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Postgres, Transaction};

use crate::model::{MovingAverage, Position, Symbol, TimeRange, Window};
use crate::ports::{AverageStore, AverageTurn, AverageUpdate, ConsumerPosition};

use super::error::{Result, translate};
use super::log::write_averages;
use super::rows::{bigint, count, get, mean, price_id, symbol, timestamp, window};
use super::store::{Database, PostgresStore};
use super::write::lock_counters;

/// (symbol, window, position).
type AverageKey = (Symbol, Window, Position);

/// An open transaction that holds locks on the symbols: what it writes is gone when it loses them.
struct Turn {
    db: Arc<Database>,
    transaction: Transaction<'static, Postgres>,
}

#[async_trait]
impl AverageTurn for Turn {
    async fn apply(self: Box<Self>, update: AverageUpdate) -> Result<()> {
        let Self { db, mut transaction } = *self;
        db.clone()
            .within(async move {
                // Taken also when only positions are written: two averagers that write the same
                // rows in different orders would lock each other out otherwise.
                let counters = lock_counters(&mut transaction, 0).await?;
                let written = last_of_each(&update.averages);
                let changed = upsert(&mut transaction, &written).await?;
                remove(&mut transaction, &update.removed).await?;
                write_positions(&mut transaction, &update.positions).await?;
                let news: Vec<&MovingAverage> =
                    written.into_iter().filter(|average| changed.contains(&key(average))).collect();
                let committed =
                    write_averages(&mut transaction, &db.options, counters.last_sequence, &news)
                        .await?;
                transaction.commit().await.map_err(translate)?;
                db.tell_committed(committed);
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl AverageStore for PostgresStore {
    async fn average_turn(&self, symbols: &[Symbol]) -> Result<Box<dyn AverageTurn>> {
        let symbols: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
        let transaction = self.db.within(async {
            let mut transaction = self.db.begin().await?;
            // Always in the same order, so that nobody waits in a circle. Folding the hashes
            // bounds the locks that one turn holds; symbols that share one only wait longer.
            sqlx::query(
                "select pg_advisory_xact_lock(fold) from ( \
                     select distinct hashtextextended(symbol, 'log_bounds'::regclass::oid::bigint) \
                                     & 1023 as fold \
                       from unnest($1::text[]) as symbol order by 1 offset 0) as folds",
            )
            .bind(&symbols)
            .execute(&mut *transaction)
            .await
            .map_err(translate)?;
            Ok(transaction)
        });
        Ok(Box::new(Turn { db: Arc::clone(&self.db), transaction: transaction.await? }))
    }

    async fn consumer_position(&self, group: &str, partition: i32) -> Result<Option<u64>> {
        self.db
            .within(async {
                let position: Option<i64> = sqlx::query_scalar(
                    "select position from consumer_positions \
                      where consumer_group = $1 and partition = $2",
                )
                .bind(group)
                .bind(partition)
                .fetch_optional(&self.db.pool)
                .await
                .map_err(translate)?;
                Ok(position.map(i64::cast_unsigned))
            })
            .await
    }

    async fn latest_average(
        &self,
        symbol: &Symbol,
        window: Window,
    ) -> Result<Option<MovingAverage>> {
        self.db
            .within(async {
                let row = sqlx::query(
                    "select symbol, window_size, observed_at, price_id, mean::text from averages \
                      where symbol = $1 and window_size = $2 \
                      order by observed_at desc, price_id desc limit 1",
                )
                .bind(symbol.as_str())
                .bind(i32::from(window.get()))
                .fetch_optional(&self.db.pool)
                .await
                .map_err(translate)?;
                row.as_ref().map(average).transpose()
            })
            .await
    }

    async fn averages(
        &self,
        symbol: &Symbol,
        window: Window,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<MovingAverage>> {
        self.db
            .within(async {
                let rows = sqlx::query(
                    "select symbol, window_size, observed_at, price_id, mean::text from averages \
                      where symbol = $1 and window_size = $2 \
                        and observed_at >= $3 and observed_at < $4 \
                      order by observed_at desc, price_id desc limit $5",
                )
                .bind(symbol.as_str())
                .bind(i32::from(window.get()))
                .bind(range.from.to_utc())
                .bind(range.to.to_utc())
                .bind(count(limit))
                .fetch_all(&self.db.pool)
                .await
                .map_err(translate)?;
                rows.iter().map(average).collect()
            })
            .await
    }

    async fn materialised_windows(&self) -> Result<Vec<Window>> {
        self.db
            .within(async {
                let sizes: Vec<i32> = sqlx::query_scalar(
                    "select window_size from materialised_windows order by window_size",
                )
                .fetch_all(&self.db.pool)
                .await
                .map_err(translate)?;
                sizes.into_iter().map(window).collect()
            })
            .await
    }

    async fn set_materialised_windows(&self, windows: &[Window]) -> Result<()> {
        let sizes: Vec<i32> = windows.iter().map(|window| i32::from(window.get())).collect();
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                lock_counters(&mut transaction, 0).await?;
                replace_windows(&mut transaction, &sizes).await?;
                transaction.commit().await.map_err(translate)
            })
            .await
    }
}

/// Replaces the materialised windows and deletes the averages of all others.
pub(super) async fn replace_windows(connection: &mut PgConnection, sizes: &[i32]) -> Result<()> {
    sqlx::query("delete from materialised_windows where window_size <> all($1)")
        .bind(sizes)
        .execute(&mut *connection)
        .await
        .map_err(translate)?;
    sqlx::query(
        "insert into materialised_windows select distinct unnest($1::int[]) \
         on conflict do nothing",
    )
    .bind(sizes)
    .execute(&mut *connection)
    .await
    .map_err(translate)?;
    sqlx::query("delete from averages where window_size <> all($1)")
        .bind(sizes)
        .execute(&mut *connection)
        .await
        .map_err(translate)?;
    Ok(())
}

fn key(average: &MovingAverage) -> AverageKey {
    (average.symbol.clone(), average.window, average.at)
}

/// One statement cannot write a row twice: of averages with the same key the last counts.
fn last_of_each(averages: &[MovingAverage]) -> Vec<&MovingAverage> {
    let last: HashMap<AverageKey, usize> =
        averages.iter().enumerate().map(|(index, average)| (key(average), index)).collect();
    averages
        .iter()
        .enumerate()
        .filter(|(index, average)| last.get(&key(average)) == Some(index))
        .map(|(_, average)| average)
        .collect()
}

/// Writes averages, and answers the keys of those that are new or changed.
async fn upsert(
    connection: &mut PgConnection,
    averages: &[&MovingAverage],
) -> Result<HashSet<AverageKey>> {
    if averages.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query(
        "insert into averages (symbol, window_size, observed_at, price_id, mean) \
         select symbol, window_size, observed_at, price_id, mean::numeric \
           from unnest($1::text[], $2::int[], $3::timestamptz[], $4::bigint[], $5::text[]) \
             as given (symbol, window_size, observed_at, price_id, mean) \
         on conflict (symbol, window_size, observed_at, price_id) do update \
            set mean = excluded.mean where averages.mean <> excluded.mean \
         returning symbol, window_size, observed_at, price_id, mean::text",
    )
    .bind(averages.iter().map(|average| average.symbol.as_str()).collect::<Vec<&str>>())
    .bind(averages.iter().map(|average| i32::from(average.window.get())).collect::<Vec<i32>>())
    .bind(averages.iter().map(|average| average.at.observed_at.to_utc()).collect::<Vec<_>>())
    .bind(averages.iter().map(|average| bigint(average.at.id.get())).collect::<Vec<i64>>())
    .bind(averages.iter().map(|average| average.mean.to_string()).collect::<Vec<String>>())
    .fetch_all(connection)
    .await
    .map_err(translate)?;
    rows.iter().map(|row| average(row).map(|average| key(&average))).collect()
}

async fn remove(
    connection: &mut PgConnection,
    removed: &[(Symbol, Window, Position)],
) -> Result<()> {
    if removed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "delete from averages \
          using unnest($1::text[], $2::int[], $3::timestamptz[], $4::bigint[]) \
             as gone (symbol, window_size, observed_at, price_id) \
          where averages.symbol = gone.symbol and averages.window_size = gone.window_size \
            and averages.observed_at = gone.observed_at and averages.price_id = gone.price_id",
    )
    .bind(removed.iter().map(|(symbol, _, _)| symbol.as_str()).collect::<Vec<&str>>())
    .bind(removed.iter().map(|(_, window, _)| i32::from(window.get())).collect::<Vec<i32>>())
    .bind(removed.iter().map(|(_, _, at)| at.observed_at.to_utc()).collect::<Vec<_>>())
    .bind(removed.iter().map(|(_, _, at)| bigint(at.id.get())).collect::<Vec<i64>>())
    .execute(connection)
    .await
    .map_err(translate)?;
    Ok(())
}

async fn write_positions(
    connection: &mut PgConnection,
    positions: &[ConsumerPosition],
) -> Result<()> {
    for position in positions {
        sqlx::query(
            "insert into consumer_positions (consumer_group, partition, position) \
             values ($1, $2, $3) \
             on conflict (consumer_group, partition) do update set position = excluded.position",
        )
        .bind(&position.group)
        .bind(position.partition)
        // All 64 bits are kept; the sign means nothing here.
        .bind(position.offset.cast_signed())
        .execute(&mut *connection)
        .await
        .map_err(translate)?;
    }
    Ok(())
}

fn average(row: &PgRow) -> Result<MovingAverage> {
    Ok(MovingAverage {
        symbol: symbol(get(row, 0)?)?,
        window: window(get(row, 1)?)?,
        at: Position { observed_at: timestamp(get(row, 2)?)?, id: price_id(get(row, 3)?)? },
        mean: mean(get(row, 4)?)?,
    })
}
