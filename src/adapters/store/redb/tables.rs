//! The tables of the file, and the counters that live in it.

use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, Table, TableDefinition, WriteTransaction,
};

use super::symbols::Symbols;
use super::{Result, assets, audit, corrupt, jobs, keys, ledger, storage};
use crate::codec::record;
use crate::model::{
    AuditDraft, EventKind, MovingAverage, Position, Price, PriceId, Sequence, Symbol, Timestamp,
};
use crate::ports::StoreErrorKind;

/// Raised when a stored form changes; an older file is converted, a newer one refused.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// (symbol number, `observed_at` in µs, price id) → price row: the order of every list.
pub(super) type PriceKey = (u32, i64, u64);
/// (symbol number, window, `observed_at` in µs, price id) → mean.
pub(super) type AverageKey = (u32, u16, i64, u64);
/// (symbol number, `observed_at` in µs, provider, external id or "") → price id.
type NaturalKey = (u32, i64, &'static str, &'static str);

const SYMBOLS: TableDefinition<'_, &str, u32> = TableDefinition::new("symbols");
const PRICES: TableDefinition<'_, PriceKey, &[u8]> = TableDefinition::new("prices");
const NATURAL_KEYS: TableDefinition<'_, NaturalKey, u64> = TableDefinition::new("natural_keys");
/// price id → (symbol number, `observed_at`).
const IDS: TableDefinition<'_, u64, (u32, i64)> = TableDefinition::new("ids");
/// (price id, version) → (`superseded_at`, price row): all but the current version.
const VERSIONS: TableDefinition<'_, (u64, u32), (i64, &[u8])> = TableDefinition::new("versions");
/// (price id, version) → JSON text.
const RAWS: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("raws");
const AVERAGES: TableDefinition<'_, AverageKey, &[u8]> = TableDefinition::new("averages");
/// sequence → log entry.
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Sequences of price events that are not confirmed.
const OUTBOX: TableDefinition<'_, u64, ()> = TableDefinition::new("outbox");
/// (consumer group, partition) → offset.
const POSITIONS: TableDefinition<'_, (&str, i32), u64> = TableDefinition::new("positions");
const DEAD_LETTERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("dead_letters");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The prefix of the META keys that name materialised windows.
pub(super) const WINDOW_PREFIX: &str = "window:";

/// The counters that must not run backwards. They are written with every commit that moves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counters {
    pub(super) last_price_id: u64,
    pub(super) last_sequence: Sequence,
    pub(super) last_dead_letter: u64,
}

/// Everything the writer may touch in one transaction.
pub(super) struct Tables<'t> {
    pub(super) symbols: Table<'t, &'static str, u32>,
    pub(super) prices: Table<'t, PriceKey, &'static [u8]>,
    pub(super) natural_keys: Table<'t, NaturalKey, u64>,
    pub(super) ids: Table<'t, u64, (u32, i64)>,
    pub(super) versions: Table<'t, (u64, u32), (i64, &'static [u8])>,
    pub(super) raws: Table<'t, (u64, u32), &'static [u8]>,
    pub(super) averages: Table<'t, AverageKey, &'static [u8]>,
    pub(super) log: Table<'t, u64, &'static [u8]>,
    pub(super) outbox: Table<'t, u64, ()>,
    pub(super) positions: Table<'t, (&'static str, i32), u64>,
    pub(super) dead_letters: Table<'t, u64, &'static [u8]>,
    pub(super) meta: Table<'t, &'static str, u64>,
    pub(super) counters: Counters,
    /// Entries for the trail, sealed at the end of the transaction.
    pub(super) drafts: Vec<AuditDraft>,
    pub(super) names: &'t Symbols,
    /// For tables that few writes touch and that are opened when needed.
    pub(super) transaction: &'t WriteTransaction,
}

