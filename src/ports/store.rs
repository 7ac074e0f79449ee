//! Where prices, averages and the outbox are kept.

use std::collections::BTreeSet;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{AssetStore, AuditStore, JobStore, KeyStore, LeaseStore, LedgerStore};
pub use crate::model::SnapshotRecord;
use crate::model::{
    Amount, Currency, DeadLetter, MovingAverage, Observation, Order, Position, Price, PriceEvent,
    PriceId, PriceVersion, ProviderName, RawPayload, Sequence, Symbol, TimeRange, Timestamp,
    Window,
};

/// A failure of a store. Callers decide on `kind`; people read the rest.
#[derive(Debug, thiserror::Error)]
#[error("store {kind}: {source}")]
pub struct StoreError {
    pub kind: StoreErrorKind,
    source: Box<dyn std::error::Error + Send + Sync>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The backend cannot be reached or failed; nothing was stored. Safe to retry.
    Unavailable,
    /// The disk is full; nothing was stored. Safe to retry once there is room.
    Full,
    /// Too many writes wait already; nothing was stored. Safe to retry later.
    Overloaded,
    /// Stored bytes cannot be read: needs a person.
    Corrupt,
}

impl StoreErrorKind {
    pub fn because(
        self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreError {
        StoreError { kind: self, source: source.into() }
    }
}

impl std::fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "unavailable",
            Self::Full => "full",
            Self::Overloaded => "overloaded",
            Self::Corrupt => "corrupt",
        })
    }
}

type Result<T> = std::result::Result<T, StoreError>;

/// What became of one observation of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// Stored now, as this price.
    New(Price),
    /// The same key with the same value is stored already: this price. Nothing was written.
    Duplicate(Price),
    /// The same key is stored with another value: this price. Nothing was written.
    Conflict(Price),
}

impl Appended {
    pub fn price(&self) -> &Price {
        match self {
            Self::New(price) | Self::Duplicate(price) | Self::Conflict(price) => price,
        }
    }
}

/// A new value for a stored price; its natural key stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    pub price: Amount,
    pub volume: Option<Amount>,
    pub currency: Currency,
    pub received_at: Timestamp,
    pub raw: Option<RawPayload>,
}

/// Which prices a list shows.
#[derive(Debug, Clone)]
pub struct PriceQuery {
    /// All symbols when none.
    pub symbol: Option<Symbol>,
    pub provider: Option<ProviderName>,
    /// `from <= observed_at < to`.
    pub range: TimeRange,
    pub order: Order,
    /// Start behind this position, in the direction of `order`.
    pub after: Option<Position>,
    /// Leave out this many first.
    pub skip: usize,
    pub limit: usize,
    /// Show what was known then instead of now.
    pub as_of: Option<Timestamp>,
}

impl PriceQuery {
    /// The newest `limit` prices of everything.
    pub fn newest(limit: usize) -> Self {
        Self {
            symbol: None,
            provider: None,
            range: TimeRange::ALL,
            order: Order::NewestFirst,
            after: None,
            skip: 0,
            limit,
            as_of: None,
        }
    }
}

/// Prices, their versions and their events.
///
/// Every change appends its event to the log in the same transaction, and returns only when both
/// are durable. `received_at` of a version is never earlier than that of the version before.
#[async_trait]
pub trait PriceStore: Send + Sync {
    /// Stores observations in order, each at most once by natural key, in one transaction, and
    /// answers what became of each, in order.
    ///
    /// A key that was deleted is stored again as the next version of the same price. Duplicates
    /// and conflicts within the batch count like those with stored prices.
    ///
    /// # Errors
    /// Any [`StoreErrorKind`]; then nothing of the batch was acknowledged and all of it may be
    /// sent again.
    async fn append(&self, batch: Vec<Observation>) -> Result<Vec<Appended>>;

    /// Gives a price another value; the old one stays in its history. The value it has already
    /// makes no new version. None when the id is unknown or deleted.
    async fn correct(&self, id: PriceId, correction: Correction) -> Result<Option<Price>>;

