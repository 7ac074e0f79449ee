//! Prices: append, correct, delete, and the lists.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Bound;

use async_trait::async_trait;
use redb::ReadableTable;

use super::reader::PriceReader;
use super::symbols::Symbols;
use super::tables::{Schema, Tables, position, price_key};
use super::{RedbStore, Result, corrupt, storage};
use crate::codec::record::{self, PriceRow};
use crate::model::{
    Amount, EventKind, Observation, Order, Position, Price, PriceId, PriceVersion, ProviderName,
    Symbol, Timestamp,
};
use crate::ports::{Appended, Correction, PriceQuery, PriceStore, StoreErrorKind};

#[async_trait]
impl PriceStore for RedbStore {
    async fn append(&self, batch: Vec<Observation>) -> Result<Vec<Appended>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        self.change(batch.len(), move |tables| {
            batch.into_iter().map(|observation| append(tables, observation)).collect()
        })
        .await
    }

    async fn correct(&self, id: PriceId, correction: Correction) -> Result<Option<Price>> {
        self.change(1, move |tables| {
            let Some(row) = live_row(tables, id)? else { return Ok(None) };
            let mut observation = row.price.observation.clone();
            observation.price = correction.price;
            observation.volume = correction.volume;
            observation.currency = correction.currency;
            if observation.same_value(&row.price.observation) {
                return with_raw(tables, row).map(Some);
            }
            observation.received_at = correction.received_at;
            observation.raw = correction.raw;
            supersede(tables, &row, observation, EventKind::Corrected).map(Some)
        })
        .await
    }

    async fn delete(&self, id: PriceId, received_at: Timestamp) -> Result<Option<Price>> {
        self.change(1, move |tables| {
            let Some(row) = live_row(tables, id)? else { return Ok(None) };
            let mut observation = row.price.observation.clone();
            observation.received_at = received_at;
            supersede(tables, &row, observation, EventKind::Deleted).map(Some)
        })
        .await
    }

    async fn price(&self, id: PriceId, as_of: Option<Timestamp>) -> Result<Option<Price>> {
        self.read(|schema, symbols| PriceReader::open(schema, as_of)?.price_of(schema, symbols, id))
    }

    async fn history(&self, id: PriceId) -> Result<Vec<PriceVersion>> {
        self.read(|schema, symbols| {
            let reader = PriceReader::open(schema, None)?;
            match reader.row_of(schema, symbols, id)? {
                Some(row) => reader.history(row),
                None => Ok(Vec::new()),
            }
        })
    }

    async fn latest(
        &self,
        symbol: &Symbol,
        provider: Option<&ProviderName>,
        as_of: Option<Timestamp>,
    ) -> Result<Option<Price>> {
        self.read(|schema, symbols| {
            let Some(number) = symbols.number(symbol) else { return Ok(None) };
            let reader = PriceReader::open(schema, as_of)?;
            for entry in reader.prices.range(all_of(number)).map_err(storage)?.rev() {
                let (key, row) = entry.map_err(storage)?;
                let (_, observed_at, id) = key.value();
                let price = reader.price(symbol, position(observed_at, id)?, row.value())?;
                if let Some(price) = price.filter(|price| from_provider(price, provider)) {
                    return Ok(Some(price));
                }
            }
            Ok(None)
        })
    }

    async fn prices(&self, query: PriceQuery) -> Result<Vec<Price>> {
        self.read_many(move |schema, symbols| list(schema, symbols, &query)).await
    }

    async fn values_around(
        &self,
        symbol: &Symbol,
        from: Position,
        n_before: usize,
        n_from: usize,
    ) -> Result<Vec<(Position, Amount)>> {
        let symbol = symbol.clone();
        let read = move |schema: &Schema, symbols: &Symbols| {
            let Some(number) = symbols.number(&symbol) else { return Ok(Vec::new()) };
            let prices = schema.prices()?;
            let at = price_key(number, from);
            let mut values = Vec::with_capacity(n_before + n_from.min(1_024));
            let before = prices.range(price_key(number, Position::MIN)..at).map_err(storage)?;
            collect_values(before.rev(), n_before, &mut values)?;
            values.reverse();
            let behind = prices.range(at..=price_key(number, Position::MAX)).map_err(storage)?;
            collect_values(behind, n_from, &mut values)?;
            Ok(values)
        };
        if n_before + n_from <= 64 { self.read(read) } else { self.read_many(read).await }
    }

    async fn symbols(&self, after: Option<&Symbol>, limit: usize) -> Result<Vec<Symbol>> {
        let mut symbols: Vec<Symbol> = self
            .shared
            .symbols
            .all()
            .into_iter()
            .map(|(_, symbol)| symbol)
            .filter(|symbol| after.is_none_or(|after| symbol > after))
            .collect();
        symbols.sort_unstable();
        symbols.truncate(limit);
        Ok(symbols)
    }
}

