//! Files of schema 1: a row for each price, average and change, with indexes by id and by natural
//! key. They are converted at the first start, in one transaction; ids and sequences stay.

use std::collections::BTreeMap;

use redb::{ReadableTable, TableDefinition};

use super::seal::{BLOCK_ENTRIES, seal};
use super::series::{Entry, Series};
use super::tables::{Tables, position};
use super::{Result, corrupt, storage};
use crate::codec::journal::{Change, Run, RunKind};
use crate::codec::record;
use crate::model::{Mean, Position, Symbol, Window};
use crate::ports::StoreErrorKind;

const PRICES: TableDefinition<'_, (u32, i64, u64), &[u8]> = TableDefinition::new("prices");
const NATURAL_KEYS: TableDefinition<'_, (u32, i64, &str, &str), u64> =
    TableDefinition::new("natural_keys");
const IDS: TableDefinition<'_, u64, (u32, i64)> = TableDefinition::new("ids");
const AVERAGES: TableDefinition<'_, (u32, u16, i64, u64), &[u8]> = TableDefinition::new("averages");
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const OUTBOX: TableDefinition<'_, u64, ()> = TableDefinition::new("outbox");

/// Rows that are sealed together.
const PORTION: usize = 64 * BLOCK_ENTRIES;
const RUN_CHANGES: u64 = 1_024;

pub(super) fn from_schema_1(tables: &mut Tables<'_>) -> Result<()> {
    tracing::info!("converting the store to schema 2; this takes some seconds per million prices");
    convert_symbols(tables)?;
    convert_prices(tables)?;
    convert_averages(tables)?;
    convert_log(tables)?;
    let transaction = tables.transaction;
    transaction.delete_table(PRICES).map_err(storage)?;
    transaction.delete_table(NATURAL_KEYS).map_err(storage)?;
    transaction.delete_table(IDS).map_err(storage)?;
    transaction.delete_table(AVERAGES).map_err(storage)?;
    transaction.delete_table(LOG).map_err(storage)?;
    transaction.delete_table(OUTBOX).map_err(storage)?;
    Ok(())
}

/// The names keep their numbers and their table.
fn convert_symbols(tables: &mut Tables<'_>) -> Result<()> {
    let mut names = BTreeMap::new();
    for entry in tables.symbols.iter().map_err(storage)? {
        let (name, number) = entry.map_err(storage)?;
        let symbol =
            Symbol::parse(name.value()).map_err(|error| StoreErrorKind::Corrupt.because(error))?;
        names.insert(number.value(), symbol);
    }
    tables.names.replace(names);
    Ok(())
}

fn convert_prices(tables: &mut Tables<'_>) -> Result<()> {
    let transaction = tables.transaction;
    let old = transaction.open_table(PRICES).map_err(storage)?;
    let mut portion = Portion::default();
    for entry in old.iter().map_err(storage)? {
        let (key, bytes) = entry.map_err(storage)?;
        let (number, observed_at, id) = key.value();
        let symbol = tables.symbol_of(number)?;
        let at = position(observed_at, id)?;
        let row = record::decode_price(symbol.clone(), at, bytes.value()).map_err(corrupt)?;
        tables.own(at.id, number)?;
        tables.counters.n_prices += 1;
        portion.push(tables, Series::prices(number, symbol), at, row)?;
    }
    portion.seal(tables)
}

fn convert_averages(tables: &mut Tables<'_>) -> Result<()> {
    let transaction = tables.transaction;
    let old = transaction.open_table(AVERAGES).map_err(storage)?;
    let mut portion = Portion::<Option<Mean>>::default();
    for entry in old.iter().map_err(storage)? {
        let (key, bytes) = entry.map_err(storage)?;
        let (number, window, observed_at, id) = key.value();
        let symbol = tables.symbol_of(number)?;
        let window = Window::new(u64::from(window))
            .map_err(|error| StoreErrorKind::Corrupt.because(error))?;
        let mean = record::decode_mean(bytes.value()).map_err(corrupt)?;
        tables.counters.n_averages += 1;
        let series = Series::averages(number, symbol, window);
        portion.push(tables, series, position(observed_at, id)?, Some(mean))?;
    }
    portion.seal(tables)
}

/// Entries of one series, to be sealed together.
struct Portion<E> {
    series: Option<Series>,
    entries: Vec<(Position, E)>,
}

impl<E> Default for Portion<E> {
    fn default() -> Self {
        Self { series: None, entries: Vec::new() }
    }
}

impl<E: Entry> Portion<E> {
    fn push(
        &mut self,
        tables: &mut Tables<'_>,
        series: Series,
        at: Position,
        entry: E,
    ) -> Result<()> {
        let is_other = self.series.as_ref().is_some_and(|open| open.key != series.key);
        if is_other || self.entries.len() >= PORTION {
            self.seal(tables)?;
        }
        self.series = Some(series);
        self.entries.push((at, entry));
        Ok(())
    }

    fn seal(&mut self, tables: &mut Tables<'_>) -> Result<()> {
        let entries = std::mem::take(&mut self.entries);
        match self.series.take() {
            Some(series) => seal(tables, &series, entries, false).map(|_| ()),
            None => Ok(()),
        }
    }
}

fn convert_log(tables: &mut Tables<'_>) -> Result<()> {
    let transaction = tables.transaction;
    let old = transaction.open_table(LOG).map_err(storage)?;
    let mut first = 0;
    let mut run: Option<Run> = None;
    for entry in old.iter().map_err(storage)? {
        let (sequence, bytes) = entry.map_err(storage)?;
        let sequence = sequence.value();
        let change = record::decode_log(bytes.value()).map_err(corrupt)?;
        let kind = match &change {
            Change::Price { .. } => RunKind::Prices,
            Change::Average(_) | Change::Removal { .. } => RunKind::Averages,
        };
        let goes_on = run.as_ref().is_some_and(|run| {
            run.kind == kind && run.n_changes < RUN_CHANGES && first + run.n_changes == sequence
        });
        if !goes_on {
            if let Some(run) = run.take() {
                tables.insert_run(first, &run)?;
            }
            first = sequence;
        }
        let run = run.get_or_insert_with(|| Run::new(kind));
        match &change {
            Change::Price { kind, row } => run.push_price(*kind, row),
            Change::Average(average) => run.push_average(average),
            Change::Removal { .. } => {}
        }
    }
    if let Some(run) = run {
        tables.insert_run(first, &run)?;
    }

    // Everything logged waits for the bus now; what the old outbox did not name does not.
    let waiting = transaction.open_table(OUTBOX).map_err(storage)?;
    let mut confirmed_from = 0;
    for entry in waiting.iter().map_err(storage)? {
        let sequence = entry.map_err(storage)?.0.value();
        if confirmed_from < sequence {
            tables.confirm(confirmed_from, sequence - 1)?;
        }
        confirmed_from = sequence + 1;
    }
    tables.confirm(confirmed_from, u64::MAX)
}
