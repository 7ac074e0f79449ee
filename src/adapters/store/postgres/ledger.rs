//! The accounts of providers, the symbols they do not list, the receipts and the lists of assets.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use sqlx::postgres::PgConnection;

use crate::codec::ledger as codec;
use crate::model::{
    AssetClass, AssetList, ProviderLedger, ProviderName, Receipt, Symbol, Timestamp,
};
use crate::ports::{AssetStore, LedgerSaved, LedgerStore};

use super::error::{Result, corrupt, translate};
use super::rows::{bigint, get, symbol as parse_symbol, timestamp};
use super::store::PostgresStore;

/// Anyone may ask for symbols that do not exist: both memories are bounded.
const MAX_UNKNOWN: i64 = 50_000;
const MAX_RECEIPTS: i64 = 100_000;

/// All accounts, by name.
pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<ProviderLedger>> {
    let rows = sqlx::query("select provider, ledger from provider_ledgers order by provider")
        .fetch_all(connection)
        .await
        .map_err(translate)?;
    rows.iter()
        .map(|row| {
            let provider = ProviderName::parse(get(row, 0)?).map_err(corrupt)?;
            codec::decode_ledger(provider, get(row, 1)?).map_err(corrupt)
        })
        .collect()
}

/// Takes over the account of a provider that has none.
pub(super) async fn load(connection: &mut PgConnection, ledger: &ProviderLedger) -> Result<()> {
    sqlx::query(
        "insert into provider_ledgers (provider, ledger) values ($1, $2) on conflict do nothing",
    )
    .bind(ledger.provider.as_str())
    .bind(codec::encode_ledger(ledger))
    .execute(connection)
    .await
    .map_err(translate)?;
    Ok(())
}

/// Every list of assets.
pub(super) async fn all_assets(connection: &mut PgConnection) -> Result<Vec<AssetList>> {
    let rows = sqlx::query(
        "select asset_class, provider, assets from asset_lists order by asset_class, provider",
    )
    .fetch_all(connection)
    .await
    .map_err(translate)?;
    rows.iter()
        .map(|row| {
            let class: &str = get(row, 0)?;
            let class = AssetClass::parse(class)
                .ok_or_else(|| corrupt(format!("no asset class: {class}")))?;
            let provider = ProviderName::parse(get(row, 1)?).map_err(corrupt)?;
            codec::decode_assets(class, provider, get(row, 2)?).map_err(corrupt)
        })
        .collect()
}

/// Takes over a list where there is none.
pub(super) async fn load_assets(connection: &mut PgConnection, list: &AssetList) -> Result<()> {
    sqlx::query(
        "insert into asset_lists (asset_class, provider, assets) values ($1, $2, $3) \
         on conflict do nothing",
    )
    .bind(list.class.name())
    .bind(list.provider.as_str())
    .bind(codec::encode_assets(list))
    .execute(connection)
    .await
    .map_err(translate)?;
    Ok(())
}

