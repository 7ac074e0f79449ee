//! The few primitives all stored records are made of: LEB128 integers, fixed integers, strings
//! with their length in front, decimals as scale and mantissa.

use rust_decimal::Decimal;

use super::DecodeError;

/// Appends an unsigned integer, seven bits a byte, least significant first (LEB128).
pub(super) fn put_unsigned(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(super) fn put_str(out: &mut Vec<u8>, text: &str) {
    put_unsigned(out, text.len() as u128);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a non-negative decimal.
pub(super) fn put_decimal(out: &mut Vec<u8>, decimal: Decimal) {
    out.push(decimal.scale() as u8);
    put_unsigned(out, decimal.mantissa().unsigned_abs());
}

/// Reads what the `put` functions wrote.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self.0.split_first().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn unsigned(&mut self) -> Result<u128, DecodeError> {
        let mut value = 0_u128;
        for shift in (0..=126).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if shift == 126 && bits > 3 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::invalid("an integer is longer than 128 bits"))
    }

    pub(super) fn number<T: TryFrom<u128>>(&mut self) -> Result<T, DecodeError> {
        let value = self.unsigned()?;
        T::try_from(value).map_err(|_| DecodeError::invalid(format!("{value} is out of range")))
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?.try_into().map_err(|_| DecodeError::Truncated)
    }

    pub(super) fn i64(&mut self) -> Result<i64, DecodeError> {
        self.fixed().map(i64::from_be_bytes)
    }

    pub(super) fn str(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length)?).map_err(DecodeError::invalid)
    }

    pub(super) fn decimal(&mut self) -> Result<Decimal, DecodeError> {
        let scale = self.byte()?;
        let mantissa: i128 = self.number()?;
        Decimal::try_from_i128_with_scale(mantissa, u32::from(scale)).map_err(DecodeError::invalid)
    }

    pub(super) fn end(&self) -> Result<(), DecodeError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::invalid(format!("{} bytes too many", self.0.len())))
        }
    }
}
