//! Prices: append, correct and delete.

use async_trait::async_trait;

use super::cursor::Span;
use super::lookup::raw_of;
use super::reader::PriceReader;
use super::series::{PRICES, Series};
use super::tables::Tables;
use super::{RedbStore, Result, list, storage};
use crate::codec::record::{self, PriceRow};
use crate::model::{
    Amount, EventKind, Observation, Order, Position, Price, PriceId, PriceVersion, ProviderName,
    Symbol, Timestamp,
};
use crate::ports::{Appended, Correction, PriceQuery, PriceStore};

/// Reads of so many rows are done on the caller's thread; moving to another costs as much.
const ROWS_IN_PLACE: usize = 1_000;

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
        match self.shared.row_of(id)? {
            (schema, Some(row)) => PriceReader::open(&schema, as_of)?.price(row),
            (_, None) => Ok(None),
        }
    }

    async fn history(&self, id: PriceId) -> Result<Vec<PriceVersion>> {
        match self.shared.row_of(id)? {
            (schema, Some(row)) => PriceReader::open(&schema, None)?.history(row),
            (_, None) => Ok(Vec::new()),
        }
    }

    async fn latest(
        &self,
        symbol: &Symbol,
        provider: Option<&ProviderName>,
        as_of: Option<Timestamp>,
    ) -> Result<Option<Price>> {
        let Some((schema, mut cursor)) =
            list::open_symbol(&self.shared, symbol, Span::ALL, Order::NewestFirst)?
        else {
            return Ok(None);
        };
        let reader = PriceReader::open(&schema, as_of)?;
        while let Some((_, row)) = cursor.next()? {
            let is_wanted =
                provider.is_none_or(|provider| row.price.observation.provider == *provider);
            if is_wanted && let Some(price) = reader.price(row)? {
                return Ok(Some(price));
            }
        }
        Ok(None)
    }

    async fn prices(&self, query: PriceQuery) -> Result<Vec<Price>> {
        let is_short = query.symbol.is_some()
            && query.provider.is_none()
            && query.skip.saturating_add(query.limit) <= ROWS_IN_PLACE;
        if is_short {
            return list::list(&self.shared, &query);
        }
        self.on_own_thread(move |shared| list::list(shared, &query)).await
    }

    async fn values_around(
        &self,
        symbol: &Symbol,
        from: Position,
        n_before: usize,
        n_from: usize,
    ) -> Result<Vec<(Position, Amount)>> {
        if n_before.saturating_add(n_from) <= ROWS_IN_PLACE {
            return list::values_around(&self.shared, symbol, from, n_before, n_from);
        }
        let symbol = symbol.clone();
        self.on_own_thread(move |shared| {
            list::values_around(shared, &symbol, from, n_before, n_from)
        })
        .await
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
    let series = Series::prices(number, observation.symbol.clone());
    let Some(row) = tables.row_with_key(&series, &observation)? else {
        let price = Price { id: tables.next_id(number)?, version: 1, observation };
        tables.counters.n_prices += 1;
        return write(tables, number, price, EventKind::Recorded).map(Appended::New);
    };
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
    // A clock that was set back must not make the past look newer than the present.
    observation.received_at = observation.received_at.max(old.observation.received_at);
    let superseded_at = observation.received_at.as_micros();
    let bytes = record::encode_row(row);
    tables
        .versions
        .insert((old.id.get(), old.version), (superseded_at, bytes.as_slice()))
        .map_err(storage)?;
    let price = Price { id: old.id, version: old.version + 1, observation };
    write(tables, number, price, kind)
}

/// Writes the current version of a price, its raw payload and its event.
fn write(tables: &mut Tables<'_>, number: u32, price: Price, kind: EventKind) -> Result<Price> {
    let mut row = PriceRow {
        deleted: kind == EventKind::Deleted,
        has_raw: price.observation.raw.is_some(),
        price: price.clone(),
    };
    if let Some(raw) = row.price.observation.raw.take() {
        let key = (price.id.get(), price.version);
        tables.raws.insert(key, raw.0.as_bytes()).map_err(storage)?;
    }
    tables.log_price((number, PRICES), kind, row)?;
    Ok(price)
}

fn live_row(tables: &mut Tables<'_>, id: PriceId) -> Result<Option<PriceRow>> {
    Ok(tables.row_with_id(id)?.filter(|row| !row.deleted))
}

fn with_raw(tables: &Tables<'_>, row: PriceRow) -> Result<Price> {
    let mut price = row.price;
    if row.has_raw {
        price.observation.raw = raw_of(tables, price.id, price.version)?;
    }
    Ok(price)
}
