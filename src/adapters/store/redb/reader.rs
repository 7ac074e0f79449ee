//! From rows to prices: where a price lies, and which version of it was known when.

use redb::ReadOnlyTable;

use super::heads::Head;
use super::series::{BlockKey, PRICES, Series, block_key};
use super::tables::{self, Schema, raw_payload};
use super::{Result, Shared, corrupt, ids, storage};
use crate::codec::block::PriceBlock;
use crate::codec::record::{self, PriceRow};
use crate::model::{Position, Price, PriceId, PriceVersion, Symbol, Timestamp};

/// The tables that a price is put together from.
pub(super) struct PriceReader {
    versions: ReadOnlyTable<(u64, u32), (i64, &'static [u8])>,
    raws: ReadOnlyTable<(u64, u32), &'static [u8]>,
    as_of: Option<Timestamp>,
}

impl PriceReader {
    pub(super) fn open(schema: &Schema, as_of: Option<Timestamp>) -> Result<Self> {
        Ok(Self { versions: schema.versions()?, raws: schema.raws()?, as_of })
    }

    /// The price of a current row as known now or at `as_of`; none when it was deleted or not known
    /// then.
    pub(super) fn price(&self, current: PriceRow) -> Result<Option<Price>> {
        let known = match self.as_of {
            None => Some(current),
            Some(instant) => self.known_at(current, instant)?,
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
        Ok(Some((row, tables::timestamp(superseded_at)?)))
    }

    fn with_raw(&self, row: PriceRow) -> Result<Price> {
        let mut price = row.price;
        if row.has_raw {
            self.add_raw(&mut price)?;
        }
        Ok(price)
    }

    /// Adds the payload that a version of a price came with.
    pub(super) fn add_raw(&self, price: &mut Price) -> Result<()> {
        let raw = self.raws.get((price.id.get(), price.version)).map_err(storage)?;
        price.observation.raw = raw.map(|guard| raw_payload(guard.value())).transpose()?;
        Ok(())
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
}

impl Shared {
    /// The current row of the price with this id, and the tables as of the same commit.
    pub(super) fn row_of(&self, id: PriceId) -> Result<(Schema, Option<PriceRow>)> {
        let mut number = ids::low_number(id);
        loop {
            let (schema, head) =
                self.read_with(|heads| heads.prices.get(&(number, PRICES)).cloned())?;
            let foreign = schema.foreign_ids()?.get(id.get()).map_err(storage)?;
            match foreign.map(|guard| guard.value()) {
                Some(owner) if owner != number => number = owner,
                _ => {
                    let row = self.find(&schema, head.as_deref(), number, id)?;
                    return Ok((schema, row));
                }
            }
        }
    }

    fn find(
        &self,
        schema: &Schema,
        head: Option<&Head<PriceRow>>,
        number: u32,
        id: PriceId,
    ) -> Result<Option<PriceRow>> {
        let Some(symbol) = self.symbols.name(number) else { return Ok(None) };
        let unsealed = head.and_then(|head| {
            head.entries.values().map(|(_, row)| row).find(|row| row.price.id == id)
        });
        match unsealed {
            Some(row) => Ok(Some(row.clone())),
            None => find_sealed(
                &schema.spans()?,
                &schema.blocks()?,
                &Series::prices(number, symbol),
                id,
            ),
        }
    }
}

/// Looks for a price in the blocks whose spans of ids cover its id; mostly that is one.
pub(super) fn find_sealed(
    spans: &impl redb::ReadableTable<(u32, u64), (u64, i64, u64)>,
    blocks: &impl redb::ReadableTable<BlockKey, &'static [u8]>,
    series: &Series,
    id: PriceId,
) -> Result<Option<PriceRow>> {
    let (number, _) = series.key;
    for span in spans.range((number, id.get())..=(number, u64::MAX)).map_err(storage)? {
        let (lowest, observed_at, end_id) = span.map_err(storage)?.1.value();
        if lowest > id.get() {
            continue;
        }
        let end = tables::position(observed_at, end_id)?;
        let Some(bytes) = blocks.get(block_key(series.key, end)).map_err(storage)? else {
            continue;
        };
        let block = PriceBlock::decode(bytes.value()).map_err(corrupt)?;
        if let Some(index) = block.index_of(id) {
            return block.row(&series.symbol, index).map(Some).map_err(corrupt);
        }
    }
    Ok(None)
}
