//! The accounts of providers, the symbols they do not list, and the receipts.

use async_trait::async_trait;
use redb::{ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};

use super::tables::{Schema, Tables};
use super::{RedbStore, Result, corrupt, storage};
use crate::codec::ledger;
use crate::model::{ProviderLedger, ProviderName, Receipt, Symbol, Timestamp};
use crate::ports::{Effect, LedgerSaved, LedgerStore, StoreErrorKind};

/// provider → account.
const LEDGERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("ledgers");
/// (provider, symbol) → until when, in µs.
const UNKNOWN: TableDefinition<'_, (&str, &str), i64> = TableDefinition::new("unknown_symbols");
/// symbol → its newest receipt.
const RECEIPTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("receipts");

/// Anyone may ask for symbols that do not exist: both memories are bounded.
const MAX_UNKNOWN: u64 = 50_000;
const MAX_RECEIPTS: u64 = 100_000;

pub(super) fn create(transaction: &WriteTransaction) -> Result<()> {
    transaction.open_table(LEDGERS).map_err(storage)?;
    transaction.open_table(UNKNOWN).map_err(storage)?;
    transaction.open_table(RECEIPTS).map_err(storage)?;
    Ok(())
}

/// All accounts.
pub(super) fn all(schema: &Schema) -> Result<Vec<ProviderLedger>> {
    let table = schema.0.open_table(LEDGERS).map_err(storage)?;
    let mut ledgers = Vec::new();
    for entry in table.iter().map_err(storage)? {
        let (name, bytes) = entry.map_err(storage)?;
        let provider = ProviderName::parse(name.value())
            .map_err(|error| StoreErrorKind::Corrupt.because(error))?;
        ledgers.push(ledger::decode_ledger(provider, bytes.value()).map_err(corrupt)?);
    }
    Ok(ledgers)
}

/// Takes over the account of a provider that has none.
pub(super) fn load(tables: &Tables<'_>, ledger: &ProviderLedger) -> Result<()> {
    let mut table = tables.transaction.open_table(LEDGERS).map_err(storage)?;
    if table.get(ledger.provider.as_str()).map_err(storage)?.is_none() {
        let bytes = ledger::encode_ledger(ledger);
        table.insert(ledger.provider.as_str(), bytes.as_slice()).map_err(storage)?;
    }
    Ok(())
}

/// Writes the next revision of an account, if this one is stored.
fn save(tables: &Tables<'_>, mut ledger: ProviderLedger) -> Result<LedgerSaved> {
    let mut table = tables.transaction.open_table(LEDGERS).map_err(storage)?;
    let stored = table.get(ledger.provider.as_str()).map_err(storage)?;
    let stored = stored.map(|bytes| {
        ledger::decode_ledger(ledger.provider.clone(), bytes.value()).map_err(corrupt)
    });
    if let Some(stored) = stored.transpose()?
        && stored.revision != ledger.revision
    {
        return Ok(LedgerSaved::Stale(stored));
    }
    ledger.revision += 1;
    let bytes = ledger::encode_ledger(&ledger);
    table.insert(ledger.provider.as_str(), bytes.as_slice()).map_err(storage)?;
    Ok(LedgerSaved::Saved)
}

#[async_trait]
impl LedgerStore for RedbStore {
    async fn ledgers(&self) -> Result<Vec<ProviderLedger>> {
        self.read(|schema, _| all(schema))
    }

    async fn save_ledger(&self, ledger: ProviderLedger) -> Result<LedgerSaved> {
        self.writer.durable(1, move |tables| save(tables, ledger)).await
    }

    async fn remember_unknown(
        &self,
        provider: &ProviderName,
        symbols: &[Symbol],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<()> {
        let (provider, symbols) = (provider.clone(), symbols.to_vec());
        self.writer
            .derived(symbols.len(), move |tables| {
                let mut table = tables.transaction.open_table(UNKNOWN).map_err(storage)?;
                let room = |n_rows: u64| n_rows.saturating_add(symbols.len() as u64) <= MAX_UNKNOWN;
                // Looking through all of it is only worth it when there is no room.
                if !room(table.len().map_err(storage)?) {
                    let now = now.as_micros();
                    table.retain(|_, until| until > now).map_err(storage)?;
                }
                if !room(table.len().map_err(storage)?) {
                    return Ok(());
                }
                for symbol in &symbols {
                    let key = (provider.as_str(), symbol.as_str());
                    table.insert(key, until.as_micros()).map_err(storage)?;
                }
                Ok(())
            })
            .await
    }

    async fn unknown_symbols(
        &self,
        provider: &ProviderName,
        symbols: &[Symbol],
        now: Timestamp,
    ) -> Result<Vec<(Symbol, Timestamp)>> {
        self.read(|schema, _| {
            let table = schema.0.open_table(UNKNOWN).map_err(storage)?;
            let mut unknown = Vec::new();
            for symbol in symbols {
                let until = table.get((provider.as_str(), symbol.as_str())).map_err(storage)?;
                if let Some(until) = until.map(|until| until.value())
                    && until > now.as_micros()
                {
                    let until = Timestamp::from_micros(until)
                        .map_err(|error| StoreErrorKind::Corrupt.because(error))?;
                    unknown.push((symbol.clone(), until));
                }
            }
            Ok(unknown)
        })
    }

    async fn reset_provider(&self, ledger: ProviderLedger) -> Result<LedgerSaved> {
        let draft = self.draft.clone();
        self.writer
            .durable(1, move |tables| {
                let provider = ledger.provider.clone();
                let saved = save(tables, ledger)?;
                if saved == LedgerSaved::Saved {
                    let mut table = tables.transaction.open_table(UNKNOWN).map_err(storage)?;
                    table.retain(|(name, _), _| name != provider.as_str()).map_err(storage)?;
                    tables.drafts.extend(draft.map(|draft| draft.concluded(().effect())));
                }
                Ok(saved)
            })
            .await
    }

    async fn save_receipts(&self, receipts: Vec<Receipt>) -> Result<()> {
        self.writer
            .derived(receipts.len(), move |tables| {
                let mut table = tables.transaction.open_table(RECEIPTS).map_err(storage)?;
                for receipt in &receipts {
                    let symbol = receipt.symbol.as_str();
                    let full = table.len().map_err(storage)? >= MAX_RECEIPTS;
                    if full && table.get(symbol).map_err(storage)?.is_none() {
                        continue;
                    }
                    let bytes = ledger::encode_receipt(receipt);
                    table.insert(symbol, bytes.as_slice()).map_err(storage)?;
                }
                Ok(())
            })
            .await
    }

    async fn receipt(&self, symbol: &Symbol) -> Result<Option<Receipt>> {
        self.read(|schema, _| {
            let table = schema.0.open_table(RECEIPTS).map_err(storage)?;
            let bytes = table.get(symbol.as_str()).map_err(storage)?;
            bytes
                .map(|bytes| ledger::decode_receipt(symbol.clone(), bytes.value()))
                .transpose()
                .map_err(corrupt)
        })
    }
}
