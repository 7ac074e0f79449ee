//! Sealing: entries of a head become part of the blocks of their series.
//!
//! What continues a series makes new blocks behind the last; what comes late is merged into the
//! block it falls in, which is then written anew. A block whose last entry moves gets another key.

use std::collections::BTreeMap;

use redb::ReadableTable;

use super::series::{Entry, PRICES, Series, block_at, block_key, end_of};
use super::tables::Tables;
use super::{Result, corrupt, storage};
use crate::codec::block;
use crate::model::Position;

/// Entries of a full block. Twice as many would not fit twice into a page of redb's, and the
/// waste would eat what is saved.
pub(super) const BLOCK_ENTRIES: usize = 512;
/// A block that grows beyond this by late entries is split.
const MAX_ENTRIES: usize = BLOCK_ENTRIES * 3 / 2;

type Entries<E> = Vec<(Position, E)>;

/// Merges entries (ascending) into the blocks of a series. Those behind the last full block that
/// do not fill another one are given back when `keep_rest` is set.
pub(super) fn seal<E: Entry>(
    tables: &mut Tables<'_>,
    series: &Series,
    entries: Entries<E>,
    keep_rest: bool,
) -> Result<Entries<E>> {
    E::cache(&mut tables.memory.caches).remove(&series.key);
    tables.memory.ends.remove(&series.key);
    let mut entries = entries.into_iter().peekable();
    while let Some((first, _)) = entries.peek() {
        let Some((end, found)) = block_at::<E>(&tables.blocks, series.key, *first)? else {
            return seal_behind_all(tables, series, entries.collect(), keep_rest);
        };
        let mut group = Vec::new();
        while let Some(entry) = entries.next_if(|(at, _)| *at <= end) {
            group.push(entry);
        }
        let is_full = E::len(&found) >= BLOCK_ENTRIES;
        let lies_before = match group.last() {
            Some((last, _)) => *last < E::position(&found, 0)?,
            None => true,
        };
        if is_full && lies_before {
            write_evenly(tables, series, group)?;
        } else {
            let merged = merge(take_out::<E>(tables, series, end)?, group);
            write_evenly(tables, series, merged)?;
        }
    }
    Ok(Vec::new())
}

/// Seals entries that lie behind all blocks; the last block is filled up first.
fn seal_behind_all<E: Entry>(
    tables: &mut Tables<'_>,
    series: &Series,
    group: Entries<E>,
    keep_rest: bool,
) -> Result<Entries<E>> {
    // Behind all blocks there is nothing to remove.
    let group = without_removals(group);
    let n_new = group.len();
    let range = block_key(series.key, Position::MIN)..=block_key(series.key, Position::MAX);
    let last = match tables.blocks.range(range).map_err(storage)?.next_back() {
        Some(entry) => {
            let (end, bytes) = entry.map_err(storage)?;
            let n_entries = block::len(bytes.value()).map_err(corrupt)?;
            (n_entries < BLOCK_ENTRIES).then_some(end_of(end.value())?)
        }
        None => None,
    };
    let mut entries = match last {
        Some(end) => merge(take_out::<E>(tables, series, end)?, group),
        None => group,
    };
    let n_rest = entries.len() % BLOCK_ENTRIES;
    // Only what came from the head may go back to it.
    let rest = if keep_rest && n_rest <= n_new && entries.len() > n_rest {
        entries.split_off(entries.len() - n_rest)
    } else {
        Vec::new()
    };
    for chunk in entries.chunks(BLOCK_ENTRIES) {
        write(tables, series, chunk)?;
    }
    Ok(rest)
}

fn write_evenly<E: Entry>(
    tables: &mut Tables<'_>,
    series: &Series,
    entries: Entries<E>,
) -> Result<()> {
    let entries = without_removals(entries);
    if entries.is_empty() {
        return Ok(());
    }
    let n_blocks =
        if entries.len() <= MAX_ENTRIES { 1 } else { entries.len().div_ceil(BLOCK_ENTRIES) };
    for chunk in entries.chunks(entries.len().div_ceil(n_blocks)) {
        write(tables, series, chunk)?;
    }
    Ok(())
}

fn write<E: Entry>(
    tables: &mut Tables<'_>,
    series: &Series,
    entries: &[(Position, E)],
) -> Result<()> {
    let Some((end, _)) = entries.last() else { return Ok(()) };
    let bytes = E::encode(series.key, entries)?;
    tables.blocks.insert(block_key(series.key, *end), bytes.as_slice()).map_err(storage)?;
    if series.key.1 == PRICES {
        let ids = entries.iter().map(|(at, _)| at.id.get());
        if let (Some(lowest), Some(highest)) = (ids.clone().min(), ids.max()) {
            let value = (lowest, end.observed_at.as_micros(), end.id.get());
            tables.spans.insert((series.key.0, highest), value).map_err(storage)?;
        }
    }
    Ok(())
}

/// Removes a block and answers its entries.
pub(super) fn take_out<E: Entry>(
    tables: &mut Tables<'_>,
    series: &Series,
    end: Position,
) -> Result<Entries<E>> {
    let mut entries = Vec::new();
    {
        let removed = tables.blocks.remove(block_key(series.key, end)).map_err(storage)?;
        let Some(bytes) = removed else { return Ok(entries) };
        let block = E::decode(bytes.value())?;
        for index in 0..E::len(&block) {
            entries.push((E::position(&block, index)?, E::get(&block, series, index)?));
        }
    }
    if series.key.1 == PRICES
        && let Some(highest) = entries.iter().map(|(at, _)| at.id.get()).max()
    {
        tables.spans.remove((series.key.0, highest)).map_err(storage)?;
    }
    Ok(entries)
}

/// The entries of both in order; where both have one, that of `newer`.
fn merge<E: Entry>(older: Entries<E>, newer: Entries<E>) -> Entries<E> {
    let mut merged: BTreeMap<Position, E> = older.into_iter().collect();
    merged.extend(newer);
    without_removals(merged.into_iter().collect())
}

fn without_removals<E: Entry>(mut entries: Entries<E>) -> Entries<E> {
    entries.retain(|(_, entry)| !entry.is_removal());
    entries
}