    /// Deletes a price; its history stays. Answers the deleted version, or none when the id is
    /// unknown or deleted already.
    async fn delete(&self, id: PriceId, received_at: Timestamp) -> Result<Option<Price>>;

    /// The price with this id as known now, or at `as_of`; none when unknown or deleted then.
    async fn price(&self, id: PriceId, as_of: Option<Timestamp>) -> Result<Option<Price>>;

    /// All versions of a price, oldest first; empty when the id is unknown.
    async fn history(&self, id: PriceId) -> Result<Vec<PriceVersion>>;

    /// The price with the greatest (`observed_at`, id) of a symbol, of one provider if given, as
    /// known now or at `as_of`.
    async fn latest(
        &self,
        symbol: &Symbol,
        provider: Option<&ProviderName>,
        as_of: Option<Timestamp>,
    ) -> Result<Option<Price>>;

    /// Prices by (`observed_at`, id) in the order asked for. An unknown symbol is an empty list.
    async fn prices(&self, query: PriceQuery) -> Result<Vec<Price>>;

    /// The values around a position, oldest first: up to `n_before` that come before `from`, then
    /// up to `n_from` that are at or behind it. Only current, undeleted prices. One snapshot.
    async fn values_around(
        &self,
        symbol: &Symbol,
        from: Position,
        n_before: usize,
        n_from: usize,
    ) -> Result<Vec<(Position, Amount)>>;

    /// Symbols that have or had a price, in alphabetical order, behind `after`.
    async fn symbols(&self, after: Option<&Symbol>, limit: usize) -> Result<Vec<Symbol>>;
}

/// How far a consumer group has come on one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerPosition {
    pub group: String,
    pub partition: i32,
    /// The last offset whose effect is stored.
    pub offset: u64,
}

/// What one step of the averager changes.
#[derive(Debug, Clone, Default)]
pub struct AverageUpdate {
    /// Written over what is there.
    pub averages: Vec<MovingAverage>,
    /// Averages that no longer exist, as (symbol, window, position).
    pub removed: Vec<(Symbol, Window, Position)>,
    pub positions: Vec<ConsumerPosition>,
}

impl AverageUpdate {
    /// The symbols whose averages it changes, each once.
    pub fn symbols(&self) -> Vec<Symbol> {
        let written = self.averages.iter().map(|average| &average.symbol);
        let removed = self.removed.iter().map(|(symbol, _, _)| symbol);
        let symbols: BTreeSet<&Symbol> = written.chain(removed).collect();
        symbols.into_iter().cloned().collect()
    }
}

/// The right to compute the averages of some symbols, which one averager has at a time, over all
/// processes on the store. It is given up when it is used or dropped.
///
/// Without it an averager that reads prices and then dawdles would write over what another computed
/// from later ones.
#[async_trait]
pub trait AverageTurn: Send {
    /// Writes results and positions in one transaction, and an [`LogEntry::Average`] for each
    /// average that is new or changed. What is there already unchanged makes no log entry.
    ///
    /// It may be lost in a crash, but then all of it, and everything confirmed after it
    /// ([`Outbox::confirm`]) is lost too, so that it is delivered again.
    ///
    /// # Errors
    /// Any [`StoreErrorKind`], also when the right was lost meanwhile; nothing was written.
    async fn apply(self: Box<Self>, update: AverageUpdate) -> Result<()>;
}

/// Moving averages and the averager's place in the stream of events.
#[async_trait]
pub trait AverageStore: Send + Sync {
    /// Waits until nobody else has the turn of one of these symbols. Prices read from here on
    /// include everything that an earlier turn was computed from.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`] also when others do not give it up in time.
    async fn average_turn(&self, symbols: &[Symbol]) -> Result<Box<dyn AverageTurn>>;

    /// [`AverageTurn::apply`] for what was not computed from prices read before.
    async fn apply_averages(&self, update: AverageUpdate) -> Result<()> {
        self.average_turn(&update.symbols()).await?.apply(update).await
    }

    /// Where `group` continues on `partition`; none when it never stored anything.
    async fn consumer_position(&self, group: &str, partition: i32) -> Result<Option<u64>>;

