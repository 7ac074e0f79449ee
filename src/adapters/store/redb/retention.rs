//! Dropping what is old: whole blocks, with all that belongs to their prices. What is not sealed
//! yet stays until it is.

use async_trait::async_trait;
use redb::ReadableTable;

use super::compact::stored_bytes;
use super::natural_keys::Crowds;
use super::seal::take_out;
use super::series::{Entry, PRICES, Series, SeriesKey, block_key, end_of};
use super::tables::{Schema, Tables};
use super::{RedbStore, Result, storage};
use crate::codec::record::PriceRow;
use crate::model::{Mean, Position, Timestamp};
use crate::ports::{Dropped, Retention};

#[async_trait]
impl Retention for RedbStore {
    async fn drop_before(&self, cutoff: Timestamp, limit: usize) -> Result<Dropped> {
        self.writer.durable(1, move |tables| drop_before(tables, cutoff, limit)).await
    }

    async fn fitting_from(&self, max_bytes: u64) -> Result<Option<Timestamp>> {
        self.read_many(move |schema, _| fitting_from(schema, max_bytes)).await
    }
}

fn drop_before(tables: &mut Tables<'_>, cutoff: Timestamp, limit: usize) -> Result<Dropped> {
    let mut dropped = Dropped::default();
    let mut from = (0, PRICES);
    while let Some((key, end)) = first_block(tables, from)? {
        // The blocks behind this one end later still.
        let is_young = end.observed_at >= cutoff;
        from = if is_young { (key.0, key.1 + 1) } else { key };
        if is_young {
            continue;
        }
        if key.1 == PRICES {
            dropped.n_prices += drop_prices(tables, key, end)?;
        } else {
            dropped.n_averages += drop_averages(tables, key, end)?;
        }
        if dropped.n_prices + dropped.n_averages >= limit as u64 {
            break;
        }
    }
    if dropped.n_prices > 0 {
        tables.memory.crowds = Crowds::default();
    }
    tables.counters.n_prices -= dropped.n_prices;
    tables.counters.n_averages -= dropped.n_averages;
    Ok(dropped)
}

/// The first block of a series, or of those that follow it, and where it ends.
fn first_block(tables: &Tables<'_>, from: SeriesKey) -> Result<Option<(SeriesKey, Position)>> {
    let mut blocks = tables.blocks.range(block_key(from, Position::MIN)..).map_err(storage)?;
    let Some(entry) = blocks.next() else { return Ok(None) };
    let key = entry.map_err(storage)?.0.value();
    Ok(Some(((key.0, key.1), end_of(key)?)))
}

fn drop_prices(tables: &mut Tables<'_>, key: SeriesKey, end: Position) -> Result<u64> {
    let staged = |tables: &Tables<'_>, at| {
        tables.staged.prices.get(&key).is_some_and(|entries| entries.contains_key(&at))
    };
    let mut n_dropped = 0;
    for (at, row) in drop_block::<PriceRow>(tables, key, end)? {
        // A change of it is on its way into a block: it stays, with its versions.
        if is_in_head::<PriceRow>(tables, key, at) || staged(tables, at) {
            continue;
        }
        n_dropped += 1;
        let id = at.id.get();
        if row.has_raw || row.price.version > 1 {
            let of_price = (id, 0)..=(id, u32::MAX);
            tables.raws.retain_in(of_price.clone(), |_, _| false).map_err(storage)?;
            tables.versions.retain_in(of_price, |_, _| false).map_err(storage)?;
        }
        tables.disown(at.id, key.0)?;
    }
    Ok(n_dropped)
}

fn drop_averages(tables: &mut Tables<'_>, key: SeriesKey, end: Position) -> Result<u64> {
    let mut n_dropped = 0;
    for (at, _) in drop_block::<Option<Mean>>(tables, key, end)? {
        // The head knows better: there is another mean, or none any more.
        let staged = tables.staged.averages.get(&key);
        if !is_in_head::<Option<Mean>>(tables, key, at)
            && staged.is_none_or(|entries| !entries.contains_key(&at))
        {
            n_dropped += 1;
        }
    }
    Ok(n_dropped)
}

fn drop_block<E: Entry>(
    tables: &mut Tables<'_>,
    key: SeriesKey,
    end: Position,
) -> Result<Vec<(Position, E)>> {
    let series = Series { key, symbol: tables.symbol_of(key.0)? };
    E::cache(&mut tables.memory.caches).remove(&key);
    tables.memory.ends.remove(&key);
    take_out::<E>(tables, &series, end)
}

fn is_in_head<E: Entry>(tables: &Tables<'_>, key: SeriesKey, at: Position) -> bool {
    let head = tables.heads.head::<E>(key).filter(|_| !tables.staged.sealed.contains(&key));
    head.is_some_and(|head| head.get(at).is_some())
}

fn fitting_from(schema: &Schema, max_bytes: u64) -> Result<Option<Timestamp>> {
    let used = stored_bytes(&schema.blocks()?)?
        + stored_bytes(&schema.spans()?)?
        + stored_bytes(&schema.versions()?)?
        + stored_bytes(&schema.raws()?)?
        + stored_bytes(&schema.foreign_ids()?)?;
    if used <= max_bytes {
        return Ok(None);
    }
    let mut ends = Vec::new();
    for entry in schema.blocks()?.iter().map_err(storage)? {
        let (key, bytes) = entry.map_err(storage)?;
        ends.push((end_of(key.value())?.observed_at, bytes.value().len() as u64));
    }
    ends.sort_unstable();
    let n_bytes: u64 = ends.iter().map(|(_, n_bytes)| n_bytes).sum();
    // Each block stands for its share of everything: what belongs to its prices goes with it.
    let share = (used - max_bytes) as f64 / used as f64;
    let mut n_gone = 0;
    for (end, n_bytes_of_block) in ends {
        n_gone += n_bytes_of_block;
        if n_gone as f64 >= share * n_bytes as f64 {
            return Ok(Timestamp::from_micros(end.as_micros() + 1).ok());
        }
    }
    Ok(None)
}