impl<'t> Tables<'t> {
    pub(super) fn open(
        transaction: &'t WriteTransaction,
        names: &'t Symbols,
        counters: Counters,
    ) -> Result<Self> {
        Ok(Self {
            symbols: transaction.open_table(SYMBOLS).map_err(storage)?,
            prices: transaction.open_table(PRICES).map_err(storage)?,
            natural_keys: transaction.open_table(NATURAL_KEYS).map_err(storage)?,
            ids: transaction.open_table(IDS).map_err(storage)?,
            versions: transaction.open_table(VERSIONS).map_err(storage)?,
            raws: transaction.open_table(RAWS).map_err(storage)?,
            averages: transaction.open_table(AVERAGES).map_err(storage)?,
            log: transaction.open_table(LOG).map_err(storage)?,
            outbox: transaction.open_table(OUTBOX).map_err(storage)?,
            positions: transaction.open_table(POSITIONS).map_err(storage)?,
            dead_letters: transaction.open_table(DEAD_LETTERS).map_err(storage)?,
            meta: transaction.open_table(META).map_err(storage)?,
            counters,
            drafts: Vec::new(),
            names,
            transaction,
        })
    }

    /// The number of a symbol, a new one if need be.
    pub(super) fn symbol_number(&mut self, symbol: &Symbol) -> Result<u32> {
        if let Some(number) = self.names.number(symbol) {
            return Ok(number);
        }
        let number = self.names.add(symbol);
        self.symbols.insert(symbol.as_str(), number).map_err(storage)?;
        Ok(number)
    }

    /// Appends the event of a change to the log and the outbox.
    pub(super) fn log_price(&mut self, kind: EventKind, price: &Price) -> Result<()> {
        let sequence = self.next_sequence();
        let message_id = message_id(price.observation.received_at, sequence);
        let entry = record::encode_price_event(kind, message_id, price);
        self.log.insert(sequence, entry.as_slice()).map_err(storage)?;
        self.outbox.insert(sequence, ()).map_err(storage)?;
        Ok(())
    }

    pub(super) fn log_average(&mut self, average: &MovingAverage) -> Result<()> {
        let sequence = self.next_sequence();
        let entry = record::encode_average(average);
        self.log.insert(sequence, entry.as_slice()).map_err(storage)?;
        Ok(())
    }

    fn next_sequence(&mut self) -> u64 {
        self.counters.last_sequence.0 += 1;
        self.counters.last_sequence.0
    }

    pub(super) fn write_counters(&mut self) -> Result<()> {
        let counters = self.counters;
        for (name, value) in [
            ("last_price_id", counters.last_price_id),
            ("last_sequence", counters.last_sequence.0),
            ("last_dead_letter", counters.last_dead_letter),
        ] {
            self.meta.insert(name, value).map_err(storage)?;
        }
        Ok(())
    }

    /// Drops log entries beyond `keep`, oldest first, but none that is not confirmed; at most a
    /// few thousand at a time so that no commit takes long.
    pub(super) fn trim_log(&mut self, keep: u64) -> Result<()> {
        const AT_A_TIME: u64 = 4_096;
        let excess = self.log.len().map_err(storage)?.saturating_sub(keep);
        // Trimming in steps spares small commits the work.
        if excess < AT_A_TIME / 4 {
            return Ok(());
        }
        let oldest_unconfirmed = self
            .outbox
            .first()
            .map_err(storage)?
            .map_or(u64::MAX, |(sequence, _)| sequence.value());
        for _ in 0..excess.min(AT_A_TIME) {
            let oldest = self.log.first().map_err(storage)?.map(|(sequence, _)| sequence.value());
            match oldest {
                Some(sequence) if sequence < oldest_unconfirmed => {
                    self.log.remove(sequence).map_err(storage)?;
                }
                _ => break,
            }
        }
        Ok(())
    }
}

