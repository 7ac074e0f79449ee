//! Columns of integers, amounts and texts.

use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress_into};

use super::super::DecodeError;
use super::super::bytes::{Reader, put_decimal, put_str, put_unsigned};
use crate::model::{Amount, MAX_SCALE};

/// All values are this one.
const SAME: u8 = 0;
/// Compressed by `pco`.
const EACH: u8 = 1;

/// Higher levels take longer and save nothing in columns this short.
const COMPRESSION_LEVEL: usize = 4;

/// A column of integers.
#[derive(Debug)]
pub(super) enum Integers {
    Same(i64),
    Each(Vec<i64>),
}

impl Integers {
    pub(super) fn read(reader: &mut Reader<'_>, n_values: usize) -> Result<Self, DecodeError> {
        match reader.byte()? {
            SAME => Ok(Self::Same(reader.i64()?)),
            EACH => {
                let length = reader.number()?;
                let mut values = vec![0_i64; n_values];
                let progress = simple_decompress_into(reader.take(length)?, &mut values)
                    .map_err(DecodeError::invalid)?;
                if progress.n_processed != n_values || !progress.finished {
                    return Err(DecodeError::invalid("a column of another length than its block"));
                }
                Ok(Self::Each(values))
            }
            other => Err(DecodeError::invalid(format!("unknown column {other}"))),
        }
    }

    pub(super) fn get(&self, index: usize) -> i64 {
        match self {
            Self::Same(value) => *value,
            Self::Each(values) => values[index],
        }
    }
}

pub(super) fn put_integers(out: &mut Vec<u8>, values: &[i64]) {
    let first = values.first().copied().unwrap_or_default();
    if values.iter().all(|value| *value == first) {
        out.push(SAME);
        out.extend_from_slice(&first.to_be_bytes());
        return;
    }
    let config = ChunkConfig::default().with_compression_level(COMPRESSION_LEVEL);
    let packed = simple_compress(values, &config)
        .expect("a level within bounds and far fewer values than a chunk may have");
    out.push(EACH);
    put_unsigned(out, packed.len() as u128);
    out.extend_from_slice(&packed);
}

/// Integers of one scale.
const SCALED: u8 = 0;
/// Every amount in full.
const EXACT: u8 = 1;

/// A column of amounts.
#[derive(Debug)]
pub(super) enum Amounts {
    Scaled { scale: u32, mantissas: Integers },
    Exact(Vec<Amount>),
}

impl Amounts {
    pub(super) fn read(reader: &mut Reader<'_>, n_values: usize) -> Result<Self, DecodeError> {
        match reader.byte()? {
            SCALED => {
                let scale = u32::from(reader.byte()?);
                Ok(Self::Scaled { scale, mantissas: Integers::read(reader, n_values)? })
            }
            EXACT => (0..n_values)
                .map(|_| Amount::try_from(reader.decimal()?).map_err(DecodeError::invalid))
                .collect::<Result<_, _>>()
                .map(Self::Exact),
            other => Err(DecodeError::invalid(format!("unknown column of amounts {other}"))),
        }
    }

    pub(super) fn get(&self, index: usize) -> Result<Amount, DecodeError> {
        match self {
            Self::Scaled { scale, mantissas } => u64::try_from(mantissas.get(index))
                .ok()
                .and_then(|mantissa| Amount::from_scaled(mantissa, *scale))
                .ok_or_else(|| DecodeError::invalid("no amount")),
            Self::Exact(amounts) => Ok(amounts[index]),
        }
    }
}

pub(super) fn put_amounts(out: &mut Vec<u8>, amounts: &[Amount]) {
    let scale = amounts.iter().map(|amount| amount.decimal().scale()).max().unwrap_or_default();
    let mantissas: Option<Vec<i64>> =
        amounts.iter().map(|amount| mantissa_at(*amount, scale)).collect();
    match mantissas {
        Some(mantissas) => {
            out.push(SCALED);
            out.push(scale as u8);
            put_integers(out, &mantissas);
        }
        None => {
            out.push(EXACT);
            amounts.iter().for_each(|amount| put_decimal(out, amount.decimal()));
        }
    }
}

fn mantissa_at(amount: Amount, scale: u32) -> Option<i64> {
    debug_assert!(scale <= MAX_SCALE as u32);
    let decimal = amount.decimal();
    let factor = 10_i128.pow(scale - decimal.scale());
    decimal.mantissa().checked_mul(factor).and_then(|mantissa| i64::try_from(mantissa).ok())
}

/// No value has a text.
const NONE: u8 = 0;
/// A shared beginning, then the digits of a number.
const NUMBERED: u8 = 1;
/// Lengths, then all texts one behind the other.
const TEXTS: u8 = 2;

/// A column of texts that may be absent.
#[derive(Debug)]
pub(super) enum Texts {
    None,
    Numbered { prefix: String, numbers: Integers },
    Each(Vec<Option<String>>),
}

impl Texts {
    pub(super) fn read(reader: &mut Reader<'_>, n_values: usize) -> Result<Self, DecodeError> {
        match reader.byte()? {
            NONE => Ok(Self::None),
            NUMBERED => {
                let prefix = reader.str()?.to_owned();
                Ok(Self::Numbered { prefix, numbers: Integers::read(reader, n_values)? })
            }
            TEXTS => {
                let lengths = Integers::read(reader, n_values)?;
                (0..n_values)
                    .map(|index| match usize::try_from(lengths.get(index)) {
                        Ok(0) => Ok(None),
                        Ok(length) => std::str::from_utf8(reader.take(length - 1)?)
                            .map(|text| Some(text.to_owned()))
                            .map_err(DecodeError::invalid),
                        Err(error) => Err(DecodeError::invalid(error)),
                    })
                    .collect::<Result<_, _>>()
                    .map(Self::Each)
            }
            other => Err(DecodeError::invalid(format!("unknown column of texts {other}"))),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<String> {
        match self {
            Self::None => None,
            Self::Numbered { prefix, numbers } => Some(format!("{prefix}{}", numbers.get(index))),
            Self::Each(texts) => texts[index].clone(),
        }
    }
}

pub(super) fn put_texts(out: &mut Vec<u8>, texts: &[Option<&str>]) {
    if texts.iter().all(Option::is_none) {
        out.push(NONE);
        return;
    }
    if let Some((prefix, numbers)) = numbered(texts) {
        out.push(NUMBERED);
        put_str(out, prefix);
        put_integers(out, &numbers);
        return;
    }
    out.push(TEXTS);
    let lengths: Vec<i64> =
        texts.iter().map(|text| text.map_or(0, |text| text.len() as i64 + 1)).collect();
    put_integers(out, &lengths);
    texts.iter().flatten().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

/// The numbers behind a prefix all texts share, if each text is its prefix and a number printed
/// plainly: the trade ids of most exchanges.
fn numbered<'a>(texts: &[Option<&'a str>]) -> Option<(&'a str, Vec<i64>)> {
    let first = texts.first().copied().flatten()?;
    let prefix = first.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let numbers = texts
        .iter()
        .map(|text| {
            let digits = text.as_ref()?.strip_prefix(prefix)?;
            let plain = digits.len() <= 18
                && digits.bytes().all(|byte| byte.is_ascii_digit())
                && (digits.len() == 1 || !digits.starts_with('0'));
            if plain { digits.parse().ok() } else { None }
        })
        .collect::<Option<_>>()?;
    Some((prefix, numbers))
}
