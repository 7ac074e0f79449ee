//! The tables of the file, and the counters that live in it.

use parking_lot::RwLockReadGuard;
use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction,
};

use super::heads::Heads;
use super::memory::{Memory, Staged};
use super::series::{BlockKey, SeriesKey};
use super::symbols::Symbols;
use super::{Result, audit, corrupt, storage};
use crate::codec::journal::Run;
use crate::codec::record;
use crate::model::{AuditDraft, Position, PriceId, Sequence, Symbol, Timestamp};
use crate::ports::StoreErrorKind;

/// Raised when a stored form changes; an older file is converted, a newer one refused.
///
/// 2: prices and averages in blocks and runs of changes in the log, where 1 had a row for each.
pub(super) const SCHEMA_VERSION: u32 = 2;

const SYMBOLS: TableDefinition<'_, &str, u32> = TableDefinition::new("symbols");
const BLOCKS: TableDefinition<'_, BlockKey, &[u8]> = TableDefinition::new("blocks");
/// (symbol number, highest id) of a block of prices → its lowest id, and the position it ends at.
const SPANS: TableDefinition<'_, (u32, u64), (u64, i64, u64)> = TableDefinition::new("spans");
/// The symbol numbers of those price ids that do not carry them.
const FOREIGN_IDS: TableDefinition<'_, u64, u32> = TableDefinition::new("foreign_ids");
/// (price id, version) → (`superseded_at`, price row): all but the current version.
const VERSIONS: TableDefinition<'_, (u64, u32), (i64, &[u8])> = TableDefinition::new("versions");
/// (price id, version) → JSON text.
const RAWS: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("raws");
/// Sequence of the first change → run of changes.
const JOURNAL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");
/// First → last sequence of price changes that are not confirmed, in runs that do not touch.
const UNCONFIRMED: TableDefinition<'_, u64, u64> = TableDefinition::new("unconfirmed");
/// Series → the sequence up to which all of its changes are sealed.
const SEALED: TableDefinition<'_, SeriesKey, u64> = TableDefinition::new("sealed");
/// (consumer group, partition) → offset.
const POSITIONS: TableDefinition<'_, (&str, i32), u64> = TableDefinition::new("positions");
const DEAD_LETTERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("dead_letters");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The prefix of the META keys that name materialised windows.
pub(super) const WINDOW_PREFIX: &str = "window:";

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Numbers that are written with every commit that moves them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub(super) struct Counters {
            $($(#[$doc])* pub(super) $name: u64,)*
        }

        impl Counters {
            pub(super) fn read(meta: &impl ReadableTable<&'static str, u64>) -> Result<Self> {
                let counter = |name| {
                    meta.get(name).map(|guard| guard.map_or(0, |guard| guard.value()))
                };
                Ok(Self { $($name: counter(stringify!($name)).map_err(storage)?,)* })
            }

            fn write(self, before: Self, meta: &mut Table<'_, &'static str, u64>) -> Result<()> {
                $(if self.$name != before.$name {
                    meta.insert(stringify!($name), self.$name).map_err(storage)?;
                })*
                Ok(())
            }
        }
    };
}

counters! {
    last_price_id,
    last_sequence,
    last_dead_letter,
    /// Prices, deleted ones included.
    n_prices,
    n_averages,
    /// Changes in the log.
    n_logged,
    /// All changes below this sequence are sealed.
    unsealed_from,
}

/// Everything the writer may touch in one transaction.
pub(super) struct Tables<'t> {
    pub(super) symbols: Table<'t, &'static str, u32>,
    pub(super) blocks: Table<'t, BlockKey, &'static [u8]>,
    pub(super) spans: Table<'t, (u32, u64), (u64, i64, u64)>,
    pub(super) foreign_ids: Table<'t, u64, u32>,
    pub(super) versions: Table<'t, (u64, u32), (i64, &'static [u8])>,
    pub(super) raws: Table<'t, (u64, u32), &'static [u8]>,
    pub(super) journal: Table<'t, u64, &'static [u8]>,
    pub(super) unconfirmed: Table<'t, u64, u64>,
    pub(super) sealed: Table<'t, SeriesKey, u64>,
    pub(super) positions: Table<'t, (&'static str, i32), u64>,
    pub(super) dead_letters: Table<'t, u64, &'static [u8]>,
    pub(super) meta: Table<'t, &'static str, u64>,
    pub(super) counters: Counters,
    /// Entries for the trail, sealed at the end of the transaction.
    pub(super) drafts: Vec<AuditDraft>,
    pub(super) names: &'t Symbols,
    /// For tables that few writes touch and that are opened when needed.
    pub(super) transaction: &'t WriteTransaction,
    /// The heads as of the last commit.
    pub(super) heads: RwLockReadGuard<'t, Heads>,
    /// What the writer remembers from commit to commit.
    pub(super) memory: &'t mut Memory,
    /// What this transaction adds to the heads and takes from them.
    pub(super) staged: Staged,
    /// The changes that are not yet in the log.
    pub(super) run: Option<Run>,
    /// The counters as they are in the file.
    stored: Counters,
}

