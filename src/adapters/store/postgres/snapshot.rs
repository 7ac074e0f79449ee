//! Copying whole stores.

use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{Postgres, Transaction};

use crate::model::{PriceVersion, Sequence};
use crate::ports::{Snapshot, SnapshotRecord, Snapshots};

use super::averages::replace_windows;
use super::dead_letters::{insert_letter, letter};
use super::error::{Result, translate};
use super::prices::version;
use super::rows::{PriceColumns, bigint, count, get, price_columns, unsigned};
use super::store::PostgresStore;
use super::write::{insert_prices, insert_versions, lock_counters};
use super::{audit, jobs, keys, ledger};

/// A transaction that keeps seeing what was committed when it began.
struct PostgresSnapshot {
    transaction: Transaction<'static, Postgres>,
    place: Place,
}

/// What comes next.
enum Place {
    /// The counters as they were when the snapshot was taken.
    Start(Box<SnapshotRecord>),
    /// The histories behind this price id.
    Histories(i64),
    /// The dead letters behind this id.
    DeadLetters(i64),
    /// Jobs, accounts and lists of assets: few, and read at once.
    Others(std::vec::IntoIter<SnapshotRecord>),
    /// The keys behind the first so many.
    Keys(usize),
    /// The entries of the trail behind this sequence.
    Audit(u64),
}

#[async_trait]
impl Snapshots for PostgresStore {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                sqlx::query("set transaction isolation level repeatable read, read only")
                    .execute(&mut *transaction)
                    .await
                    .map_err(translate)?;
                // Its reader may take his time; it holds no lock that anybody waits for.
                sqlx::query("set local idle_in_transaction_session_timeout = 0")
                    .execute(&mut *transaction)
                    .await
                    .map_err(translate)?;
                // The view is taken by the first statement that reads, so that is done now.
                let counters = counters(&mut transaction).await?;
                let snapshot =
                    PostgresSnapshot { transaction, place: Place::Start(Box::new(counters)) };
                Ok(Box::new(snapshot) as Box<dyn Snapshot>)
            })
            .await
    }

    async fn load(&self, records: Vec<SnapshotRecord>) -> Result<()> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                lock_counters(&mut transaction, 0).await?;
                replace_windows(&mut transaction, &[]).await?;
                let (mut histories, mut trail) = (Vec::new(), Vec::new());
                for record in &records {
                    match record {
                        SnapshotRecord::Counters { last_price_id, last_sequence } => {
                            raise_counters(&mut transaction, *last_price_id, *last_sequence, 0)
                                .await?;
                        }
                        SnapshotRecord::History(versions) => histories.push(versions.as_slice()),
                        SnapshotRecord::Job(job) => jobs::load(&mut transaction, job).await?,
                        SnapshotRecord::Ledger(ledger) => {
                            ledger::load(&mut transaction, ledger).await?;
                        }
                        SnapshotRecord::Assets(list) => {
                            ledger::load_assets(&mut transaction, list).await?;
                        }
                        SnapshotRecord::Key(key) => {
                            keys::add(&mut transaction, key).await?;
                        }
                        SnapshotRecord::Audit(entry) => trail.push(entry.clone()),
                        SnapshotRecord::DeadLetter(letter) => {
                            raise_counters(&mut transaction, 0, Sequence(0), letter.id).await?;
                            insert_letter(&mut transaction, letter.id, letter).await?;
                        }
                    }
                }
                load_histories(&mut transaction, &histories).await?;
                let committed = counters(&mut transaction).await?;
                audit::load(&mut transaction, &trail).await?;
                transaction.commit().await.map_err(translate)?;
                if let SnapshotRecord::Counters { last_sequence, .. } = committed {
                    self.db.tell_committed(last_sequence);
                }
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl Snapshot for PostgresSnapshot {
    async fn next(&mut self, limit: usize) -> Result<Vec<SnapshotRecord>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut records = Vec::new();
        if let Place::Start(counters) = &self.place {
            records.push(SnapshotRecord::clone(counters));
            self.place = Place::Histories(-1);
        }
        if let Place::Histories(after) = self.place {
            let room = limit - records.len();
            let histories = histories(&mut self.transaction, after, room).await?;
            self.place = match histories.last().and_then(|versions| versions.last()) {
                // A portion that is full may have more behind it.
                Some(last) if histories.len() == room => {
                    Place::Histories(bigint(last.price.id.get()))
                }
                None if room == 0 => Place::Histories(after),
                _ => Place::DeadLetters(-1),
            };
            records.extend(histories.into_iter().map(SnapshotRecord::History));
        }
        if let Place::DeadLetters(after) = self.place {
            let rows = sqlx::query(
                "select id, reason, attempts, payload, header_names, header_values, parked_at, \
                        message_key \
                   from dead_letters where id > $1 order by id limit $2",
            )
            .bind(after)
            .bind(count(limit - records.len()))
            .fetch_all(&mut *self.transaction)
            .await
            .map_err(translate)?;
            for row in &rows {
                let letter = letter(row)?;
                self.place = Place::DeadLetters(bigint(letter.id));
                records.push(SnapshotRecord::DeadLetter(letter));
            }
            if records.len() < limit {
                self.place = Place::Others(others(&mut self.transaction).await?.into_iter());
            }
        }
        if let Place::Others(others) = &mut self.place {
            let room = limit - records.len();
            records.extend(others.take(room));
            if others.len() == 0 {
                self.place = Place::Keys(0);
            }
        }
        if let Place::Keys(n_read) = self.place {
            let mut keys = keys::all(&mut self.transaction).await?.split_off(n_read);
            let room = limit - records.len();
            self.place = match keys.len() > room {
                true => Place::Keys(n_read + room),
                false => Place::Audit(0),
            };
            keys.truncate(room);
            records.extend(keys.into_iter().map(SnapshotRecord::Key));
        }
        if let Place::Audit(after) = self.place {
            let room = limit - records.len();
            let entries = audit::entries_after(&mut self.transaction, after, room).await?;
            self.place = Place::Audit(entries.last().map_or(after, |entry| entry.sequence));
            records.extend(entries.into_iter().map(SnapshotRecord::Audit));
        }
        Ok(records)
    }
}

