//! A store that fails.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tickerd::model::*;
use tickerd::ports::store::*;
use tickerd::ports::*;
use tokio::sync::watch;

use super::Faulty;

type Result<T> = std::result::Result<T, StoreError>;

impl Faulty<dyn Store> {
    async fn before(&self) -> Result<()> {
        self.faults.dawdle("store dawdles").await;
        self.fail("store refuses")
    }

    /// Some symbols cannot be read, again and again.
    fn readable(&self, symbol: &Symbol) -> Result<()> {
        if self.faults.is_unreadable(symbol) {
            return Err(StoreErrorKind::Corrupt.because(format!("{symbol} cannot be read")));
        }
        Ok(())
    }

    fn fail(&self, kind: &'static str) -> Result<()> {
        if self.faults.strikes(kind) {
            Err(StoreErrorKind::Unavailable.because(kind))
        } else {
            Ok(())
        }
    }
}

/// Passes calls on. `safe` calls may be refused before they are made; of `again` calls the answer
/// may be lost as well, because their contract allows to make them again; `unreadable` calls fail
/// for ever when their first argument is a symbol marked so.
macro_rules! pass_on {
    ($port:ident { $($how:ident fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* }) => {
        #[async_trait]
        impl $port for Faulty<dyn Store> {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer> {
                pass_on!(@ $how self.$name($($argument),*))
            })*
        }
    };
    (@ safe $this:ident.$name:ident($($argument:ident),*)) => {{
        $this.before().await?;
        $this.inner.$name($($argument),*).await
    }};
    (@ unreadable $this:ident.$name:ident($symbol:ident, $($argument:ident),*)) => {{
        $this.before().await?;
        $this.readable($symbol)?;
        $this.inner.$name($symbol, $($argument),*).await
    }};
    (@ again $this:ident.$name:ident($($argument:ident),*)) => {{
        $this.before().await?;
        let answer = $this.inner.$name($($argument),*).await?;
        $this.fail("store loses the answer")?;
        Ok(answer)
    }};
}

pass_on! { PriceStore {
    again fn append(batch: Vec<Observation>) -> Vec<Appended>;
    again fn correct(id: PriceId, correction: Correction) -> Option<Price>;
    again fn delete(id: PriceId, received_at: Timestamp) -> Option<Price>;
    safe fn price(id: PriceId, as_of: Option<Timestamp>) -> Option<Price>;
    safe fn history(id: PriceId) -> Vec<PriceVersion>;
    safe fn latest(
        symbol: &Symbol, provider: Option<&ProviderName>, as_of: Option<Timestamp>
    ) -> Option<Price>;
    safe fn prices(query: PriceQuery) -> Vec<Price>;
    unreadable fn values_around(
        symbol: &Symbol, from: Position, n_before: usize, n_from: usize
    ) -> Vec<(Position, Amount)>;
    safe fn symbols(after: Option<&Symbol>, limit: usize) -> Vec<Symbol>;
} }

#[async_trait]
impl AverageStore for Faulty<dyn Store> {
    async fn average_turn(&self, symbols: &[Symbol]) -> Result<Box<dyn AverageTurn>> {
        self.before().await?;
        let inner = self.inner.average_turn(symbols).await?;
        let store = Self { inner: self.inner.clone(), faults: self.faults.clone() };
        Ok(Box::new(FaultyTurn { inner, store }))
    }

    async fn consumer_position(&self, group: &str, partition: i32) -> Result<Option<u64>> {
        self.before().await?;
        self.inner.consumer_position(group, partition).await
    }

    async fn latest_average(
        &self,
        symbol: &Symbol,
        window: Window,
    ) -> Result<Option<MovingAverage>> {
        self.before().await?;
        self.inner.latest_average(symbol, window).await
    }

    async fn averages(
        &self,
        symbol: &Symbol,
        window: Window,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<MovingAverage>> {
        self.before().await?;
        self.inner.averages(symbol, window, range, limit).await
    }

    async fn materialised_windows(&self) -> Result<Vec<Window>> {
        self.before().await?;
        self.inner.materialised_windows().await
    }

    async fn set_materialised_windows(&self, windows: &[Window]) -> Result<()> {
        self.before().await?;
        self.inner.set_materialised_windows(windows).await?;
        self.fail("store loses the answer")
    }
}

struct FaultyTurn {
    inner: Box<dyn AverageTurn>,
    store: Faulty<dyn Store>,
}

#[async_trait]
impl AverageTurn for FaultyTurn {
    async fn apply(self: Box<Self>, update: AverageUpdate) -> Result<()> {
        self.store.before().await?;
        self.inner.apply(update).await?;
        self.store.fail("store loses the answer")
    }
}

#[async_trait]
impl Outbox for Faulty<dyn Store> {
    async fn pending(&self, limit: usize) -> Result<Vec<PriceEvent>> {
        self.before().await?;
        self.inner.pending(limit).await
    }