impl<'t> Tables<'t> {
    pub(super) fn open(
        transaction: &'t WriteTransaction,
        names: &'t Symbols,
        heads: RwLockReadGuard<'t, Heads>,
        memory: &'t mut Memory,
        stored: Counters,
        counters: Counters,
    ) -> Result<Self> {
        Ok(Self {
            symbols: transaction.open_table(SYMBOLS).map_err(storage)?,
            blocks: transaction.open_table(BLOCKS).map_err(storage)?,
            spans: transaction.open_table(SPANS).map_err(storage)?,
            foreign_ids: transaction.open_table(FOREIGN_IDS).map_err(storage)?,
            versions: transaction.open_table(VERSIONS).map_err(storage)?,
            raws: transaction.open_table(RAWS).map_err(storage)?,
            journal: transaction.open_table(JOURNAL).map_err(storage)?,
            unconfirmed: transaction.open_table(UNCONFIRMED).map_err(storage)?,
            sealed: transaction.open_table(SEALED).map_err(storage)?,
            positions: transaction.open_table(POSITIONS).map_err(storage)?,
            dead_letters: transaction.open_table(DEAD_LETTERS).map_err(storage)?,
            meta: transaction.open_table(META).map_err(storage)?,
            counters,
            drafts: Vec::new(),
            names,
            transaction,
            heads,
            memory,
            staged: Staged::default(),
            run: None,
            stored,
        })
    }

    /// The number of a symbol, a new one if need be.
    pub(super) fn symbol_number(&mut self, symbol: &Symbol) -> Result<u32> {
        match self.names.number(symbol) {
            Some(number) => Ok(number),
            None => self.add_symbol(symbol, None),
        }
    }

    /// The number of a symbol whose prices come from another store: that of the other store if it
    /// is free here, so that the ids go on carrying it.
    pub(super) fn symbol_number_like(&mut self, symbol: &Symbol, id: PriceId) -> Result<u32> {
        match self.names.number(symbol) {
            Some(number) => Ok(number),
            None => self.add_symbol(symbol, super::ids::carried_number(id)),
        }
    }

    fn add_symbol(&mut self, symbol: &Symbol, wanted: Option<u32>) -> Result<u32> {
        let number = self.names.add(symbol, wanted);
        self.symbols.insert(symbol.as_str(), number).map_err(storage)?;
        Ok(number)
    }

    /// The last sequence of the commit before.
    pub(super) fn committed_sequence(&self) -> u64 {
        self.stored.last_sequence
    }

    /// Writes what the transaction has gathered. Nothing may be changed behind it.
    pub(super) fn finish(&mut self, log_history: u64, unsealed_entries: u64) -> Result<()> {
        self.flush_run()?;
        self.seal_what_is_due(unsealed_entries)?;
        self.trim_log(log_history)?;
        audit::append(self.transaction, std::mem::take(&mut self.drafts))?;
        self.counters.write(self.stored, &mut self.meta)
    }
}

/// The tables as a reader sees them.
pub(super) struct Schema(pub(super) ReadTransaction);

macro_rules! readable {
    ($($name:ident: $table:ident => $key:ty, $value:ty;)*) => {
        impl Schema {
            $(pub(super) fn $name(&self) -> Result<ReadOnlyTable<$key, $value>> {
                self.0.open_table($table).map_err(storage)
            })*
        }
    };
}

readable! {
    symbols: SYMBOLS => &'static str, u32;
    blocks: BLOCKS => BlockKey, &'static [u8];
    spans: SPANS => (u32, u64), (u64, i64, u64);
    foreign_ids: FOREIGN_IDS => u64, u32;
    versions: VERSIONS => (u64, u32), (i64, &'static [u8]);
    raws: RAWS => (u64, u32), &'static [u8];
    journal: JOURNAL => u64, &'static [u8];
    unconfirmed: UNCONFIRMED => u64, u64;
    sealed: SEALED => SeriesKey, u64;
    positions: POSITIONS => (&'static str, i32), u64;
    dead_letters: DEAD_LETTERS => u64, &'static [u8];
    meta: META => &'static str, u64;
}

impl Schema {
    pub(super) fn counters(&self) -> Result<Counters> {
        Counters::read(&self.meta()?)
    }
}

/// The position in a key of ours.
pub(super) fn position(observed_at: i64, id: u64) -> Result<Position> {
    Ok(Position { observed_at: timestamp(observed_at)?, id: price_id(id)? })
}

pub(super) fn timestamp(micros: i64) -> Result<Timestamp> {
    Timestamp::from_micros(micros).map_err(|error| StoreErrorKind::Corrupt.because(error))
}

pub(super) fn price_id(id: u64) -> Result<PriceId> {
    PriceId::new(id).ok_or_else(|| StoreErrorKind::Corrupt.because(format!("no price id: {id}")))
}

/// The raw payload in a row of [`RAWS`].
pub(super) fn raw_payload(bytes: &[u8]) -> Result<crate::model::RawPayload> {
    record::decode_raw(bytes).map_err(corrupt)
}

impl Counters {
    pub(super) fn sequence(&self) -> Sequence {
        Sequence(self.last_sequence)
    }
}
