//! What must not be forgotten about providers: calls counted, breakers, unknown symbols, receipts.

use async_trait::async_trait;

use super::store::StoreError;
use crate::model::{AssetClass, ProviderName, Symbol, Timestamp};
pub use crate::model::{
    AssetList, Attempt, AttemptOutcome, CallStatistics, ProviderLedger, Receipt, ReceiptAnswer,
};

type Result<T> = std::result::Result<T, StoreError>;

/// What became of writing an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerSaved {
    /// Written; the stored revision is one more than it was.
    Saved,
    /// Somebody else wrote since: this is what is stored.
    Stale(ProviderLedger),
}

/// The accounts of providers and the receipts of symbols.
#[async_trait]
pub trait LedgerStore: Send + Sync {
    /// Every account, by name.
    async fn ledgers(&self) -> Result<Vec<ProviderLedger>>;

    /// Writes an account as the next revision of what is there, and returns only when that is
    /// durable: a call that was counted is not forgotten by a crash. Where another revision than
    /// the account's is stored (0 where nothing is), nothing is written.
    async fn save_ledger(&self, ledger: ProviderLedger) -> Result<LedgerSaved>;

    /// Remembers that a provider does not list these symbols. What ran out before `now` is
    /// forgotten; at the bound of the memory new symbols are not remembered. May be lost in a
    /// crash.
    async fn remember_unknown(
        &self,
        provider: &ProviderName,
        symbols: &[Symbol],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<()>;

    /// Which of these symbols the provider is known not to list at `now`, and until when.
    async fn unknown_symbols(
        &self,
        provider: &ProviderName,
        symbols: &[Symbol],
        now: Timestamp,
    ) -> Result<Vec<(Symbol, Timestamp)>>;

    /// Writes an account as [`LedgerStore::save_ledger`] does and forgets with it what was
    /// remembered as unknown for its provider. Where another revision is stored, nothing happens.
    async fn reset_provider(&self, ledger: ProviderLedger) -> Result<LedgerSaved>;

    /// Keeps the newest receipt of each symbol. At the bound of the memory receipts of symbols
    /// that have none yet are dropped. May be lost in a crash.
    async fn save_receipts(&self, receipts: Vec<Receipt>) -> Result<()>;

    /// The newest receipt of a symbol.
    async fn receipt(&self, symbol: &Symbol) -> Result<Option<Receipt>>;
}

/// The lists of assets, one for each provider and class.
#[async_trait]
pub trait AssetStore: Send + Sync {
    /// Replaces the list of this class and provider.
    async fn save_assets(&self, list: AssetList) -> Result<()>;

    /// Every stored list of a class, by provider.
    async fn asset_lists(&self, class: AssetClass) -> Result<Vec<AssetList>>;
}