    async fn confirm(&self, events: &[Sequence]) -> Result<()> {
        self.before().await?;
        self.inner.confirm(events).await?;
        self.fail("store loses the answer")
    }

    async fn depth(&self) -> Result<u64> {
        self.before().await?;
        self.inner.depth().await
    }

    async fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>> {
        self.before().await?;
        self.inner.log_after(after, limit).await
    }

    async fn log_start(&self) -> Result<Sequence> {
        self.before().await?;
        self.inner.log_start().await
    }

    fn committed(&self) -> watch::Receiver<Sequence> {
        self.inner.committed()
    }
}

pass_on! { DeadLetterStore {
    safe fn park(letter: DeadLetter) -> u64;
    safe fn dead_letters(after: u64, limit: usize) -> Vec<DeadLetter>;
    safe fn dead_letter(id: u64) -> Option<DeadLetter>;
    safe fn remove_dead_letter(id: u64) -> bool;
} }

pass_on! { Snapshots {
    safe fn snapshot() -> Box<dyn Snapshot>;
    again fn load(records: Vec<SnapshotRecord>) -> ();
} }

pass_on! { LedgerStore {
    safe fn ledgers() -> Vec<ProviderLedger>;
    safe fn save_ledger(ledger: ProviderLedger) -> LedgerSaved;
    safe fn remember_unknown(
        provider: &ProviderName, symbols: &[Symbol], now: Timestamp, until: Timestamp
    ) -> ();
    safe fn unknown_symbols(
        provider: &ProviderName, symbols: &[Symbol], now: Timestamp
    ) -> Vec<(Symbol, Timestamp)>;
    safe fn reset_provider(ledger: ProviderLedger) -> LedgerSaved;
    safe fn save_receipts(receipts: Vec<Receipt>) -> ();
    safe fn receipt(symbol: &Symbol) -> Option<Receipt>;
} }

pass_on! { AssetStore {
    safe fn save_assets(list: AssetList) -> ();
    safe fn asset_lists(class: AssetClass) -> Vec<AssetList>;
} }

pass_on! { LeaseStore {
    safe fn hold_lease(name: &str, holder: &str, length: Duration) -> bool;
    safe fn give_up_lease(name: &str, holder: &str) -> ();
} }

pass_on! { JobStore {
    safe fn create_job(
        config: JobConfig, created_at: Timestamp, next_run: Option<Timestamp>
    ) -> PollJob;
    safe fn jobs(after: Option<JobId>, limit: usize) -> Vec<PollJob>;
    safe fn job(id: JobId) -> Option<PollJob>;
    safe fn update_job(id: JobId, change: JobChange) -> Option<PollJob>;
    safe fn delete_job(id: JobId) -> bool;
    safe fn delete_jobs() -> u64;
    safe fn claim_due(
        holder: &str, now: Timestamp, until: Timestamp, limit: usize
    ) -> Vec<PollJob>;
    safe fn claim_job(
        id: JobId, holder: &str, now: Timestamp, until: Timestamp
    ) -> Option<PollJob>;
    safe fn release_leases(holder: &str) -> ();
    safe fn finish_run(id: JobId, holder: &str, run: JobRun) -> Option<PollJob>;
} }

pass_on! { Retention {
    again fn drop_before(cutoff: Timestamp, limit: usize) -> Dropped;
    safe fn fitting_from(max_bytes: u64) -> Option<Timestamp>;
} }

pass_on! { KeyStore {
    safe fn create_key(key: ApiKey) -> bool;
    safe fn keys() -> Vec<ApiKey>;
    safe fn revoke_key(id: KeyId, at: Timestamp) -> Option<ApiKey>;
    safe fn touch_keys(uses: Vec<(KeyId, Timestamp)>) -> ();
    safe fn signing_secret(proposed: [u8; 32]) -> [u8; 32];
} }

#[async_trait]
impl AuditStore for Faulty<dyn Store> {
    /// The view fails as the store does.
    fn audited(&self, draft: AuditDraft) -> Arc<dyn Store> {
        Faulty::over(&self.inner.audited(draft), &self.faults)
    }

    async fn note(&self, draft: AuditDraft) -> Result<()> {
        self.before().await?;
        self.inner.note(draft).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        self.before().await?;
        self.inner.audit(query).await
    }

    async fn audit_after(&self, after: u64, limit: usize) -> Result<Vec<AuditEntry>> {
        self.before().await?;
        self.inner.audit_after(after, limit).await
    }

    async fn audit_head(&self) -> Result<AuditHead> {
        self.before().await?;
        self.inner.audit_head().await
    }
}

#[async_trait]
impl Store for Faulty<dyn Store> {
    async fn status(&self) -> Result<StoreStatus> {
        self.inner.status().await
    }

    async fn check(&self) -> Result<()> {
        self.before().await?;
        self.inner.check().await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
