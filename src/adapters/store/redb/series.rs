//! The two kinds of series a store keeps, prices and averages, and how their blocks are read.

use std::collections::HashMap;
use std::sync::Arc;

use redb::ReadableTable;

use super::heads::{Heads, SeriesHeads};
use super::{Result, corrupt, storage};
use crate::codec::block::{AverageBlock, PriceBlock};
use crate::codec::record::PriceRow;
use crate::model::{Mean, Position, Symbol, Window};
use crate::ports::StoreErrorKind;

/// (symbol number, window); window 0 is the prices themselves.
pub(super) type SeriesKey = (u32, u16);

pub(super) const PRICES: u16 = 0;

/// (symbol number, window, `observed_at` in µs and id of the last entry) → block. The first key at
/// or behind a position is that of the only block that can hold it.
pub(super) type BlockKey = (u32, u16, i64, u64);

pub(super) fn block_key((number, window): SeriesKey, end: Position) -> BlockKey {
    (number, window, end.observed_at.as_micros(), end.id.get())
}

pub(super) fn end_of((_, _, observed_at, id): BlockKey) -> Result<Position> {
    super::tables::position(observed_at, id)
}

/// A series and the symbol it is about.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) key: SeriesKey,
    pub(super) symbol: Symbol,
}

impl Series {
    pub(super) fn prices(number: u32, symbol: Symbol) -> Self {
        Self { key: (number, PRICES), symbol }
    }

    pub(super) fn averages(number: u32, symbol: Symbol, window: Window) -> Self {
        Self { key: (number, window.get()), symbol }
    }
}

/// Decoded blocks, one a series.
pub(super) type BlockCache<E> = HashMap<SeriesKey, (Position, Arc<<E as Entry>::Block>)>;

/// The blocks the writer decoded last, so that neighbouring late rows decode one once.
#[derive(Default)]
pub(super) struct BlockCaches {
    prices: BlockCache<PriceRow>,
    averages: BlockCache<Option<Mean>>,
}

/// What a series is made of.
pub(super) trait Entry: Clone {
    type Block;

    fn heads(heads: &Heads) -> &SeriesHeads<Self>;
    fn heads_mut(heads: &mut Heads) -> &mut SeriesHeads<Self>;
    fn cache(caches: &mut BlockCaches) -> &mut BlockCache<Self>;

    /// Whether the entry only says that there is none.
    fn is_removal(&self) -> bool;

    fn encode(key: SeriesKey, entries: &[(Position, Self)]) -> Result<Vec<u8>>;
    fn decode(bytes: &[u8]) -> Result<Self::Block>;
    fn len(block: &Self::Block) -> usize;
    fn position(block: &Self::Block, index: usize) -> Result<Position>;
    fn get(block: &Self::Block, series: &Series, index: usize) -> Result<Self>;
}

impl Entry for PriceRow {
    type Block = PriceBlock;

    fn heads(heads: &Heads) -> &SeriesHeads<Self> {
        &heads.prices
    }

    fn heads_mut(heads: &mut Heads) -> &mut SeriesHeads<Self> {
        &mut heads.prices
    }

    fn cache(caches: &mut BlockCaches) -> &mut BlockCache<Self> {
        &mut caches.prices
    }

    /// A deleted price has a row that says so.
    fn is_removal(&self) -> bool {
        false
    }

    fn encode(_: SeriesKey, entries: &[(Position, Self)]) -> Result<Vec<u8>> {
        Ok(PriceBlock::encode(entries.iter().map(|(_, row)| row)))
    }

    fn decode(bytes: &[u8]) -> Result<PriceBlock> {
        PriceBlock::decode(bytes).map_err(corrupt)
    }

    fn len(block: &PriceBlock) -> usize {
        block.len()
    }

    fn position(block: &PriceBlock, index: usize) -> Result<Position> {
        block.position(index).map_err(corrupt)
    }

    fn get(block: &PriceBlock, series: &Series, index: usize) -> Result<Self> {
        block.row(&series.symbol, index).map_err(corrupt)
    }
}

impl Entry for Option<Mean> {
    type Block = AverageBlock;

    fn heads(heads: &Heads) -> &SeriesHeads<Self> {
        &heads.averages
    }

    fn heads_mut(heads: &mut Heads) -> &mut SeriesHeads<Self> {
        &mut heads.averages
    }

    fn cache(caches: &mut BlockCaches) -> &mut BlockCache<Self> {
        &mut caches.averages
    }

    fn is_removal(&self) -> bool {
        self.is_none()
    }

    fn encode(key: SeriesKey, entries: &[(Position, Self)]) -> Result<Vec<u8>> {
        let averages: Vec<(Position, Mean)> =
            entries.iter().filter_map(|(at, mean)| mean.map(|mean| (*at, mean))).collect();
        Ok(AverageBlock::encode(window(key)?, &averages))
    }

    fn decode(bytes: &[u8]) -> Result<AverageBlock> {
        AverageBlock::decode(bytes).map_err(corrupt)
    }

    fn len(block: &AverageBlock) -> usize {
        block.len()
    }

    fn position(block: &AverageBlock, index: usize) -> Result<Position> {
        block.position(index).map_err(corrupt)
    }

    fn get(block: &AverageBlock, series: &Series, index: usize) -> Result<Self> {
        Ok(Some(block.mean(window(series.key)?, index)))
    }
}

fn window((_, window): SeriesKey) -> Result<Window> {
    Window::new(u64::from(window)).map_err(|error| StoreErrorKind::Corrupt.because(error))
}

/// The index of the first entry at or behind a position.
pub(super) fn index_from<E: Entry>(block: &E::Block, at: Position) -> Result<usize> {
    let (mut low, mut high) = (0, E::len(block));
    while low < high {
        let middle = usize::midpoint(low, high);
        if E::position(block, middle)? < at { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// The only block that can hold `at`, with its end.
pub(super) fn block_at<E: Entry>(
    blocks: &impl ReadableTable<BlockKey, &'static [u8]>,
    key: SeriesKey,
    at: Position,
) -> Result<Option<(Position, E::Block)>> {
    let range = block_key(key, at)..=block_key(key, Position::MAX);
    match blocks.range(range).map_err(storage)?.next() {
        Some(entry) => {
            let (end, bytes) = entry.map_err(storage)?;
            Ok(Some((end_of(end.value())?, E::decode(bytes.value())?)))
        }
        None => Ok(None),
    }
}