/// Writes the next revision of an account, if this one is stored.
async fn save(connection: &mut PgConnection, mut ledger: ProviderLedger) -> Result<LedgerSaved> {
    // The first account of a provider has no row to lock yet.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(ledger.provider.as_str())
        .execute(&mut *connection)
        .await
        .map_err(translate)?;
    let stored = sqlx::query("select ledger from provider_ledgers where provider = $1")
        .bind(ledger.provider.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(translate)?;
    if let Some(row) = stored {
        let provider = ledger.provider.clone();
        let stored = codec::decode_ledger(provider, get(&row, 0)?).map_err(corrupt)?;
        if stored.revision != ledger.revision {
            return Ok(LedgerSaved::Stale(stored));
        }
    }
    ledger.revision += 1;
    sqlx::query(
        "insert into provider_ledgers (provider, ledger) values ($1, $2) \
         on conflict (provider) do update set ledger = excluded.ledger",
    )
    .bind(ledger.provider.as_str())
    .bind(codec::encode_ledger(&ledger))
    .execute(&mut *connection)
    .await
    .map_err(translate)?;
    Ok(LedgerSaved::Saved)
}

#[async_trait]
impl LedgerStore for PostgresStore {
    async fn ledgers(&self) -> Result<Vec<ProviderLedger>> {
        self.db
            .within(async {
                let rows =
                    sqlx::query("select provider, ledger from provider_ledgers order by provider")
                        .fetch_all(&self.db.pool)
                        .await
                        .map_err(translate)?;
                rows.iter()
                    .map(|row| {
                        let provider = ProviderName::parse(get(row, 0)?).map_err(corrupt)?;
                        codec::decode_ledger(provider, get(row, 1)?).map_err(corrupt)
                    })
                    .collect()
            })
            .await
    }

    async fn save_ledger(&self, ledger: ProviderLedger) -> Result<LedgerSaved> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                let saved = save(&mut transaction, ledger).await?;
                transaction.commit().await.map_err(translate)?;
                Ok(saved)
            })
            .await
    }

    async fn reset_provider(&self, ledger: ProviderLedger) -> Result<LedgerSaved> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                let provider = ledger.provider.clone();
                let saved = save(&mut transaction, ledger).await?;
                if saved == LedgerSaved::Saved {
                    lock_unknown(&mut transaction).await?;
                    sqlx::query("delete from unknown_symbols where provider = $1")
                        .bind(provider.as_str())
                        .execute(&mut *transaction)
                        .await
                        .map_err(translate)?;
                    self.conclude(&mut transaction, &()).await?;
                }
                transaction.commit().await.map_err(translate)?;
                Ok(saved)
            })
            .await
    }

    async fn remember_unknown(
        &self,
        provider: &ProviderName,
        symbols: &[Symbol],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<()> {
        // A symbol given twice would be written twice by one statement, which PostgreSQL refuses.
        let symbols: BTreeSet<&str> = symbols.iter().map(Symbol::as_str).collect();
        let symbols: Vec<&str> = symbols.into_iter().collect();
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                lock_unknown(&mut transaction).await?;
                let has_room = |n_rows: i64| n_rows + bigint(symbols.len()) <= MAX_UNKNOWN;
                if !has_room(count_unknown(&mut transaction).await?) {
                    sqlx::query("delete from unknown_symbols where unknown_until <= $1")
                        .bind(now.to_utc())
                        .execute(&mut *transaction)
                        .await
                        .map_err(translate)?;
                    if !has_room(count_unknown(&mut transaction).await?) {
                        return transaction.commit().await.map_err(translate);
                    }
                }
                sqlx::query(
                    "insert into unknown_symbols (provider, symbol, unknown_until) \
                     select $1, symbol, $3 from unnest($2::text[]) as given (symbol) \
                     on conflict (provider, symbol) \
                         do update set unknown_until = excluded.unknown_until",
                )
                .bind(provider.as_str())
                .bind(&symbols)
                .bind(until.to_utc())
                .execute(&mut *transaction)
                .await
                .map_err(translate)?;
                transaction.commit().await.map_err(translate)
            })
            .await
    }

    async fn unknown_symbols(
        &self,
        provider: &ProviderName,
        symbols: &[Symbol],
        now: Timestamp,
    ) -> Result<Vec<(Symbol, Timestamp)>> {
        let symbols: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
        self.db
            .within(async {
                let rows = sqlx::query(
                    "select symbol, unknown_until \
                       from unnest($2::text[]) with ordinality as given (symbol, place) \
                       join unknown_symbols using (symbol) \
                      where provider = $1 and unknown_until > $3 order by place",
                )
                .bind(provider.as_str())
                .bind(&symbols)
                .bind(now.to_utc())
                .fetch_all(&self.db.pool)
                .await
                .map_err(translate)?;
                rows.iter()
                    .map(|row| Ok((parse_symbol(get(row, 0)?)?, timestamp(get(row, 1)?)?)))
                    .collect()
            })
            .await
    }

    async fn save_receipts(&self, receipts: Vec<Receipt>) -> Result<()> {
        // The last of each symbol is the newest.
        let newest: BTreeMap<&str, Vec<u8>> = receipts
            .iter()
            .map(|receipt| (receipt.symbol.as_str(), codec::encode_receipt(receipt)))
            .collect();
        let (symbols, encoded): (Vec<&str>, Vec<Vec<u8>>) = newest.into_iter().unzip();
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                // Writers take turns, so that they neither exceed the bound together nor lock each
                // other out.
                sqlx::query(
                    "select pg_advisory_xact_lock(20240501, 'receipts'::regclass::oid::int)",
                )
                .execute(&mut *transaction)
                .await
                .map_err(translate)?;
                let updated = sqlx::query(
                    "update receipts set receipt = given.receipt \
                       from unnest($1::text[], $2::bytea[]) as given (symbol, receipt) \
                      where receipts.symbol = given.symbol",
                )
                .bind(&symbols)
                .bind(&encoded)
                .execute(&mut *transaction)
                .await
                .map_err(translate)?;
                // Counting all of them is only worth it when there are new ones.
                if updated.rows_affected() < symbols.len() as u64 {
                    sqlx::query(
                        "insert into receipts (symbol, receipt) \
                         select symbol, receipt \
                           from unnest($1::text[], $2::bytea[]) as given (symbol, receipt) \
                          where not exists (select from receipts as kept \
                                             where kept.symbol = given.symbol) \
                          limit greatest($3 - (select count(*) from receipts), 0)",
                    )
                    .bind(&symbols)
                    .bind(&encoded)
                    .bind(MAX_RECEIPTS)
                    .execute(&mut *transaction)
                    .await
                    .map_err(translate)?;
                }
                transaction.commit().await.map_err(translate)
            })
            .await
    }

    async fn receipt(&self, symbol: &Symbol) -> Result<Option<Receipt>> {
        self.db
            .within(async {
                let bytes: Option<Vec<u8>> =
                    sqlx::query_scalar("select receipt from receipts where symbol = $1")
                        .bind(symbol.as_str())
                        .fetch_optional(&self.db.pool)
                        .await
                        .map_err(translate)?;
                bytes
                    .map(|bytes| codec::decode_receipt(symbol.clone(), &bytes))
                    .transpose()
                    .map_err(corrupt)
            })
            .await
    }
}