async fn others(connection: &mut PgConnection) -> Result<Vec<SnapshotRecord>> {
    let jobs = jobs::all(connection).await?;
    let mut records: Vec<_> = jobs.into_iter().map(SnapshotRecord::Job).collect();
    records.extend(ledger::all(connection).await?.into_iter().map(SnapshotRecord::Ledger));
    records.extend(ledger::all_assets(connection).await?.into_iter().map(SnapshotRecord::Assets));
    Ok(records)
}

async fn counters(connection: &mut PgConnection) -> Result<SnapshotRecord> {
    let row = sqlx::query(
        "select (select last_value from last_price_id), \
                greatest(log_start, (select max(sequence) from log)) from log_bounds",
    )
    .fetch_one(connection)
    .await
    .map_err(translate)?;
    Ok(SnapshotRecord::Counters {
        last_price_id: unsigned(get(&row, 0)?)?,
        last_sequence: Sequence(unsigned(get(&row, 1)?)?),
    })
}

/// The histories of up to `limit` prices with an id greater than `after`, by id.
async fn histories(
    connection: &mut PgConnection,
    after: i64,
    limit: usize,
) -> Result<Vec<Vec<PriceVersion>>> {
    let rows = sqlx::query(concat!(
        "with page as materialized (select * from prices where id > $1 order by id limit $2) \
         select ",
        price_columns!(),
        ", deleted, superseded_at from price_versions where id in (select id from page) \
         union all select ",
        price_columns!(),
        ", deleted, null from page order by id, version"
    ))
    .bind(after)
    .bind(count(limit))
    .fetch_all(connection)
    .await
    .map_err(translate)?;
    let mut histories: Vec<Vec<PriceVersion>> = Vec::new();
    for row in &rows {
        let version = version(row)?;
        match histories.last_mut() {
            Some(versions) if versions[0].price.id == version.price.id => versions.push(version),
            _ => histories.push(vec![version]),
        }
    }
    Ok(histories)
}

/// Raises counters that are lower than those given. A sequence that jumps cuts the log off: what
/// lies between was never in this store, so no stream can resume from it.
async fn raise_counters(
    connection: &mut PgConnection,
    price_id: u64,
    sequence: Sequence,
    dead_letter_id: u64,
) -> Result<()> {
    sqlx::query(
        "update log_bounds set log_start = $1 \
          where $1 > greatest(log_start, (select max(sequence) from log))",
    )
    .bind(bigint(sequence.0))
    .execute(&mut *connection)
    .await
    .map_err(translate)?;
    sqlx::query(
        "select setval('last_price_id', \
                       greatest((select last_value from last_price_id), $1)), \
                setval('last_sequence', \
                       greatest((select last_value from last_sequence), $2)), \
                setval('last_dead_letter_id', \
                       greatest((select last_value from last_dead_letter_id), $3))",
    )
    .bind(bigint(price_id))
    .bind(bigint(sequence.0))
    .bind(bigint(dead_letter_id))
    .execute(connection)
    .await
    .map_err(translate)?;
    Ok(())
}

/// Takes over the histories of prices whose id and key are free.
async fn load_histories(
    connection: &mut PgConnection,
    histories: &[&[PriceVersion]],
) -> Result<()> {
    let ids: Vec<i64> = histories
        .iter()
        .filter_map(|versions| versions.last())
        .map(|last| bigint(last.price.id.get()))
        .collect();
    let Some(greatest) = ids.iter().max() else { return Ok(()) };
    raise_counters(connection, u64::try_from(*greatest).unwrap_or(0), Sequence(0), 0).await?;
    // The key of a partitioned table holds the time, so an id alone is not kept unique by it.
    let taken = sqlx::query_scalar("select id from prices where id = any($1)")
        .bind(&ids)
        .fetch_all(&mut *connection)
        .await
        .map_err(translate)?;
    let mut taken: HashSet<i64> = taken.into_iter().collect();
    let mut current = PriceColumns::default();
    for last in histories.iter().filter_map(|versions| versions.last()) {
        if taken.insert(bigint(last.price.id.get())) {
            current.push(&last.price, last.deleted, None);
        }
    }
    let inserted: HashSet<i64> = insert_prices(connection, &current).await?.into_iter().collect();
    let mut old = PriceColumns::default();
    for versions in histories {
        let is_ours = |version: &&PriceVersion| inserted.contains(&bigint(version.price.id.get()));
        let superseded = versions.split_last().map_or(&[][..], |(_, superseded)| superseded);
        for version in superseded.iter().filter(is_ours) {
            old.push(&version.price, version.deleted, version.superseded_at);
        }
    }
    insert_versions(connection, &old).await
}