/// A `UUIDv7` of the time of receipt; the sequence makes it unique.
fn message_id(received_at: Timestamp, sequence: u64) -> u128 {
    let millis = u64::try_from(received_at.as_micros() / 1_000).unwrap_or(0);
    let mut tail = [0; 10];
    tail[2..].copy_from_slice(&sequence.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid().as_u128()
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
    prices: PRICES => PriceKey, &'static [u8];
    ids: IDS => u64, (u32, i64);
    versions: VERSIONS => (u64, u32), (i64, &'static [u8]);
    raws: RAWS => (u64, u32), &'static [u8];
    averages: AVERAGES => AverageKey, &'static [u8];
    log: LOG => u64, &'static [u8];
    outbox: OUTBOX => u64, ();
    positions: POSITIONS => (&'static str, i32), u64;
    dead_letters: DEAD_LETTERS => u64, &'static [u8];
    meta: META => &'static str, u64;
}

/// Creates what is missing, checks the schema version and loads symbols and counters.
pub(super) fn prepare(database: &Database, names: &Symbols) -> Result<Counters> {
    let transaction = database.begin_write().map_err(storage)?;
    {
        let mut tables = Tables::open(&transaction, names, Counters::default())?;
        let found = tables.meta.get("schema_version").map_err(storage)?.map(|guard| guard.value());
        match found {
            None => {
                tables.meta.insert("schema_version", u64::from(SCHEMA_VERSION)).map_err(storage)?;
            }
            Some(version) if version > u64::from(SCHEMA_VERSION) => {
                return Err(StoreErrorKind::Corrupt.because(format!(
                    "the store has schema {version}, this tickerd knows {SCHEMA_VERSION}: use a newer tickerd"
                )));
            }
            Some(_) => {}
        }
    }
    ledger::create(&transaction)?;
    assets::create(&transaction)?;
    jobs::create(&transaction)?;
    keys::create(&transaction)?;
    audit::create(&transaction)?;
    transaction.commit().map_err(storage)?;
    resume(database, names, Sequence::default())
}

/// Loads symbols and counters and makes sure that no sequence somebody may have seen is given out
/// again: averages are shown before they are durable, so a crash takes the last ones back.
pub(super) fn resume(database: &Database, names: &Symbols, shown: Sequence) -> Result<Counters> {
    /// More than can be shown between two durable commits.
    const GAP: u64 = 1 << 20;
    let mut counters = load(database, names)?;
    counters.last_sequence = counters.last_sequence.max(shown);
    if counters.last_sequence > Sequence::default() {
        counters.last_sequence.0 += GAP;
        let transaction = database.begin_write().map_err(storage)?;
        Tables::open(&transaction, names, counters)?.write_counters()?;
        transaction.commit().map_err(storage)?;
    }
    Ok(counters)
}

/// Reads symbols and counters as committed.
fn load(database: &Database, names: &Symbols) -> Result<Counters> {
    let transaction = database.begin_read().map_err(storage)?;
    let mut symbols = Vec::new();
    for entry in transaction.open_table(SYMBOLS).map_err(storage)?.iter().map_err(storage)? {
        let (name, number) = entry.map_err(storage)?;
        let symbol =
            Symbol::parse(name.value()).map_err(|error| StoreErrorKind::Corrupt.because(error))?;
        symbols.push((number.value(), symbol));
    }
    symbols.sort_unstable();
    names.replace(symbols.into_iter().map(|(_, symbol)| symbol).collect());

    let meta = transaction.open_table(META).map_err(storage)?;
    let counter = |name| Ok(meta.get(name).map_err(storage)?.map_or(0, |guard| guard.value()));
    Ok(Counters {
        last_price_id: counter("last_price_id")?,
        last_sequence: Sequence(counter("last_sequence")?),
        last_dead_letter: counter("last_dead_letter")?,
    })
}

pub(super) fn price_key(symbol: u32, position: Position) -> PriceKey {
    (symbol, position.observed_at.as_micros(), position.id.get())
}

/// The position in a key of ours.
pub(super) fn position(observed_at: i64, id: u64) -> Result<Position> {
    let observed_at = Timestamp::from_micros(observed_at)
        .map_err(|error| StoreErrorKind::Corrupt.because(error))?;
    let id = PriceId::new(id)
        .ok_or_else(|| StoreErrorKind::Corrupt.because(format!("no price id: {id}")))?;
    Ok(Position { observed_at, id })
}

/// The raw payload in a row of [`RAWS`].
pub(super) fn raw_payload(bytes: &[u8]) -> Result<crate::model::RawPayload> {
    record::decode_raw(bytes).map_err(corrupt)
}
