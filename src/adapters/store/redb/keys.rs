//! The keys that open the service, and the secret it signs with.

use async_trait::async_trait;
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::tables::Tables;
use super::{RedbStore, Result, corrupt, storage};
use crate::codec::access;
use crate::model::{ApiKey, KeyId, Timestamp};
use crate::ports::KeyStore;

const KEYS: TableDefinition<'_, [u8; 6], &[u8]> = TableDefinition::new("keys");
const SIGNING: TableDefinition<'_, (), [u8; 32]> = TableDefinition::new("signing_secret");

type KeyTable<'t> = Table<'t, [u8; 6], &'static [u8]>;

pub(super) fn create(transaction: &WriteTransaction) -> Result<()> {
    transaction.open_table(KEYS).map_err(storage)?;
    transaction.open_table(SIGNING).map_err(storage)?;
    Ok(())
}

fn open<'t>(tables: &Tables<'t>) -> Result<KeyTable<'t>> {
    tables.transaction.open_table(KEYS).map_err(storage)
}

fn get(table: &KeyTable<'_>, id: KeyId) -> Result<Option<ApiKey>> {
    let bytes = table.get(id.bytes()).map_err(storage)?;
    bytes.map(|bytes| access::decode(id, bytes.value())).transpose().map_err(corrupt)
}

fn put(table: &mut KeyTable<'_>, key: &ApiKey) -> Result<()> {
    table.insert(key.id.bytes(), access::encode(key).as_slice()).map_err(storage)?;
    Ok(())
}

/// Every key, the first created first.
pub(super) fn all(transaction: &redb::ReadTransaction) -> Result<Vec<ApiKey>> {
    let mut keys = Vec::new();
    for entry in transaction.open_table(KEYS).map_err(storage)?.iter().map_err(storage)? {
        let (id, bytes) = entry.map_err(storage)?;
        let id = KeyId::from_bytes(id.value());
        keys.push(access::decode(id, bytes.value()).map_err(corrupt)?);
    }
    keys.sort_by_key(|key| (key.created_at, key.id));
    Ok(keys)
}

/// Keeps a key unless its id is taken.
pub(super) fn add(tables: &Tables<'_>, key: &ApiKey) -> Result<bool> {
    let mut table = open(tables)?;
    let is_free = get(&table, key.id)?.is_none();
    if is_free {
        put(&mut table, key)?;
    }
    Ok(is_free)
}

#[async_trait]
impl KeyStore for RedbStore {
    async fn create_key(&self, key: ApiKey) -> Result<bool> {
        self.change(1, move |tables| add(tables, &key)).await
    }

    async fn keys(&self) -> Result<Vec<ApiKey>> {
        self.read(|schema, _| all(&schema.0))
    }

    async fn revoke_key(&self, id: KeyId, at: Timestamp) -> Result<Option<ApiKey>> {
        self.change(1, move |tables| {
            let mut table = open(tables)?;
            let Some(mut key) = get(&table, id)? else { return Ok(None) };
            if key.revoked_at.is_none() {
                key.revoked_at = Some(at);
                put(&mut table, &key)?;
            }
            Ok(Some(key))
        })
        .await
    }

    async fn touch_keys(&self, uses: Vec<(KeyId, Timestamp)>) -> Result<()> {
        self.writer
            .derived(uses.len(), move |tables| {
                let mut table = open(tables)?;
                for (id, used_at) in uses {
                    let Some(mut key) = get(&table, id)? else { continue };
                    if key.last_used_at < Some(used_at) {
                        key.last_used_at = Some(used_at);
                        put(&mut table, &key)?;
                    }
                }
                Ok(())
            })
            .await
    }

    async fn signing_secret(&self, proposed: [u8; 32]) -> Result<[u8; 32]> {
        let kept = self.read(|schema, _| {
            let table = schema.0.open_table(SIGNING).map_err(storage)?;
            Ok(table.get(()).map_err(storage)?.map(|guard| guard.value()))
        })?;
        if let Some(kept) = kept {
            return Ok(kept);
        }
        self.writer
            .durable(1, move |tables| {
                let mut table = tables.transaction.open_table(SIGNING).map_err(storage)?;
                let kept = table.get(()).map_err(storage)?.map(|guard| guard.value());
                if kept.is_none() {
                    table.insert((), proposed).map_err(storage)?;
                }
                Ok(kept.unwrap_or(proposed))
            })
            .await
    }
}
