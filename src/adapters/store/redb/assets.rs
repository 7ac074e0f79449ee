//! The lists of assets, one row for each class and provider.

use async_trait::async_trait;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::tables::{Schema, Tables};
use super::{RedbStore, Result, corrupt, storage};
use crate::codec::ledger;
use crate::model::{AssetClass, AssetList, ProviderName};
use crate::ports::{AssetStore, StoreErrorKind};

/// (asset class, provider) → list.
const ASSETS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("assets");

pub(super) fn create(transaction: &WriteTransaction) -> Result<()> {
    transaction.open_table(ASSETS).map_err(storage)?;
    Ok(())
}

/// The lists of a class, by provider.
pub(super) fn all_of(schema: &Schema, class: AssetClass) -> Result<Vec<AssetList>> {
    let table = schema.0.open_table(ASSETS).map_err(storage)?;
    let mut lists = Vec::new();
    for entry in table.range((class.name(), "")..).map_err(storage)? {
        let (key, bytes) = entry.map_err(storage)?;
        let (stored_class, provider) = key.value();
        if stored_class != class.name() {
            break;
        }
        let provider = ProviderName::parse(provider)
            .map_err(|error| StoreErrorKind::Corrupt.because(error))?;
        lists.push(ledger::decode_assets(class, provider, bytes.value()).map_err(corrupt)?);
    }
    Ok(lists)
}

/// Takes over a list where there is none.
pub(super) fn load(tables: &Tables<'_>, list: &AssetList) -> Result<()> {
    let mut table = tables.transaction.open_table(ASSETS).map_err(storage)?;
    let key = (list.class.name(), list.provider.as_str());
    if table.get(key).map_err(storage)?.is_none() {
        let bytes = ledger::encode_assets(list);
        table.insert(key, bytes.as_slice()).map_err(storage)?;
    }
    Ok(())
}

#[async_trait]
impl AssetStore for RedbStore {
    async fn save_assets(&self, list: AssetList) -> Result<()> {
        self.writer
            .durable(list.assets.len(), move |tables| {
                let mut table = tables.transaction.open_table(ASSETS).map_err(storage)?;
                let bytes = ledger::encode_assets(&list);
                let key = (list.class.name(), list.provider.as_str());
                table.insert(key, bytes.as_slice()).map_err(storage)?;
                Ok(())
            })
            .await
    }

    async fn asset_lists(&self, class: AssetClass) -> Result<Vec<AssetList>> {
        self.read_many(move |schema, _| all_of(schema, class)).await
    }
}
