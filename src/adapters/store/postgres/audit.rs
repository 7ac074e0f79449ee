//! The trail. Entries are written in the transaction of the change they tell of, as its last step.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};

use crate::codec::audit as codec;
use crate::model::{AuditDraft, AuditEntry, AuditHash, AuditHead};
use crate::ports::{AuditQuery, AuditStore, Effect, Store};

use super::error::{Result, corrupt, translate};
use super::rows::{bigint, count, get, timestamp, unsigned};
use super::store::PostgresStore;

const COLUMNS: &str = "sequence, at, actor, address, request_id, action, target, outcome, \
                       previous_hash, hash";

impl PostgresStore {
    /// In a view made by `audited`, puts the entry of a change into its transaction. To be called
    /// last: it holds the head until the commit.
    pub(super) async fn conclude(
        &self,
        connection: &mut PgConnection,
        changed: &(impl Effect + Sync),
    ) -> Result<()> {
        match &self.draft {
            Some(draft) => {
                append(connection, vec![draft.clone().concluded(changed.effect())]).await
            }
            None => Ok(()),
        }
    }
}

/// Seals entries and puts them behind the others.
pub(super) async fn append(connection: &mut PgConnection, drafts: Vec<AuditDraft>) -> Result<()> {
    if drafts.is_empty() {
        return Ok(());
    }
    let head = lock_head(connection).await?;
    put(connection, &codec::seal_all(head, drafts)).await
}

/// Takes over entries of a snapshot, as they are. Those that are there already stay.
pub(super) async fn load(connection: &mut PgConnection, entries: &[AuditEntry]) -> Result<()> {
    let head = lock_head(connection).await?;
    let known = entries.iter().take_while(|entry| entry.sequence <= head.sequence).count();
    put(connection, &entries[known..]).await
}

/// The head, which nobody else moves until the transaction ends.
async fn lock_head(connection: &mut PgConnection) -> Result<AuditHead> {
    let head = sqlx::query("select sequence, hash from audit_head for update")
        .fetch_one(connection)
        .await
        .map_err(translate)?;
    read_head(&head)
}

async fn put(connection: &mut PgConnection, entries: &[AuditEntry]) -> Result<()> {
    let Some(last) = entries.last() else { return Ok(()) };
    // PostgreSQL's text cannot hold this one character; a hash over it would never fit again.
    debug_assert!(entries.iter().all(|entry| !entry.draft.target.contains('\0')));
    let drafts = || entries.iter().map(|entry| &entry.draft);
    let texts = |of: fn(&AuditDraft) -> &String| drafts().map(of).cloned().collect::<Vec<_>>();
    let hashes = |of: fn(&AuditEntry) -> &AuditHash| {
        entries.iter().map(of).map(|hash| hash.0.to_vec()).collect::<Vec<_>>()
    };
    sqlx::query(
        "insert into audit (sequence, at, actor, address, request_id, action, target, outcome, \
                            previous_hash, hash) \
         select * from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], \
                              $6::text[], $7::text[], $8::text[], $9::bytea[], $10::bytea[])",
    )
    .bind(entries.iter().map(|entry| bigint(entry.sequence)).collect::<Vec<_>>())
    .bind(drafts().map(|draft| draft.at.to_utc()).collect::<Vec<_>>())
    .bind(texts(|draft| &draft.actor))
    .bind(texts(|draft| &draft.address))
    .bind(texts(|draft| &draft.request_id))
    .bind(texts(|draft| &draft.action))
    .bind(texts(|draft| &draft.target))
    .bind(texts(|draft| &draft.outcome))
    .bind(hashes(|entry| &entry.previous_hash))
    .bind(hashes(|entry| &entry.hash))
    .execute(&mut *connection)
    .await
    .map_err(translate)?;
    sqlx::query("update audit_head set sequence = $1, hash = $2")
        .bind(bigint(last.sequence))
        .bind(last.hash.0.to_vec())
        .execute(connection)
        .await
        .map_err(translate)?;
    Ok(())
}

/// Entries behind `after`, oldest first.
pub(super) async fn entries_after(
    connection: &mut PgConnection,
    after: u64,
    limit: usize,
) -> Result<Vec<AuditEntry>> {
    let mut list = sqlx::QueryBuilder::new(format!("select {COLUMNS} from audit"));
    list.push(" where sequence > ").push_bind(bigint(after));
    list.push(" order by sequence limit ").push_bind(count(limit));
    let rows = list.build().fetch_all(connection).await.map_err(translate)?;
    rows.iter().map(entry).collect()
}

fn read_head(row: &PgRow) -> Result<AuditHead> {
    Ok(AuditHead { sequence: unsigned(get(row, 0)?)?, hash: hash(get(row, 1)?)? })
}

fn hash(bytes: Vec<u8>) -> Result<AuditHash> {
    let bytes = bytes.try_into().map_err(|_| corrupt("a hash has 32 bytes"))?;
    Ok(AuditHash(bytes))
}

fn entry(row: &PgRow) -> Result<AuditEntry> {
    Ok(AuditEntry {
        sequence: unsigned(get(row, 0)?)?,
        draft: AuditDraft {
            at: timestamp(get(row, 1)?)?,
            actor: get(row, 2)?,
            address: get(row, 3)?,
            request_id: get(row, 4)?,
            action: get(row, 5)?,
            target: get(row, 6)?,
            outcome: get(row, 7)?,
        },
        previous_hash: hash(get(row, 8)?)?,
        hash: hash(get(row, 9)?)?,
    })
}

#[async_trait]
impl AuditStore for PostgresStore {
    fn audited(&self, draft: AuditDraft) -> Arc<dyn Store> {
        let mut view = self.clone();
        view.draft = Some(draft);
        Arc::new(view)
    }

    async fn note(&self, draft: AuditDraft) -> Result<()> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                append(&mut transaction, vec![draft]).await?;
                transaction.commit().await.map_err(translate)
            })
            .await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        self.db
            .within(async {
                let mut list =
                    sqlx::QueryBuilder::new(format!("select {COLUMNS} from audit where true"));
                if let Some(before) = query.before {
                    list.push(" and sequence < ").push_bind(bigint(before));
                }
                if let Some(actor) = &query.actor {
                    list.push(" and actor = ").push_bind(actor);
                }
                if let Some(action) = &query.action {
                    list.push(" and action = ").push_bind(action);
                }
                list.push(" order by sequence desc limit ").push_bind(count(query.limit));
                let rows = list.build().fetch_all(&self.db.pool).await.map_err(translate)?;
                rows.iter().map(entry).collect()
            })
            .await
    }

    async fn audit_after(&self, after: u64, limit: usize) -> Result<Vec<AuditEntry>> {
        self.db
            .within(async {
                let mut connection = self.db.pool.acquire().await.map_err(translate)?;
                entries_after(&mut connection, after, limit).await
            })
            .await
    }

    async fn audit_head(&self) -> Result<AuditHead> {
        self.db
            .within(async {
                let row = sqlx::query("select sequence, hash from audit_head")
                    .fetch_one(&self.db.pool)
                    .await
                    .map_err(translate)?;
                read_head(&row)
            })
            .await
    }
}
