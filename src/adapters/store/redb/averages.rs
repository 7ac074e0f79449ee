//! Moving averages and the averager's positions.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use redb::ReadableTable;
use tokio::sync::OwnedMutexGuard;

use super::cursor::{Cursor, Span};
use super::seal::seal;
use super::series::{PRICES, Series, SeriesKey, block_key};
use super::tables::{Tables, WINDOW_PREFIX};
use super::writer::Writer;
use super::{RedbStore, Result, corrupt, storage};
use crate::codec::block;
use crate::model::{Mean, MovingAverage, Order, Position, PriceId, Symbol, TimeRange, Window};
use crate::ports::{AverageStore, AverageTurn, AverageUpdate, StoreErrorKind};

/// One process has the file open, so one lock over all symbols is enough.
struct Turn {
    writer: Arc<Writer>,
    _lock: OwnedMutexGuard<()>,
}

#[async_trait]
impl AverageTurn for Turn {
    async fn apply(self: Box<Self>, update: AverageUpdate) -> Result<()> {
        let rows = update.averages.len() + update.removed.len();
        self.writer
            .derived(rows, move |tables| {
                for (symbol, window, at) in &update.removed {
                    remove(tables, symbol, *window, *at)?;
                }
                for average in &update.averages {
                    write(tables, average)?;
                }
                for place in &update.positions {
                    let key = (place.group.as_str(), place.partition);
                    tables.positions.insert(key, place.offset).map_err(storage)?;
                }
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl AverageStore for RedbStore {
    async fn average_turn(&self, _symbols: &[Symbol]) -> Result<Box<dyn AverageTurn>> {
        let lock = Arc::clone(&self.turns).lock_owned().await;
        Ok(Box::new(Turn { writer: Arc::clone(&self.writer), _lock: lock }))
    }

    async fn consumer_position(&self, group: &str, partition: i32) -> Result<Option<u64>> {
        self.read(|schema, _| {
            let offset = schema.positions()?.get((group, partition)).map_err(storage)?;
            Ok(offset.map(|guard| guard.value()))
        })
    }

    async fn latest_average(
        &self,
        symbol: &Symbol,
        window: Window,
    ) -> Result<Option<MovingAverage>> {
        let found = self.averages_in(symbol, window, TimeRange::ALL, 1)?;
        Ok(found.into_iter().next())
    }

    async fn averages(
        &self,
        symbol: &Symbol,
        window: Window,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<MovingAverage>> {
        self.averages_in(symbol, window, range, limit)
    }

    async fn materialised_windows(&self) -> Result<Vec<Window>> {
        self.read(|schema, _| {
            let mut windows = Vec::new();
            let meta = schema.meta()?;
            for entry in meta.range(WINDOW_PREFIX..).map_err(storage)? {
                let (name, value) = entry.map_err(storage)?;
                if !name.value().starts_with(WINDOW_PREFIX) {
                    break;
                }
                let window = Window::new(value.value())
                    .map_err(|error| StoreErrorKind::Corrupt.because(error))?;
                windows.push(window);
            }
            windows.sort_unstable();
            Ok(windows)
        })
    }

    async fn set_materialised_windows(&self, windows: &[Window]) -> Result<()> {
        let windows = windows.to_vec();
        self.writer.durable(1, move |tables| set_windows(tables, &windows)).await
    }
}

impl RedbStore {
    fn averages_in(
        &self,
        symbol: &Symbol,
        window: Window,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<MovingAverage>> {
        let Some(number) = self.shared.symbols.number(symbol) else {
            self.shared.read_with(|_| ())?;
            return Ok(Vec::new());
        };
        let series = Series::averages(number, symbol.clone(), window);
        let (schema, head) =
            self.shared.read_with(|heads| heads.averages.get(&series.key).cloned())?;
        let span = Span {
            from: Bound::Included(Position { observed_at: range.from, id: PriceId::MIN }),
            to: Bound::Excluded(Position { observed_at: range.to, id: PriceId::MIN }),
        };
        let cursor =
            Cursor::<Option<Mean>>::open(&schema.blocks()?, head, series, span, Order::NewestFirst);
        let Some(mut cursor) = cursor? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        while found.len() < limit
            && let Some((at, mean)) = cursor.next()?
        {
            let average = |mean| MovingAverage { symbol: symbol.clone(), window, at, mean };
            found.extend(mean.map(average));
        }
        Ok(found)
    }
}

fn write(tables: &mut Tables<'_>, average: &MovingAverage) -> Result<()> {
    let number = tables.symbol_number(&average.symbol)?;
    let series = Series::averages(number, average.symbol.clone(), average.window);
    match tables.mean_at(&series, average.at)? {
        Some(mean) if mean == average.mean => return Ok(()),
        Some(_) => {}
        None => tables.counters.n_averages += 1,
    }
    tables.log_average(series.key, average)
}

fn remove(tables: &mut Tables<'_>, symbol: &Symbol, window: Window, at: Position) -> Result<()> {
    let Some(number) = tables.names.number(symbol) else { return Ok(()) };
    let series = Series::averages(number, symbol.clone(), window);
    if tables.mean_at(&series, at)?.is_some() {
        tables.counters.n_averages -= 1;
        tables.log_removal(series.key, symbol, window, at)?;
    }
    Ok(())
}

pub(super) fn set_windows(tables: &mut Tables<'_>, windows: &[Window]) -> Result<()> {
    tables.meta.retain(|name, _| !name.starts_with(WINDOW_PREFIX)).map_err(storage)?;
    for window in windows {
        let name = format!("{WINDOW_PREFIX}{window}");
        tables.meta.insert(name.as_str(), u64::from(window.get())).map_err(storage)?;
    }
    if tables.counters.n_averages == 0 {
        return Ok(());
    }
    for key in series_of_averages(tables)? {
        if windows.iter().all(|kept| kept.get() != key.1) {
            forget(tables, key)?;
        }
    }
    Ok(())
}

/// All series of averages that have a block or a head.
fn series_of_averages(tables: &Tables<'_>) -> Result<BTreeSet<SeriesKey>> {
    let mut series: BTreeSet<SeriesKey> = tables.heads.averages.keys().copied().collect();
    series.extend(tables.staged.averages.keys());
    let mut from = (0, PRICES + 1);
    loop {
        let next = tables
            .blocks
            .range(block_key(from, Position::MIN)..)
            .map_err(storage)?
            .next()
            .transpose()
            .map_err(storage)?
            .map(|(key, _)| (key.value().0, key.value().1));
        // From one series to the next, whatever lies between.
        match next {
            Some((number, PRICES)) => from = (number, PRICES + 1),
            Some(key) => {
                series.insert(key);
                from = (key.0, key.1 + 1);
            }
            None => return Ok(series),
        }
    }
}

/// Deletes all averages of a series.
fn forget(tables: &mut Tables<'_>, key: SeriesKey) -> Result<()> {
    // Everything goes into blocks first, so that what is deleted can be counted.
    tables.seal_head(key, false)?;
    if let Some(staged) = tables.staged.averages.remove(&key) {
        let series = Series { key, symbol: tables.symbol_of(key.0)? };
        let entries = staged.into_iter().map(|(at, (_, mean))| (at, mean)).collect();
        seal(tables, &series, entries, false)?;
    }
    let mut n_averages = Ok(0);
    let range = block_key(key, Position::MIN)..=block_key(key, Position::MAX);
    tables
        .blocks
        .retain_in(range, |_, bytes| {
            n_averages = n_averages
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|sum| block::len(bytes).map(|n_entries| sum + n_entries as u64));
            false
        })
        .map_err(storage)?;
    tables.memory.ends.remove(&key);
    tables.counters.n_averages -= n_averages.map_err(corrupt)?;
    tables.sealed.insert(key, tables.counters.last_sequence).map_err(storage)?;
    Ok(())
}
