//! What every writing transaction is made of.
//!
//! The functions here run within a transaction that holds the writers' lock.

use sqlx::postgres::PgConnection;

use crate::model::{Price, Sequence, Timestamp};

use super::error::{Result, translate};
use super::rows::{PriceColumns, bigint, external_id, get, time_source_code, unsigned};

/// The last numbers given away, as they are while the lock is held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counters {
    pub(super) last_price_id: u64,
    pub(super) last_sequence: Sequence,
}

/// Takes the writers' lock, after all writers before have committed or failed, and `n_price_ids`
/// ids: those up to `last_price_id`. What the next statement reads includes all they committed.
pub(super) async fn lock_counters(
    connection: &mut PgConnection,
    n_price_ids: usize,
) -> Result<Counters> {
    // The id of a table tells the schemas of one database apart; the first number says that it is
    // tickerd's lock, to whoever looks into pg_locks.
    sqlx::query("select pg_advisory_xact_lock(20240501, 'log_bounds'::regclass::oid::int)")
        .execute(&mut *connection)
        .await
        .map_err(translate)?;
    // A statement of its own: the numbers must not be read before the lock is there.
    let row = sqlx::query(
        "select setval('last_price_id', (select last_value from last_price_id) + $1), \
                (select last_value from last_sequence)",
    )
    .bind(bigint(n_price_ids))
    .fetch_one(connection)
    .await
    .map_err(translate)?;
    Ok(Counters {
        last_price_id: unsigned(get(&row, 0)?)?,
        last_sequence: Sequence(unsigned(get(&row, 1)?)?),
    })
}

/// Inserts current versions whose key and id are free, and their symbols. Answers the ids of those
/// inserted.
pub(super) async fn insert_prices(
    connection: &mut PgConnection,
    columns: &PriceColumns,
) -> Result<Vec<i64>> {
    sqlx::query_scalar(
        "with given as ( \
             select * from unnest($1::bigint[], $2::int[], $3::text[], $4::text[], \
                                  $5::timestamptz[], $6::text[], $7::text[], $8::text[], \
                                  $9::text[], $10::timestamptz[], $11::smallint[], $12::text[], \
                                  $13::bool[]) \
               as given (id, version, symbol, provider, observed_at, external_id, price, volume, \
                         currency, received_at, time_source, raw, deleted) \
         ), named as ( \
             insert into symbols (symbol) \
             select distinct symbol collate \"C\" from given order by 1 \
             on conflict do nothing \
         ) \
         insert into prices (id, version, symbol, provider, observed_at, external_id, price, \
                             volume, currency, received_at, time_source, raw, deleted) \
         select id, version, symbol, provider, observed_at, external_id, price::numeric, \
                volume::numeric, currency, received_at, time_source, raw, deleted \
           from given \
         on conflict do nothing \
         returning id",
    )
    .bind(&columns.ids)
    .bind(&columns.versions)
    .bind(&columns.symbols)
    .bind(&columns.providers)
    .bind(&columns.observed_at)
    .bind(&columns.external_ids)
    .bind(&columns.prices)
    .bind(&columns.volumes)
    .bind(&columns.currencies)
    .bind(&columns.received_at)
    .bind(&columns.time_sources)
    .bind(&columns.raws)
    .bind(&columns.deleted)
    .fetch_all(connection)
    .await
    .map_err(translate)
}

/// Inserts superseded versions; those that are there already are left as they are.
pub(super) async fn insert_versions(
    connection: &mut PgConnection,
    columns: &PriceColumns,
) -> Result<()> {
    sqlx::query(
        "insert into price_versions (id, version, symbol, provider, observed_at, external_id, \
                                     price, volume, currency, received_at, time_source, raw, \
                                     deleted, superseded_at) \
         select id, version, symbol, provider, observed_at, external_id, price::numeric, \
                volume::numeric, currency, received_at, time_source, raw, deleted, superseded_at \
           from unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::timestamptz[], \
                       $6::text[], $7::text[], $8::text[], $9::text[], $10::timestamptz[], \
                       $11::smallint[], $12::text[], $13::bool[], $14::timestamptz[]) \
             as given (id, version, symbol, provider, observed_at, external_id, price, volume, \
                       currency, received_at, time_source, raw, deleted, superseded_at) \
         on conflict do nothing",
    )
    .bind(&columns.ids)
    .bind(&columns.versions)
    .bind(&columns.symbols)
    .bind(&columns.providers)
    .bind(&columns.observed_at)
    .bind(&columns.external_ids)
    .bind(&columns.prices)
    .bind(&columns.volumes)
    .bind(&columns.currencies)
    .bind(&columns.received_at)
    .bind(&columns.time_sources)
    .bind(&columns.raws)
    .bind(&columns.deleted)
    .bind(&columns.superseded_at)
    .execute(connection)
    .await
    .map_err(translate)?;
    Ok(())
}

/// When the version after `before` is learnt: never earlier than `before` was.
pub(super) fn not_before(before: &Price, received_at: Timestamp) -> Timestamp {
    received_at.max(before.observation.received_at)
}

/// Makes `next` the current version of its price and moves the one before to the old versions.
pub(super) async fn supersede(
    connection: &mut PgConnection,
    next: &Price,
    deleted: bool,
) -> Result<()> {
    let observation = &next.observation;
    // Both parts of the statement see the row as it was before.
    sqlx::query(
        "with superseded as ( \
             insert into price_versions (id, version, symbol, provider, observed_at, external_id, \
                                         price, volume, currency, received_at, time_source, raw, \
                                         deleted, superseded_at) \
             select id, version, symbol, provider, observed_at, external_id, price, volume, \
                    currency, received_at, time_source, raw, deleted, $8 \
               from prices where id = $1 and observed_at = $2 \
         ) \
         update prices \
            set version = $3, external_id = $4, price = $5::text::numeric, volume = $6::text::numeric, \
                currency = $7, received_at = $8, time_source = $9, raw = $10, deleted = $11 \
          where id = $1 and observed_at = $2",
    )
    .bind(bigint(next.id.get()))
    .bind(observation.observed_at.to_utc())
    .bind(i32::try_from(next.version).unwrap_or(i32::MAX))
    .bind(external_id(observation))
    .bind(observation.price.to_string())
    .bind(observation.volume.map(|volume| volume.to_string()))
    .bind(observation.currency.as_str())
    .bind(observation.received_at.to_utc())
    .bind(time_source_code(observation.time_source))
    .bind(observation.raw.as_ref().map(|raw| raw.0.as_ref()))
    .bind(deleted)
    .execute(connection)
    .await
    .map_err(translate)?;
    Ok(())
}
