//! Moving averages and the averager's positions.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OwnedMutexGuard;

use super::tables::{AverageKey, Tables, WINDOW_PREFIX, position};
use super::writer::Writer;
use super::{RedbStore, Result, corrupt, storage};
use crate::codec::record;
use crate::model::{MovingAverage, Position, PriceId, Symbol, TimeRange, Window};
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
                    let number = tables.symbol_number(symbol)?;
                    tables.averages.remove(average_key(number, *window, *at)).map_err(storage)?;
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
        self.read(|schema, symbols| {
            let Some(number) = symbols.number(symbol) else { return Ok(Vec::new()) };
            if range.from >= range.to {
                return Ok(Vec::new());
            }
            let from = Position { observed_at: range.from, id: PriceId::MIN };
            let to = Position { observed_at: range.to, id: PriceId::MIN };
            let keys = average_key(number, window, from)..average_key(number, window, to);
            let mut found = Vec::new();
            for entry in schema.averages()?.range(keys).map_err(storage)?.rev().take(limit) {
                let (key, mean) = entry.map_err(storage)?;
                let (_, _, observed_at, id) = key.value();
                found.push(MovingAverage {
                    symbol: symbol.clone(),
                    window,
                    at: position(observed_at, id)?,
                    mean: record::decode_mean(mean.value()).map_err(corrupt)?,
                });
            }
            Ok(found)
        })
    }
}

pub(super) fn set_windows(tables: &mut Tables<'_>, windows: &[Window]) -> Result<()> {
    tables.meta.retain(|name, _| !name.starts_with(WINDOW_PREFIX)).map_err(storage)?;
    for window in windows {
        let name = format!("{WINDOW_PREFIX}{window}");
        tables.meta.insert(name.as_str(), u64::from(window.get())).map_err(storage)?;
    }
    tables
        .averages
        .retain(|(_, window, _, _), _| windows.iter().any(|kept| kept.get() == window))
        .map_err(storage)
}

fn write(tables: &mut Tables<'_>, average: &MovingAverage) -> Result<()> {
    let number = tables.symbol_number(&average.symbol)?;
    let key = average_key(number, average.window, average.at);
    let mean = record::encode_mean(average.mean);
    let before = tables.averages.insert(key, mean.as_slice()).map_err(storage)?;
    let unchanged = before.is_some_and(|before| before.value() == mean.as_slice());
    if unchanged { Ok(()) } else { tables.log_average(average) }
}

fn average_key(number: u32, window: Window, at: Position) -> AverageKey {
    (number, window.get(), at.observed_at.as_micros(), at.id.get())
}
