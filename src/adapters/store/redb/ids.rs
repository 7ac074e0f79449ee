//! Price ids. An id is a counter of the whole store with the number of its symbol in the low bits,
//! so ids grow and a price is found by its id without an index: the number leads to the symbol,
//! the spans of ids to the block.
//!
//! Ids of an earlier layout or of another backend stay as they are; each of those has a row that
//! says whose it is.

use super::tables::Tables;
use super::{Result, storage};
use crate::model::PriceId;
use crate::ports::StoreErrorKind;

const NUMBER_BITS: u32 = 20;
/// Stands in ids for every number that does not fit; such an id has a row.
const TOO_LARGE: u32 = (1 << NUMBER_BITS) - 1;

/// The number in the low bits of an id, which may mean something else in a foreign one.
pub(super) fn low_number(id: PriceId) -> u32 {
    (id.get() & u64::from(TOO_LARGE)) as u32
}

/// The symbol number that an id of our making carries; none for ids of another kind.
pub(super) fn carried_number(id: PriceId) -> Option<u32> {
    let number = low_number(id);
    (id.get() >> NUMBER_BITS > 0 && number != TOO_LARGE).then_some(number)
}

impl Tables<'_> {
    /// An id greater than all before, for a price of this symbol.
    pub(super) fn next_id(&mut self, number: u32) -> Result<PriceId> {
        let counter = (self.counters.last_price_id >> NUMBER_BITS) + 1;
        let id = PriceId::new(counter << NUMBER_BITS | u64::from(number.min(TOO_LARGE)))
            .ok_or_else(|| StoreErrorKind::Unavailable.because("the price ids are used up"))?;
        self.counters.last_price_id = id.get();
        self.own(id, number)?;
        Ok(id)
    }

    /// Remembers whose price an id is, where it does not say so itself.
    pub(super) fn own(&mut self, id: PriceId, number: u32) -> Result<()> {
        if low_number(id) != number || number == TOO_LARGE {
            self.foreign_ids.insert(id.get(), number).map_err(storage)?;
        }
        Ok(())
    }

    /// Forgets an id whose price is gone.
    pub(super) fn disown(&mut self, id: PriceId, number: u32) -> Result<()> {
        if low_number(id) != number || number == TOO_LARGE {
            self.foreign_ids.remove(id.get()).map_err(storage)?;
        }
        Ok(())
    }
}