    /// The stored average with the greatest position; none when there is none.
    async fn latest_average(
        &self,
        symbol: &Symbol,
        window: Window,
    ) -> Result<Option<MovingAverage>>;

    /// Stored averages with `from <= observed_at < to`, newest first.
    async fn averages(
        &self,
        symbol: &Symbol,
        window: Window,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<MovingAverage>>;

    /// The windows for which every stored price has its average, but for events under way.
    async fn materialised_windows(&self) -> Result<Vec<Window>>;

    /// Replaces the list of materialised windows, and deletes the averages of all others.
    async fn set_materialised_windows(&self, windows: &[Window]) -> Result<()>;
}

/// One entry of the store's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEntry {
    Price(PriceEvent),
    Average { sequence: Sequence, average: MovingAverage },
}

impl LogEntry {
    pub fn sequence(&self) -> Sequence {
        match self {
            Self::Price(event) => event.sequence,
            Self::Average { sequence, .. } => *sequence,
        }
    }
}

/// The log of changes: what the relay still has to publish, and what streams resume from.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The oldest events that are not confirmed, in sequence order. An event that is visible here
    /// is committed, and none with a lower sequence of the same symbol appears later.
    async fn pending(&self, limit: usize) -> Result<Vec<PriceEvent>>;

    /// Marks events as safely on the bus. Confirming twice changes nothing.
    async fn confirm(&self, events: &[Sequence]) -> Result<()>;

    /// How many events are not confirmed.
    async fn depth(&self) -> Result<u64>;

    /// Log entries with a sequence greater than `after`, in sequence order.
    async fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>>;

    /// The oldest sequence that [`Outbox::log_after`] can still resume from.
    async fn log_start(&self) -> Result<Sequence>;

    /// The last committed sequence; changes wake whoever watches.
    fn committed(&self) -> watch::Receiver<Sequence>;
}

/// Deliveries that were given up.
#[async_trait]
pub trait DeadLetterStore: Send + Sync {
    /// Keeps a dead letter and answers its id; `letter.id` is ignored.
    async fn park(&self, letter: DeadLetter) -> Result<u64>;

    /// Dead letters with an id greater than `after`, oldest first.
    async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>>;

    async fn dead_letter(&self, id: u64) -> Result<Option<DeadLetter>>;

    /// Forgets a dead letter; false when there is none with this id.
    async fn remove_dead_letter(&self, id: u64) -> Result<bool>;
}

/// A consistent view of everything in a store, read in portions.
#[async_trait]
pub trait Snapshot: Send {
    /// The next records; empty at the end.
    async fn next(&mut self, limit: usize) -> Result<Vec<SnapshotRecord>>;
}

/// Copying whole stores: backup, restore, migration.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// Opens a view of what is committed now; writes go on beside it.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>>;

    /// Takes over records of a snapshot with their ids and versions, without events. Records that
    /// are there already are left as they are. Averages are not copied: the materialised windows
    /// are forgotten, so that the averager computes them anew.
    async fn load(&self, records: Vec<SnapshotRecord>) -> Result<()>;
}

/// What an operator asks first about a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStatus {
    pub backend: &'static str,
    pub schema_version: u32,
    pub n_symbols: u64,
    pub n_prices: u64,
    pub n_averages: u64,
    pub n_dead_letters: u64,
    pub size_bytes: u64,
}

/// Everything a store does.
#[async_trait]
pub trait Store:
    PriceStore
    + AverageStore
    + Outbox
    + DeadLetterStore
    + Snapshots
    + LedgerStore
    + AssetStore
    + JobStore
    + KeyStore
    + AuditStore
    + LeaseStore
    + Send
    + Sync
{
    /// How much there is. Cheap enough to be asked all the time: what is many may be counted about.
    async fn status(&self) -> Result<StoreStatus>;

    /// A cheap proof that the store answers and takes writes.
    async fn check(&self) -> Result<()>;

    /// Makes everything durable and lets the files go. Later calls fail as unavailable.
    async fn close(&self) -> Result<()>;
}
