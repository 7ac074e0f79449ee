//! The trail. The entries of one group commit lie in one value, so that a thousand writes that
//! share a commit cost one row.

use std::sync::Arc;

use async_trait::async_trait;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::{RedbStore, Result, corrupt, storage};
use crate::codec::audit;
use crate::model::{AuditDraft, AuditEntry, AuditHash, AuditHead};
use crate::ports::{AuditQuery, AuditStore, Store};

/// Sequence of the first entry → entries that follow each other.
const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("audit");
/// The one row is the last entry's sequence and hash.
const HEAD: TableDefinition<'_, (), (u64, [u8; 32])> = TableDefinition::new("audit_head");

pub(super) fn create(transaction: &WriteTransaction) -> Result<()> {
    transaction.open_table(BLOCKS).map_err(storage)?;
    transaction.open_table(HEAD).map_err(storage)?;
    Ok(())
}

/// Seals the entries of a group and puts them behind the others.
pub(super) fn append(transaction: &WriteTransaction, drafts: Vec<AuditDraft>) -> Result<()> {
    if drafts.is_empty() {
        return Ok(());
    }
    let head = head(&transaction.open_table(HEAD).map_err(storage)?)?;
    put(transaction, &audit::seal_all(head, drafts))
}

/// Takes over entries of a snapshot, as they are. Those that are there already stay.
pub(super) fn load(transaction: &WriteTransaction, entries: &[AuditEntry]) -> Result<()> {
    let head = head(&transaction.open_table(HEAD).map_err(storage)?)?;
    for entry in entries.iter().filter(|entry| entry.sequence > head.sequence) {
        // A block each: a trail that was broken keeps its gaps.
        put(transaction, std::slice::from_ref(entry))?;
    }
    Ok(())
}

fn put(transaction: &WriteTransaction, entries: &[AuditEntry]) -> Result<()> {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
    let mut blocks = transaction.open_table(BLOCKS).map_err(storage)?;
    let block = audit::encode_block(entries);
    blocks.insert(first.sequence, block.as_slice()).map_err(storage)?;
    let mut heads = transaction.open_table(HEAD).map_err(storage)?;
    heads.insert((), (last.sequence, last.hash.0)).map_err(storage)?;
    Ok(())
}

fn head(heads: &impl ReadableTable<(), (u64, [u8; 32])>) -> Result<AuditHead> {
    let head = heads.get(()).map_err(storage)?.map(|guard| guard.value());
    Ok(head.map_or_else(AuditHead::default, |(sequence, hash)| AuditHead {
        sequence,
        hash: AuditHash(hash),
    }))
}

/// Entries behind `after`, oldest first, at least one if there is one and up to about `limit`.
pub(super) fn entries_after(
    transaction: &redb::ReadTransaction,
    after: u64,
    limit: usize,
) -> Result<Vec<AuditEntry>> {
    let blocks = transaction.open_table(BLOCKS).map_err(storage)?;
    // The block that holds `after` begins at or before it.
    let first = match blocks.range(..=after).map_err(storage)?.next_back() {
        Some(entry) => entry.map_err(storage)?.0.value(),
        None => 0,
    };
    let mut found = Vec::new();
    for block in blocks.range(first..).map_err(storage)? {
        let (sequence, bytes) = block.map_err(storage)?;
        let entries = audit::decode_block(sequence.value(), bytes.value()).map_err(corrupt)?;
        found.extend(entries.into_iter().filter(|entry| entry.sequence > after));
        if found.len() >= limit {
            found.truncate(limit);
            break;
        }
    }
    Ok(found)
}

#[async_trait]
impl AuditStore for RedbStore {
    fn audited(&self, draft: AuditDraft) -> Arc<dyn Store> {
        let mut view = self.clone();
        view.draft = Some(draft);
        Arc::new(view)
    }

    async fn note(&self, draft: AuditDraft) -> Result<()> {
        self.writer
            .durable(1, move |tables| {
                tables.drafts.push(draft);
                Ok(())
            })
            .await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        self.read_many(move |schema, _| {
            let blocks = schema.0.open_table(BLOCKS).map_err(storage)?;
            let before = query.before.unwrap_or(u64::MAX);
            let mut found = Vec::new();
            for block in blocks.range(..before).map_err(storage)?.rev() {
                let (first, bytes) = block.map_err(storage)?;
                let entries = audit::decode_block(first.value(), bytes.value()).map_err(corrupt)?;
                let wanted = entries.into_iter().rev().filter(|entry| {
                    let is = |text: &Option<String>, found: &str| {
                        text.as_deref().is_none_or(|text| text == found)
                    };
                    entry.sequence < before
                        && is(&query.actor, &entry.draft.actor)
                        && is(&query.action, &entry.draft.action)
                });
                found.extend(wanted.take(query.limit - found.len()));
                if found.len() >= query.limit {
                    break;
                }
            }
            Ok(found)
        })
        .await
    }

    async fn audit_after(&self, after: u64, limit: usize) -> Result<Vec<AuditEntry>> {
        self.read_many(move |schema, _| entries_after(&schema.0, after, limit)).await
    }

    async fn audit_head(&self) -> Result<AuditHead> {
        self.read(|schema, _| head(&schema.0.open_table(HEAD).map_err(storage)?))
    }
}