fn append(tables: &mut Tables<'_>, observation: Observation) -> Result<Appended> {
    let number = tables.symbol_number(&observation.symbol)?;
    let external_id = observation.external_id.as_ref().map_or("", |id| id.as_str());
    let natural_key =
        (number, observation.observed_at.as_micros(), observation.provider.as_str(), external_id);
    let stored = tables.natural_keys.get(natural_key).map_err(storage)?.map(|guard| guard.value());

    let Some(id) = stored else {
        tables.counters.last_price_id += 1;
        let id = tables.counters.last_price_id;
        tables.natural_keys.insert(natural_key, id).map_err(storage)?;
        let observed_at = observation.observed_at.as_micros();
        tables.ids.insert(id, (number, observed_at)).map_err(storage)?;
        let id = PriceId::new(id)
            .ok_or_else(|| StoreErrorKind::Unavailable.because("the price ids are used up"))?;
        let price = Price { id, version: 1, observation };
        write(tables, number, &price, EventKind::Recorded)?;
        return Ok(Appended::New(price));
    };

    let at = position(observation.observed_at.as_micros(), id)?;
    let row = row_at(tables, number, &observation.symbol, at)?.ok_or_else(|| {
        StoreErrorKind::Corrupt.because(format!("price {id} is indexed but has no row"))
    })?;
    if row.deleted {
        return supersede(tables, &row, observation, EventKind::Recorded).map(Appended::New);
    }
    let same = row.price.observation.same_value(&observation);
    let price = with_raw(tables, row)?;
    Ok(if same { Appended::Duplicate(price) } else { Appended::Conflict(price) })
}

/// Puts the next version in the place of `row`, which moves to the history.
fn supersede(
    tables: &mut Tables<'_>,
    row: &PriceRow,
    mut observation: Observation,
    kind: EventKind,
) -> Result<Price> {
    let old = &row.price;
    let number = tables.symbol_number(&old.observation.symbol)?;
    let key = price_key(number, old.position());
    let bytes = {
        let guard = tables.prices.get(key).map_err(storage)?;
        guard.map(|guard| guard.value().to_vec()).unwrap_or_default()
    };
    // A clock that was set back must not make the past look newer than the present.
    observation.received_at = observation.received_at.max(old.observation.received_at);
    tables
        .versions
        .insert(
            (old.id.get(), old.version),
            (observation.received_at.as_micros(), bytes.as_slice()),
        )
        .map_err(storage)?;
    let price = Price { id: old.id, version: old.version + 1, observation };
    write(tables, number, &price, kind)?;
    Ok(price)
}

/// Writes the current version of a price, its raw payload and its event.
fn write(tables: &mut Tables<'_>, number: u32, price: &Price, kind: EventKind) -> Result<()> {
    let row = record::encode_price(price, kind == EventKind::Deleted);
    tables.prices.insert(price_key(number, price.position()), row.as_slice()).map_err(storage)?;
    if let Some(raw) = &price.observation.raw {
        let key = (price.id.get(), price.version);
        tables.raws.insert(key, raw.0.as_bytes()).map_err(storage)?;
    }
    tables.log_price(kind, price)
}

fn row_at(
    tables: &Tables<'_>,
    number: u32,
    symbol: &Symbol,
    at: Position,
) -> Result<Option<PriceRow>> {
    let guard = tables.prices.get(price_key(number, at)).map_err(storage)?;
    guard
        .map(|guard| record::decode_price(symbol.clone(), at, guard.value()))
        .transpose()
        .map_err(corrupt)
}

fn live_row(tables: &Tables<'_>, id: PriceId) -> Result<Option<PriceRow>> {
    let Some((number, observed_at)) =
        tables.ids.get(id.get()).map_err(storage)?.map(|guard| guard.value())
    else {
        return Ok(None);
    };
    let Some(symbol) = tables.names.name(number) else { return Ok(None) };
    let row = row_at(tables, number, &symbol, position(observed_at, id.get())?)?;
    Ok(row.filter(|row| !row.deleted))
}

