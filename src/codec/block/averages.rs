//! Blocks of averages of one symbol and window.
//!
//! A mean may never end (a third), but the sum it comes from does, and neighbouring sums are alike.
//! So a block keeps sums, where dividing them gives back exactly the means.

use rust_decimal::Decimal;

use super::super::DecodeError;
use super::super::bytes::{Reader, put_decimal};
use super::column::{self, Integers};
use super::{Positions, put_header, read_header};
use crate::model::{MAX_SCALE, Mean, Position, Window};

/// Sums of one scale.
const SUMS: u8 = 0;
/// Every mean in full.
const EXACT: u8 = 1;

/// A block whose columns are unpacked.
#[derive(Debug)]
pub struct AverageBlock {
    n_entries: usize,
    positions: Positions,
    means: Means,
}

#[derive(Debug)]
enum Means {
    Sums { scale: u32, sums: Integers },
    Exact(Vec<Mean>),
}

impl AverageBlock {
    /// Encodes averages in ascending order of position.
    pub fn encode(window: Window, averages: &[(Position, Mean)]) -> Vec<u8> {
        let mut out = Vec::with_capacity(averages.len() * 4 + 64);
        put_header(&mut out, averages.len());
        Positions::put(&mut out, averages.iter().map(|(at, _)| *at));
        match sums(window, averages) {
            Some((scale, sums)) => {
                out.push(SUMS);
                out.push(scale as u8);
                column::put_integers(&mut out, &sums);
            }
            None => {
                out.push(EXACT);
                averages.iter().for_each(|(_, mean)| put_decimal(&mut out, mean.decimal()));
            }
        }
        out
    }

    /// # Errors
    /// When the bytes are no block of a known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader(bytes);
        let n_entries = read_header(&mut reader)?;
        let positions = Positions::read(&mut reader, n_entries)?;
        let means = match reader.byte()? {
            SUMS => {
                let scale = u32::from(reader.byte()?);
                Means::Sums { scale, sums: Integers::read(&mut reader, n_entries)? }
            }
            EXACT => Means::Exact(
                (0..n_entries)
                    .map(|_| reader.decimal().map(Mean::from_stored))
                    .collect::<Result<_, _>>()?,
            ),
            other => return Err(DecodeError::invalid(format!("unknown column of means {other}"))),
        };
        reader.end()?;
        Ok(Self { n_entries, positions, means })
    }

    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub fn len(&self) -> usize {
        self.n_entries
    }

    /// The position of the entry at `index`, which is below [`AverageBlock::len`].
    ///
    /// # Errors
    /// When it is none.
    pub fn position(&self, index: usize) -> Result<Position, DecodeError> {
        self.positions.get(index)
    }

    pub fn mean(&self, window: Window, index: usize) -> Mean {
        match &self.means {
            Means::Sums { scale, sums } => mean_of(sums.get(index), *scale, window),
            Means::Exact(means) => means[index],
        }
    }
}

fn mean_of(sum: i64, scale: u32, window: Window) -> Mean {
    Mean::from_stored(Decimal::new(sum, scale) / Decimal::from(window.get()))
}

/// The sums at the smallest scale that gives back every mean; none when there is no such scale.
fn sums(window: Window, averages: &[(Position, Mean)]) -> Option<(u32, Vec<i64>)> {
    let mut scale = 0;
    'scales: while scale <= MAX_SCALE as u32 {
        let mut sums = Vec::with_capacity(averages.len());
        for (_, mean) in averages {
            match sum_of(*mean, scale, window) {
                Some(sum) => sums.push(sum),
                None => {
                    scale += 1;
                    continue 'scales;
                }
            }
        }
        return Some((scale, sums));
    }
    None
}

fn sum_of(mean: Mean, scale: u32, window: Window) -> Option<i64> {
    let decimal = mean.decimal();
    let sum = decimal.mantissa() * i128::from(window.get());
    let sum = match scale.checked_sub(decimal.scale()) {
        Some(more) => sum.checked_mul(10_i128.pow(more))?,
        None => {
            let unit = 10_i128.pow(decimal.scale() - scale);
            (sum + unit / 2) / unit
        }
    };
    let sum = i64::try_from(sum).ok()?;
    (mean_of(sum, scale, window) == mean).then_some(sum)
}
