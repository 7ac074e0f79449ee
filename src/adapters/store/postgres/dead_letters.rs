//! Deliveries that were given up.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};

use crate::model::DeadLetter;
use crate::ports::DeadLetterStore;

use super::error::{Result, corrupt, translate};
use super::rows::{bigint, count, get, timestamp, unsigned};
use super::store::PostgresStore;
use super::write::lock_counters;

#[async_trait]
impl DeadLetterStore for PostgresStore {
    async fn park(&self, letter: DeadLetter) -> Result<u64> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                // The lock also makes the letters visible in the order of their ids.
                lock_counters(&mut transaction, 0).await?;
                let id: i64 = sqlx::query_scalar(
                    "select setval('last_dead_letter_id', \
                                   (select last_value from last_dead_letter_id) + 1)",
                )
                .fetch_one(&mut *transaction)
                .await
                .map_err(translate)?;
                let id = unsigned(id)?;
                insert_letter(&mut transaction, id, &letter).await?;
                transaction.commit().await.map_err(translate)?;
                Ok(id)
            })
            .await
    }

    async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>> {
        self.db
            .within(async {
                let rows = sqlx::query(
                    "select id, reason, attempts, payload, header_names, header_values, parked_at, \
                            message_key \
                       from dead_letters where id > $1 order by id limit $2",
                )
                .bind(bigint(after))
                .bind(count(limit))
                .fetch_all(&self.db.pool)
                .await
                .map_err(translate)?;
                rows.iter().map(letter).collect()
            })
            .await
    }

    async fn dead_letter(&self, id: u64) -> Result<Option<DeadLetter>> {
        self.db
            .within(async {
                let row = sqlx::query(
                    "select id, reason, attempts, payload, header_names, header_values, parked_at, \
                            message_key \
                       from dead_letters where id = $1",
                )
                .bind(bigint(id))
                .fetch_optional(&self.db.pool)
                .await
                .map_err(translate)?;
                row.as_ref().map(letter).transpose()
            })
            .await
    }

    async fn remove_dead_letter(&self, id: u64) -> Result<bool> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                let removed = sqlx::query("delete from dead_letters where id = $1")
                    .bind(bigint(id))
                    .execute(&mut *transaction)
                    .await
                    .map_err(translate)?;
                let is_removed = removed.rows_affected() > 0;
                self.conclude(&mut transaction, &is_removed).await?;
                transaction.commit().await.map_err(translate)?;
                Ok(is_removed)
            })
            .await
    }
}

/// Keeps a letter under `id`; one that is there already is left as it is.
pub(super) async fn insert_letter(
    connection: &mut PgConnection,
    id: u64,
    letter: &DeadLetter,
) -> Result<()> {
    let (names, values): (Vec<&[u8]>, Vec<&[u8]>) =
        letter.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).unzip();
    sqlx::query(
        "insert into dead_letters \
             (id, reason, attempts, payload, header_names, header_values, parked_at, message_key) \
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
    )
    .bind(bigint(id))
    // The reason is a sentence for people; the one character that PostgreSQL's text cannot hold
    // is shown as unreadable.
    .bind(letter.reason.replace('\0', "\u{fffd}"))
    .bind(i64::from(letter.attempts))
    .bind(&letter.payload)
    .bind(names)
    .bind(values)
    .bind(letter.parked_at.to_utc())
    .bind(letter.key.as_bytes())
    .execute(connection)
    .await
    .map_err(translate)?;
    Ok(())
}

pub(super) fn letter(row: &PgRow) -> Result<DeadLetter> {
    let names: Vec<Vec<u8>> = get(row, 4)?;
    let values: Vec<Vec<u8>> = get(row, 5)?;
    let headers = names
        .into_iter()
        .zip(values)
        .map(|(name, value)| Ok((text(name)?, text(value)?)))
        .collect::<Result<_>>()?;
    Ok(DeadLetter {
        id: unsigned(get(row, 0)?)?,
        reason: get(row, 1)?,
        attempts: u32::try_from(get::<i64>(row, 2)?).map_err(corrupt)?,
        key: text(get(row, 7)?)?,
        payload: get(row, 3)?,
        headers,
        parked_at: timestamp(get(row, 6)?)?,
    })
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(corrupt)
}
