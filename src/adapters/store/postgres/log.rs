//! The log of changes and the outbox.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use tokio::sync::watch;
use uuid::Uuid;

use crate::model::{
    Currency, EventKind, MovingAverage, Position, Price, PriceEvent, ProviderName, Sequence,
};
use crate::ports::{LogEntry, Outbox, StoreErrorKind};

use super::error::{Result, corrupt, translate};
use super::options::PostgresOptions;
use super::rows::{
    amount, bigint, count, get, mean, price_id, symbol, timestamp, unsigned, window,
};
use super::store::{Database, PostgresStore};

const AVERAGE: i16 = 3;

macro_rules! log_columns {
    () => {
        "log.sequence, kind, symbol, observed_at, price_id, amount::text, window_size, \
         message_id, version, currency, volume::text, received_at, provider, has_raw"
    };
}

/// Writes events behind `last`, in order, into the log and the outbox, and tells other processes.
/// Answers the sequence of the last. Callers hold the writers' lock and commit.
pub(super) async fn write_events(
    connection: &mut PgConnection,
    options: &PostgresOptions,
    last: Sequence,
    events: &[(EventKind, &Price)],
) -> Result<Sequence> {
    if events.is_empty() {
        return Ok(last);
    }
    let now_last = Sequence(last.0 + events.len() as u64);
    let mut message_ids = Vec::with_capacity(events.len());
    for (_, price) in events {
        message_ids.push(message_id(price)?);
    }
    let column = |of: fn(&Price) -> String| -> Vec<String> {
        events.iter().map(|(_, price)| of(price)).collect()
    };
    sqlx::query(
        "with given as ( \
             select $1 + ordinality as sequence, given.* \
               from unnest($2::smallint[], $3::text[], $4::timestamptz[], $5::bigint[], \
                           $6::text[], $7::uuid[], $8::int[], $9::text[], $10::text[], \
                           $11::timestamptz[], $12::text[], $13::bool[]) with ordinality \
                 as given (kind, symbol, observed_at, price_id, amount, message_id, version, \
                           currency, volume, received_at, provider, has_raw, ordinality) \
         ), queued as ( \
             insert into outbox (sequence) select sequence from given \
         ), written as ( \
             insert into log (sequence, kind, symbol, observed_at, price_id, amount, message_id, \
                              version, currency, volume, received_at, provider, has_raw) \
             select sequence, kind, symbol, observed_at, price_id, amount::numeric, message_id, \
                    version, currency, volume::numeric, received_at, provider, has_raw from given \
         ) \
         select pg_notify($15, setval('last_sequence', $14)::text)",
    )
    .bind(bigint(last.0))
    .bind(events.iter().map(|(kind, _)| code(*kind)).collect::<Vec<i16>>())
    .bind(column(|price| price.observation.symbol.as_str().to_owned()))
    .bind(events.iter().map(|(_, p)| p.observation.observed_at.to_utc()).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, price)| bigint(price.id.get())).collect::<Vec<i64>>())
    .bind(column(|price| price.observation.price.to_string()))
    .bind(message_ids)
    .bind(
        events
            .iter()
            .map(|(_, price)| i32::try_from(price.version).unwrap_or(i32::MAX))
            .collect::<Vec<i32>>(),
    )
    .bind(column(|price| price.observation.currency.as_str().to_owned()))
    .bind(
        events
            .iter()
            .map(|(_, price)| price.observation.volume.map(|volume| volume.to_string()))
            .collect::<Vec<Option<String>>>(),
    )
    .bind(events.iter().map(|(_, p)| p.observation.received_at.to_utc()).collect::<Vec<_>>())
    .bind(column(|price| price.observation.provider.as_str().to_owned()))
    .bind(events.iter().map(|(_, p)| p.observation.raw.is_some()).collect::<Vec<bool>>())
    .bind(bigint(now_last.0))
    .bind(options.channel())
    .execute(connection)
    .await
    .map_err(translate)?;
    Ok(now_last)
}

/// Writes averages behind `last` into the log, as [`write_events`] does events.
pub(super) async fn write_averages(
    connection: &mut PgConnection,
    options: &PostgresOptions,
    last: Sequence,
    averages: &[&MovingAverage],
) -> Result<Sequence> {
    if averages.is_empty() {
        return Ok(last);
    }
    let now_last = Sequence(last.0 + averages.len() as u64);
    sqlx::query(
        "with written as ( \
             insert into log (sequence, kind, symbol, observed_at, price_id, amount, window_size) \
             select $1 + ordinality, $2, symbol, observed_at, price_id, mean::numeric, window_size \
               from unnest($3::text[], $4::timestamptz[], $5::bigint[], $6::text[], $7::int[]) \
                    with ordinality \
                 as given (symbol, observed_at, price_id, mean, window_size, ordinality) \
         ) \
         select pg_notify($9, setval('last_sequence', $8)::text)",
    )
    .bind(bigint(last.0))
    .bind(AVERAGE)
    .bind(averages.iter().map(|average| average.symbol.as_str()).collect::<Vec<&str>>())
    .bind(averages.iter().map(|average| average.at.observed_at.to_utc()).collect::<Vec<_>>())
    .bind(averages.iter().map(|average| bigint(average.at.id.get())).collect::<Vec<i64>>())
    .bind(averages.iter().map(|average| average.mean.to_string()).collect::<Vec<String>>())
    .bind(averages.iter().map(|average| i32::from(average.window.get())).collect::<Vec<i32>>())
    .bind(bigint(now_last.0))
    .bind(options.channel())
    .execute(connection)
    .await
    .map_err(translate)?;
    Ok(now_last)
}

