//! How the writer finds what is stored: in its own transaction, in the heads, in the blocks.

use std::sync::Arc;

use redb::ReadableTable;

use super::ids;
use super::reader::find_sealed;
use super::series::{Entry, Series, SeriesKey, block_at, block_key, end_of, index_from};
use super::tables::{Tables, raw_payload};
use super::{Result, storage};
use crate::codec::record::PriceRow;
use crate::model::{Mean, Position, PriceId, RawPayload};

/// Decoded blocks kept from commit to commit; together some megabytes.
const CACHED_BLOCKS: usize = 128;

impl Tables<'_> {
    /// The row at a position of a symbol's prices.
    pub(super) fn row_at(&mut self, series: &Series, at: Position) -> Result<Option<PriceRow>> {
        let staged = self.staged.prices.get(&series.key).and_then(|entries| entries.get(&at));
        if let Some((_, row)) = staged {
            return Ok(Some(row.clone()));
        }
        let head = self.heads.head::<PriceRow>(series.key);
        match head.and_then(|head| head.get(at)) {
            Some(row) => Ok(Some(row.clone())),
            None => self.sealed_entry(series, at),
        }
    }

    /// The current row of the price with this id, deleted or not.
    pub(super) fn row_with_id(&mut self, id: PriceId) -> Result<Option<PriceRow>> {
        let foreign = self.foreign_ids.get(id.get()).map_err(storage)?;
        let number = foreign.map_or(ids::low_number(id), |guard| guard.value());
        let Some(symbol) = self.names.name(number) else { return Ok(None) };
        let series = Series::prices(number, symbol);
        let staged = self.staged.prices.get(&series.key);
        let head = self.heads.head::<PriceRow>(series.key);
        let unsealed = staged
            .into_iter()
            .flat_map(|entries| entries.values())
            .chain(head.into_iter().flat_map(|head| head.entries.values()))
            .map(|(_, row)| row)
            .find(|row| row.price.id == id);
        match unsealed {
            Some(row) => Ok(Some(row.clone())),
            None => find_sealed(&self.spans, &self.blocks, &series, id),
        }
    }

    /// The average at a position.
    pub(super) fn mean_at(&mut self, series: &Series, at: Position) -> Result<Option<Mean>> {
        let staged = self.staged.averages.get(&series.key).and_then(|entries| entries.get(&at));
        if let Some((_, mean)) = staged {
            return Ok(*mean);
        }
        let is_sealed = self.staged.sealed.contains(&series.key);
        let head = self.heads.head::<Option<Mean>>(series.key).filter(|_| !is_sealed);
        if let Some(mean) = head.and_then(|head| head.get(at)) {
            return Ok(*mean);
        }
        Ok(self.sealed_entry::<Option<Mean>>(series, at)?.flatten())
    }

    fn sealed_entry<E: Entry>(&mut self, series: &Series, at: Position) -> Result<Option<E>> {
        if self.end::<E>(series.key)?.is_none_or(|end| at > end) {
            return Ok(None);
        }
        let Some((_, block)) = self.block::<E>(series, at)? else { return Ok(None) };
        let index = index_from::<E>(&block, at)?;
        if index < E::len(&block) && E::position(&block, index)? == at {
            return E::get(&block, series, index).map(Some);
        }
        Ok(None)
    }

    /// The last sealed position of a series.
    pub(super) fn end<E: Entry>(&mut self, key: SeriesKey) -> Result<Option<Position>> {
        if let Some(end) = self.memory.ends.get(&key) {
            return Ok(*end);
        }
        let range = block_key(key, Position::MIN)..=block_key(key, Position::MAX);
        let last = self.blocks.range(range).map_err(storage)?.next_back();
        let end = match last {
            Some(entry) => Some(end_of(entry.map_err(storage)?.0.value())?),
            None => None,
        };
        self.memory.ends.insert(key, end);
        Ok(end)
    }

    /// The block that holds `at`, if any does, with its end.
    pub(super) fn block<E: Entry>(
        &mut self,
        series: &Series,
        at: Position,
    ) -> Result<Option<(Position, Arc<E::Block>)>> {
        let cache = E::cache(&mut self.memory.caches);
        if let Some((end, block)) = cache.get(&series.key)
            && at <= *end
            && at >= E::position(block, 0)?
        {
            return Ok(Some((*end, Arc::clone(block))));
        }
        let Some((end, block)) = block_at::<E>(&self.blocks, series.key, at)? else {
            return Ok(None);
        };
        let block = Arc::new(block);
        if cache.len() >= CACHED_BLOCKS {
            cache.clear();
        }
        cache.insert(series.key, (end, Arc::clone(&block)));
        Ok(Some((end, block)))
    }
}

pub(super) fn raw_of(tables: &Tables<'_>, id: PriceId, version: u32) -> Result<Option<RawPayload>> {
    let raw = tables.raws.get((id.get(), version)).map_err(storage)?;
    raw.map(|guard| raw_payload(guard.value())).transpose()
}