#[async_trait]
impl AssetStore for PostgresStore {
    async fn save_assets(&self, list: AssetList) -> Result<()> {
        self.db
            .within(async {
                sqlx::query(
                    "insert into asset_lists (asset_class, provider, assets) values ($1, $2, $3) \
                     on conflict (asset_class, provider) do update set assets = excluded.assets",
                )
                .bind(list.class.name())
                .bind(list.provider.as_str())
                .bind(codec::encode_assets(&list))
                .execute(&self.db.pool)
                .await
                .map_err(translate)?;
                Ok(())
            })
            .await
    }

    async fn asset_lists(&self, class: AssetClass) -> Result<Vec<AssetList>> {
        self.db
            .within(async {
                let rows = sqlx::query(
                    "select provider, assets from asset_lists \
                      where asset_class = $1 order by provider",
                )
                .bind(class.name())
                .fetch_all(&self.db.pool)
                .await
                .map_err(translate)?;
                rows.iter()
                    .map(|row| {
                        let provider = ProviderName::parse(get(row, 0)?).map_err(corrupt)?;
                        codec::decode_assets(class, provider, get(row, 1)?).map_err(corrupt)
                    })
                    .collect()
            })
            .await
    }
}

/// Writers of unknown symbols take turns, so that they neither exceed the bound together nor lock
/// each other out.
async fn lock_unknown(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("select pg_advisory_xact_lock(20240501, 'unknown_symbols'::regclass::oid::int)")
        .execute(connection)
        .await
        .map_err(translate)?;
    Ok(())
}

async fn count_unknown(connection: &mut PgConnection) -> Result<i64> {
    sqlx::query_scalar("select count(*) from unknown_symbols")
        .fetch_one(connection)
        .await
        .map_err(translate)
}