#[async_trait]
impl Outbox for PostgresStore {
    async fn pending(&self, limit: usize) -> Result<Vec<PriceEvent>> {
        self.db
            .within(async {
                let rows = sqlx::query(concat!(
                    "select ",
                    log_columns!(),
                    " from outbox join log using (sequence) order by outbox.sequence limit $1"
                ))
                .bind(count(limit))
                .fetch_all(&self.db.pool)
                .await
                .map_err(translate)?;
                rows.iter().map(event).collect()
            })
            .await
    }

    async fn confirm(&self, events: &[Sequence]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let sequences: Vec<i64> = events.iter().map(|sequence| bigint(sequence.0)).collect();
        self.db
            .within(async {
                sqlx::query("delete from outbox where sequence = any($1)")
                    .bind(&sequences)
                    .execute(&self.db.pool)
                    .await
                    .map_err(translate)?;
                cut_log(&self.db, sequences.len()).await
            })
            .await
    }

    async fn depth(&self) -> Result<u64> {
        self.db
            .within(async {
                let depth: i64 = sqlx::query_scalar("select count(*) from outbox")
                    .fetch_one(&self.db.pool)
                    .await
                    .map_err(translate)?;
                unsigned(depth)
            })
            .await
    }

    async fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>> {
        self.db
            .within(async {
                let rows = sqlx::query(concat!(
                    "select ",
                    log_columns!(),
                    " from log where log.sequence > $1 order by log.sequence limit $2"
                ))
                .bind(bigint(after.0))
                .bind(count(limit))
                .fetch_all(&self.db.pool)
                .await
                .map_err(translate)?;
                rows.iter().map(entry).collect()
            })
            .await
    }

    async fn log_start(&self) -> Result<Sequence> {
        self.db
            .within(async {
                let start: i64 = sqlx::query_scalar("select log_start from log_bounds")
                    .fetch_one(&self.db.pool)
                    .await
                    .map_err(translate)?;
                Ok(Sequence(unsigned(start)?))
            })
            .await
    }

    fn committed(&self) -> watch::Receiver<Sequence> {
        self.db.committed()
    }
}

/// Forgets log entries that are confirmed and older than the newest `log_entries`. Done once every
/// hundredth of those, so that most confirmations stay cheap.
async fn cut_log(db: &Database, n_confirmed: usize) -> Result<()> {
    let n_before = db.n_confirmed.fetch_add(n_confirmed, Ordering::Relaxed);
    let every = usize::try_from(db.options.log_entries / 100).unwrap_or(usize::MAX).max(1);
    if (n_before + n_confirmed) / every == n_before / every {
        return Ok(());
    }
    sqlx::query(
        "with cut as ( \
             update log_bounds \
                set log_start = greatest(log_start, least( \
                    (select max(sequence) from log) - $1, \
                    (select coalesce(min(sequence) - 1, 9223372036854775807) from outbox))) \
             returning log_start \
         ) \
         delete from log where sequence <= (select log_start from cut)",
    )
    .bind(bigint(db.options.log_entries))
    .execute(&db.pool)
    .await
    .map_err(translate)?;
    Ok(())
}

fn code(kind: EventKind) -> i16 {
    match kind {
        EventKind::Recorded => 0,
        EventKind::Corrected => 1,
        EventKind::Deleted => 2,
    }
}

/// A `UUIDv7` that begins with the time the version was received, so that ids sort by time without
/// a second clock in the store.
fn message_id(price: &Price) -> Result<Uuid> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)
        .map_err(|error| StoreErrorKind::Unavailable.because(error.to_string()))?;
    let millis = u64::try_from(price.observation.received_at.as_micros() / 1_000).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

fn entry(row: &PgRow) -> Result<LogEntry> {
    if get::<i16>(row, 1)? != AVERAGE {
        return event(row).map(LogEntry::Price);
    }
    let average = MovingAverage {
        symbol: symbol(get(row, 2)?)?,
        window: window(get(row, 6)?)?,
        at: Position { observed_at: timestamp(get(row, 3)?)?, id: price_id(get(row, 4)?)? },
        mean: mean(get(row, 5)?)?,
    };
    Ok(LogEntry::Average { sequence: Sequence(unsigned(get(row, 0)?)?), average })
}

fn event(row: &PgRow) -> Result<PriceEvent> {
    let kind = match get::<i16>(row, 1)? {
        0 => EventKind::Recorded,
        1 => EventKind::Corrected,
        2 => EventKind::Deleted,
        other => return Err(corrupt(format!("{other} is no kind of price event"))),
    };
    let price_id = price_id(get(row, 4)?)?;
    let version = u32::try_from(get::<i32>(row, 8)?).map_err(corrupt)?;
    let has_raw: bool = get(row, 13)?;
    Ok(PriceEvent {
        message_id: get::<Uuid>(row, 7)?.as_u128(),
        kind,
        sequence: Sequence(unsigned(get(row, 0)?)?),
        price_id,
        version,
        symbol: symbol(get(row, 2)?)?,
        price: amount(get(row, 5)?)?,
        currency: Currency::parse(get(row, 9)?).map_err(corrupt)?,
        volume: get::<Option<&str>>(row, 10)?.map(amount).transpose()?,
        observed_at: timestamp(get(row, 3)?)?,
        received_at: timestamp(get(row, 11)?)?,
        provider: ProviderName::parse(get(row, 12)?).map_err(corrupt)?,
        raw_response_id: has_raw.then(|| format!("{price_id}.{version}")),
    })
}
