//! From rows to prices: which version of a row was known when.

use redb::ReadOnlyTable;

use super::symbols::Symbols;
use super::tables::{self, PriceKey, Schema, raw_payload};
use super::{Result, corrupt, storage};
use crate::codec::record::{self, PriceRow};
use crate::model::{Position, Price, PriceId, PriceVersion, Symbol, Timestamp};

/// The tables that a price is put together from.
pub(super) struct PriceReader {
    pub(super) prices: ReadOnlyTable<PriceKey, &'static [u8]>,
    versions: ReadOnlyTable<(u64, u32), (i64, &'static [u8])>,
    raws: ReadOnlyTable<(u64, u32), &'static [u8]>,
    as_of: Option<Timestamp>,
}

impl PriceReader {
    pub(super) fn open(schema: &Schema, as_of: Option<Timestamp>) -> Result<Self> {
        Ok(Self {
            prices: schema.prices()?,
            versions: schema.versions()?,
            raws: schema.raws()?,
            as_of,
        })
    }

    /// The price in a row as known now or at `as_of`; none when it was deleted or not known then.
    pub(super) fn price(
        &self,
        symbol: &Symbol,
        position: Position,
        bytes: &[u8],
    ) -> Result<Option<Price>> {
        let row = record::decode_price(symbol.clone(), position, bytes).map_err(corrupt)?;
        let known = match self.as_of {
            None => Some(row),
            Some(instant) => self.known_at(row, instant)?,
        };
        known.filter(|row| !row.deleted).map(|row| self.with_raw(row)).transpose()
    }

    fn known_at(&self, current: PriceRow, instant: Timestamp) -> Result<Option<PriceRow>> {
        if current.price.observation.received_at <= instant {
            return Ok(Some(current));
        }
        let (symbol, position) = (&current.price.observation.symbol, current.price.position());
        for version in (1..current.price.version).rev() {
            let row = self.superseded(symbol, position, version)?.map(|(row, _)| row);
            if let Some(row) = row.filter(|row| row.price.observation.received_at <= instant) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn superseded(
        &self,
        symbol: &Symbol,
        position: Position,
        version: u32,
    ) -> Result<Option<(PriceRow, Timestamp)>> {
        let Some(guard) = self.versions.get((position.id.get(), version)).map_err(storage)? else {
            return Ok(None);
        };
        let (superseded_at, bytes) = guard.value();
        let row = record::decode_price(symbol.clone(), position, bytes).map_err(corrupt)?;
        Ok(Some((row, tables::position(superseded_at, 0)?.observed_at)))
    }

    fn with_raw(&self, row: PriceRow) -> Result<Price> {
        let mut price = row.price;
        if row.has_raw {
            let raw = self.raws.get((price.id.get(), price.version)).map_err(storage)?;
            price.observation.raw = raw.map(|guard| raw_payload(guard.value())).transpose()?;
        }
        Ok(price)
    }

    /// The newest row of a price, deleted or not.
    fn current(
        &self,
        symbol: &Symbol,
        number: u32,
        position: Position,
    ) -> Result<Option<PriceRow>> {
        let guard = self.prices.get(tables::price_key(number, position)).map_err(storage)?;
        guard
            .map(|guard| record::decode_price(symbol.clone(), position, guard.value()))
            .transpose()
            .map_err(corrupt)
    }

    /// All versions of the price in a row, oldest first.
    pub(super) fn history(&self, current: PriceRow) -> Result<Vec<PriceVersion>> {
        let (symbol, position) =
            (current.price.observation.symbol.clone(), current.price.position());
        let mut history = Vec::with_capacity(current.price.version as usize);
        for version in 1..current.price.version {
            // Retention may have dropped old versions.
            if let Some((row, superseded_at)) = self.superseded(&symbol, position, version)? {
                let deleted = row.deleted;
                let price = self.with_raw(row)?;
                history.push(PriceVersion { price, superseded_at: Some(superseded_at), deleted });
            }
        }
        let deleted = current.deleted;
        let price = self.with_raw(current)?;
        history.push(PriceVersion { price, superseded_at: None, deleted });
        Ok(history)
    }

    /// The newest row of the price with this id.
    pub(super) fn row_of(
        &self,
        schema: &Schema,
        symbols: &Symbols,
        id: PriceId,
    ) -> Result<Option<PriceRow>> {
        let Some(guard) = schema.ids()?.get(id.get()).map_err(storage)? else { return Ok(None) };
        let (number, observed_at) = guard.value();
        let Some(symbol) = symbols.name(number) else { return Ok(None) };
        self.current(&symbol, number, tables::position(observed_at, id.get())?)
    }

    /// The price with this id as known now or at `as_of`.
    pub(super) fn price_of(
        &self,
        schema: &Schema,
        symbols: &Symbols,
        id: PriceId,
    ) -> Result<Option<Price>> {
        let Some(row) = self.row_of(schema, symbols, id)? else { return Ok(None) };
        let known = match self.as_of {
            None => Some(row),
            Some(instant) => self.known_at(row, instant)?,
        };
        known.filter(|row| !row.deleted).map(|row| self.with_raw(row)).transpose()
    }
}