fn with_raw(tables: &Tables<'_>, row: PriceRow) -> Result<Price> {
    let mut price = row.price;
    if row.has_raw {
        let raw = tables.raws.get((price.id.get(), price.version)).map_err(storage)?;
        let raw = raw.map(|guard| super::tables::raw_payload(guard.value())).transpose()?;
        price.observation.raw = raw;
    }
    Ok(price)
}

/// The prices a query asks for. Without a symbol the lists of all symbols are merged, which needs
/// no index by time alone.
fn list(schema: &Schema, symbols: &Symbols, query: &PriceQuery) -> Result<Vec<Price>> {
    let reader = PriceReader::open(schema, query.as_of)?;
    let numbered = match &query.symbol {
        Some(symbol) => {
            symbols.number(symbol).map(|number| (number, symbol.clone())).into_iter().collect()
        }
        None => symbols.all(),
    };
    let Some((from, to)) = bounds(query) else { return Ok(Vec::new()) };
    let newest_first = query.order == Order::NewestFirst;
    let mut lists = Vec::with_capacity(numbered.len());
    for (number, symbol) in numbered {
        let range = (from.map(|at| price_key(number, at)), Bound::Excluded(price_key(number, to)));
        let mut rows = reader.prices.range(range).map_err(storage)?;
        let step = move || if newest_first { rows.next_back() } else { rows.next() };
        lists.push((symbol, step));
    }

    // The heads of all lists; the greatest comes out first, so ascending order is reversed.
    let rank =
        |at: Position| if newest_first { (Some(at), None) } else { (None, Some(Reverse(at))) };
    let mut heads = BinaryHeap::with_capacity(lists.len());
    let mut rows = Vec::with_capacity(lists.len());
    for (index, (_, step)) in lists.iter_mut().enumerate() {
        rows.push(None);
        if let Some(entry) = step() {
            let (key, row) = entry.map_err(storage)?;
            let (_, observed_at, id) = key.value();
            let at = position(observed_at, id)?;
            heads.push((rank(at), index));
            rows[index] = Some((at, row));
        }
    }

    let mut skip = query.skip;
    let mut found = Vec::with_capacity(query.limit.min(1_000));
    while found.len() < query.limit
        && let Some((_, index)) = heads.pop()
    {
        let (symbol, step) = &mut lists[index];
        if let Some((at, row)) = rows[index].take() {
            let price = reader.price(symbol, at, row.value())?;
            match price.filter(|price| from_provider(price, query.provider.as_ref())) {
                Some(_) if skip > 0 => skip -= 1,
                Some(price) => found.push(price),
                None => {}
            }
        }
        if let Some(entry) = step() {
            let (key, row) = entry.map_err(storage)?;
            let (_, observed_at, id) = key.value();
            let at = position(observed_at, id)?;
            heads.push((rank(at), index));
            rows[index] = Some((at, row));
        }
    }
    Ok(found)
}

/// The span of positions a query covers; none when it is empty.
fn bounds(query: &PriceQuery) -> Option<(Bound<Position>, Position)> {
    let first = Position { observed_at: query.range.from, id: PriceId::MIN };
    let end = Position { observed_at: query.range.to, id: PriceId::MIN };
    let (start, end) = match (query.after, query.order) {
        (Some(after), Order::NewestFirst) => (Bound::Included(first), end.min(after)),
        (Some(after), Order::OldestFirst) if after >= first => (Bound::Excluded(after), end),
        _ => (Bound::Included(first), end),
    };
    let (Bound::Included(lowest) | Bound::Excluded(lowest)) = start else { return None };
    (lowest < end).then_some((start, end))
}

fn all_of(number: u32) -> std::ops::RangeInclusive<(u32, i64, u64)> {
    price_key(number, Position::MIN)..=price_key(number, Position::MAX)
}

fn from_provider(price: &Price, provider: Option<&ProviderName>) -> bool {
    provider.is_none_or(|provider| price.observation.provider == *provider)
}

type PriceEntry = std::result::Result<
    (redb::AccessGuard<'static, (u32, i64, u64)>, redb::AccessGuard<'static, &'static [u8]>),
    redb::StorageError,
>;

fn collect_values(
    entries: impl Iterator<Item = PriceEntry>,
    count: usize,
    values: &mut Vec<(Position, Amount)>,
) -> Result<()> {
    let full = values.len() + count;
    for entry in entries {
        if values.len() == full {
            break;
        }
        let (key, row) = entry.map_err(storage)?;
        let value = record::decode_value(row.value()).map_err(corrupt)?;
        if !value.deleted {
            let (_, observed_at, id) = key.value();
            values.push((position(observed_at, id)?, value.price));
        }
    }
    Ok(())
}
