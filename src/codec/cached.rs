//! A price as it lies in a cache that several processes share: all of it but its symbol, which is
//! its key.

use super::DecodeError;
use super::bytes::{Reader, put_i64, put_str, put_unsigned};
use super::record::{PriceRow, decode_price, encode_row};
use crate::model::{Position, Price, PriceId, RawPayload, Symbol, Timestamp};

const VERSION: u8 = 1;

pub fn encode(price: &Price) -> Vec<u8> {
    let has_raw = price.observation.raw.is_some();
    let row = encode_row(&PriceRow { price: price.clone(), deleted: false, has_raw });
    let mut out = Vec::with_capacity(row.len() + 32);
    out.push(VERSION);
    put_i64(&mut out, price.observation.observed_at.as_micros());
    put_unsigned(&mut out, u128::from(price.id.get()));
    put_unsigned(&mut out, row.len() as u128);
    out.extend_from_slice(&row);
    if let Some(raw) = &price.observation.raw {
        put_str(&mut out, &raw.0);
    }
    out
}

/// # Errors
/// When the bytes are no price of a known version.
pub fn decode(symbol: Symbol, bytes: &[u8]) -> Result<Price, DecodeError> {
    let mut reader = Reader(bytes);
    match reader.byte()? {
        VERSION => {}
        other => return Err(DecodeError::UnknownVersion(u64::from(other))),
    }
    let observed_at = Timestamp::from_micros(reader.i64()?).map_err(DecodeError::invalid)?;
    let id: u64 = reader.number()?;
    let id = PriceId::new(id).ok_or_else(|| DecodeError::invalid(format!("no price id: {id}")))?;
    let length = reader.number()?;
    let row = decode_price(symbol, Position { observed_at, id }, reader.take(length)?)?;
    let mut price = row.price;
    if row.has_raw {
        price.observation.raw = Some(RawPayload(reader.str()?.into()));
    }
    reader.end()?;
    Ok(price)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Amount, Currency, Observation, ProviderName, TimeSource};

    fn price(raw: Option<&str>) -> Price {
        Price {
            id: PriceId::new(7).expect("an id"),
            version: 3,
            observation: Observation {
                symbol: Symbol::parse("AAPL").expect("a symbol"),
                provider: ProviderName::manual(),
                observed_at: Timestamp::parse("2024-05-01T10:00:00.000001Z").expect("a time"),
                external_id: None,
                price: Amount::parse("0.10000000000000000001").expect("an amount"),
                volume: None,
                currency: Currency::USD,
                received_at: Timestamp::parse("2024-05-01T10:00:01Z").expect("a time"),
                time_source: TimeSource::DateOnly,
                raw: raw.map(|text| RawPayload(text.into())),
            },
        }
    }

    #[test]
    fn a_price_comes_back_as_it_went_with_and_without_its_payload() {
        for price in [price(None), price(Some(r#"{"c": 1}"#))] {
            let symbol = price.observation.symbol.clone();
            assert_eq!(decode(symbol, &encode(&price)), Ok(price));
        }
    }

    #[test]
    fn what_is_no_price_is_told_from_what_is_newer() {
        let symbol = || Symbol::parse("AAPL").expect("a symbol");
        let mut newer = encode(&price(None));
        newer[0] = 2;
        assert_eq!(decode(symbol(), &newer), Err(DecodeError::UnknownVersion(2)));
        let whole = encode(&price(Some("{}")));
        for n_bytes in 0..whole.len() {
            assert!(decode(symbol(), &whole[..n_bytes]).is_err(), "{n_bytes} bytes");
        }
    }
}
