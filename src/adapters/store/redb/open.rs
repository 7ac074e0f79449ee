//! Opening a file: tables, schema version, symbols, counters, and the heads from the log.

use std::collections::{BTreeMap, HashMap};

use parking_lot::RwLock;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use super::heads::Heads;
use super::memory::Memory;
use super::series::{PRICES, SeriesKey};
use super::symbols::Symbols;
use super::tables::{Counters, SCHEMA_VERSION, Schema, Tables};
use super::{Result, assets, audit, convert, corrupt, jobs, keys, ledger, storage};
use crate::codec::journal::{self, Change};
use crate::model::{Sequence, Symbol};
use crate::ports::StoreErrorKind;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// What the writer and the readers start from.
pub(super) struct Opened {
    /// The counters as they are in the file.
    pub(super) stored: Counters,
    /// The counters to go on with; the next commit stores them.
    pub(super) counters: Counters,
    pub(super) memory: Memory,
    pub(super) heads: Heads,
}

/// Creates what is missing, converts a file of an earlier schema and reads the rest. A file of this
/// schema is only read: a start must not need room on the disk, nor wait for it.
///
/// No sequence that somebody may have seen is given out again: averages are shown before they are
/// durable, so a crash takes the last ones back.
pub(super) fn prepare(
    database: &Database,
    names: &Symbols,
    unsealed_entries: u64,
) -> Result<Opened> {
    /// More than can be shown between two durable commits.
    const GAP: u64 = 1 << 20;
    if !is_current(database)? {
        bring_up_to_date(database, names, unsealed_entries)?;
    }
    let mut opened = resume(database, names, Sequence::default(), unsealed_entries)?;
    if opened.counters.last_sequence > 0 {
        opened.counters.last_sequence += GAP;
    }
    Ok(opened)
}

fn is_current(database: &Database) -> Result<bool> {
    let transaction = database.begin_read().map_err(storage)?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(false),
        Err(error) => return Err(storage(error)),
    };
    let version = meta.get("schema_version").map_err(storage)?.map(|version| version.value());
    match version {
        Some(version) if version > u64::from(SCHEMA_VERSION) => Err(StoreErrorKind::Corrupt
            .because(format!(
                "the store has schema {version}, this tickerd knows {SCHEMA_VERSION}: use a newer \
                 tickerd"
            ))),
        version => Ok(version == Some(u64::from(SCHEMA_VERSION))),
    }
}

fn bring_up_to_date(database: &Database, names: &Symbols, unsealed_entries: u64) -> Result<()> {
    let mut transaction = database.begin_write().map_err(storage)?;
    transaction.set_quick_repair(true);
    let found = {
        let mut meta = transaction.open_table(META).map_err(storage)?;
        let version = u64::from(SCHEMA_VERSION);
        let found = meta.insert("schema_version", version).map_err(storage)?;
        found.map_or(version, |found| found.value())
    };
    {
        let heads = RwLock::new(Heads::default());
        let mut memory = Memory::default();
        let before = Counters::read(&transaction.open_table(META).map_err(storage)?)?;
        let mut tables =
            Tables::open(&transaction, names, heads.read(), &mut memory, before, before)?;
        if found < u64::from(SCHEMA_VERSION) {
            convert::from_schema_1(&mut tables)?;
            tables.finish(u64::MAX, unsealed_entries)?;
        }
    }
    ledger::create(&transaction)?;
    assets::create(&transaction)?;
    jobs::create(&transaction)?;
    keys::create(&transaction)?;
    audit::create(&transaction)?;
    transaction.commit().map_err(storage)
}

/// Reads symbols, counters and heads. Sequences go on behind the last that was `shown`.
pub(super) fn resume(
    database: &Database,
    names: &Symbols,
    shown: Sequence,
    unsealed_entries: u64,
) -> Result<Opened> {
    let schema = Schema(database.begin_read().map_err(storage)?);
    read_symbols(&schema, names)?;
    let stored = schema.counters()?;
    let (mut heads, mut memory) = (Heads::default(), Memory::default());
    replay(&schema, names, stored.unsealed_from, unsealed_entries, &mut heads, &mut memory)?;
    let mut counters = stored;
    counters.last_sequence = counters.last_sequence.max(shown.0);
    Ok(Opened { stored, counters, memory, heads })
}

fn read_symbols(schema: &Schema, names: &Symbols) -> Result<()> {
    let mut symbols = BTreeMap::new();
    for entry in schema.symbols()?.iter().map_err(storage)? {
        let (name, number) = entry.map_err(storage)?;
        let symbol =
            Symbol::parse(name.value()).map_err(|error| StoreErrorKind::Corrupt.because(error))?;
        symbols.insert(number.value(), symbol);
    }
    names.replace(symbols);
    Ok(())
}

/// Puts the changes that are not sealed into the heads. A change that is sealed already may come
/// again, as its successors do: in the end the head says what the last of them said.
fn replay(
    schema: &Schema,
    names: &Symbols,
    from: u64,
    unsealed_entries: u64,
    heads: &mut Heads,
    memory: &mut Memory,
) -> Result<()> {
    let mut sealed: HashMap<SeriesKey, u64> = HashMap::new();
    for entry in schema.sealed()?.iter().map_err(storage)? {
        let (key, through) = entry.map_err(storage)?;
        sealed.insert(key.value(), through.value());
    }
    let is_sealed = |key, sequence| sealed.get(&key).is_some_and(|through| sequence <= *through);
    let number = |symbol: &Symbol| {
        names.number(symbol).ok_or_else(|| {
            StoreErrorKind::Corrupt.because(format!("{symbol} is in the log and has no number"))
        })
    };
    let journal = schema.journal()?;
    let start = journal
        .range(..=from)
        .map_err(storage)?
        .next_back()
        .transpose()
        .map_err(storage)?
        .map_or(0, |(first, _)| first.value());
    for entry in journal.range(start..).map_err(storage)? {
        let (first, bytes) = entry.map_err(storage)?;
        let changes = journal::decode(bytes.value()).map_err(corrupt)?;
        memory.note_run(first.value(), changes.len() as u64, unsealed_entries);
        for (sequence, change) in (first.value()..).zip(changes) {
            if sequence < from {
                continue;
            }
            match change {
                Change::Price { row, .. } => {
                    let key = (number(&row.price.observation.symbol)?, PRICES);
                    if !is_sealed(key, sequence) {
                        memory.put(heads, key, row.price.position(), sequence, row);
                    }
                }
                Change::Average(average) => {
                    let key = (number(&average.symbol)?, average.window.get());
                    if !is_sealed(key, sequence) {
                        memory.put(heads, key, average.at, sequence, Some(average.mean));
                    }
                }
                Change::Removal { symbol, window, at } => {
                    let key = (number(&symbol)?, window.get());
                    if !is_sealed(key, sequence) {
                        memory.put(heads, key, at, sequence, None);
                    }
                }
            }
        }
    }
    Ok(())
}
