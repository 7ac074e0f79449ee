//! Blocks: some hundred consecutive entries of one series, stored column by column.
//!
//! Neighbours are alike, so a column of integers compresses to a few bits each. What does not fit
//! the compact form of a column (a decimal of 28 digits, an id of another store) is written in
//! full: no value is ever rounded. Which columns a block has is fixed by its version byte.

mod averages;
mod column;
mod prices;

pub use averages::AverageBlock;
pub use prices::PriceBlock;

use super::DecodeError;
use super::bytes::{Reader, put_unsigned};
use crate::model::{Position, PriceId, Timestamp};
use column::Integers;

#[cfg(test)]
mod tests;

const VERSION: u8 = 1;

/// Far more than blocks are made of; bounds what damaged bytes can make a reader allocate.
const MAX_ENTRIES: usize = 1 << 16;

/// How many low bits of an id name its symbol; those of one block are mostly the same.
const ID_LOW_BITS: u32 = 20;
const ID_LOW_MASK: u64 = (1 << ID_LOW_BITS) - 1;

/// The number of entries of a block, without reading the rest.
///
/// # Errors
/// When the bytes are no block of a known version.
pub fn len(bytes: &[u8]) -> Result<usize, DecodeError> {
    read_header(&mut Reader(bytes))
}

fn put_header(out: &mut Vec<u8>, n_entries: usize) {
    out.push(VERSION);
    put_unsigned(out, n_entries as u128);
}

fn read_header(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    match reader.byte()? {
        VERSION => match reader.number()? {
            n_entries @ 1..=MAX_ENTRIES => Ok(n_entries),
            other => Err(DecodeError::invalid(format!("a block of {other} entries"))),
        },
        other => Err(DecodeError::UnknownVersion(u64::from(other))),
    }
}

/// The positions of a block's entries, in ascending order.
#[derive(Debug)]
struct Positions {
    observed_at: Integers,
    ids: Integers,
    /// Shifted out of the ids, and the same for all.
    id_low: Option<u64>,
}

impl Positions {
    fn put(out: &mut Vec<u8>, positions: impl Iterator<Item = Position> + Clone) {
        let observed_at: Vec<i64> =
            positions.clone().map(|at| at.observed_at.as_micros()).collect();
        column::put_integers(out, &observed_at);
        let mut ids: Vec<i64> = positions.map(|at| at.id.get() as i64).collect();
        let low = ids.first().map_or(0, |id| *id as u64 & ID_LOW_MASK);
        let shared = ids.iter().all(|id| *id as u64 & ID_LOW_MASK == low);
        out.push(u8::from(shared));
        if shared {
            put_unsigned(out, u128::from(low));
            ids.iter_mut().for_each(|id| *id >>= ID_LOW_BITS);
        }
        column::put_integers(out, &ids);
    }

    fn read(reader: &mut Reader<'_>, n_entries: usize) -> Result<Self, DecodeError> {
        let observed_at = Integers::read(reader, n_entries)?;
        let id_low = if reader.byte()? == 1 { Some(reader.number()?) } else { None };
        let ids = Integers::read(reader, n_entries)?;
        Ok(Self { observed_at, ids, id_low })
    }

    fn get(&self, index: usize) -> Result<Position, DecodeError> {
        let observed_at = Timestamp::from_micros(self.observed_at.get(index));
        Ok(Position {
            observed_at: observed_at.map_err(DecodeError::invalid)?,
            id: self.id(index)?,
        })
    }

    fn id(&self, index: usize) -> Result<PriceId, DecodeError> {
        let stored = self.ids.get(index) as u64;
        let id = match self.id_low {
            Some(low) => stored << ID_LOW_BITS | low,
            None => stored,
        };
        PriceId::new(id).ok_or_else(|| DecodeError::invalid(format!("no price id: {id}")))
    }
}
