//! Stored records: price versions, log entries, dead letters. Each begins with its version byte.

use super::DecodeError;
use super::bytes::{Reader, put_decimal, put_i64, put_str, put_unsigned};
use super::journal::Change;
use crate::model::{
    Amount, Currency, DeadLetter, EventKind, ExternalId, Mean, MovingAverage, Observation,
    Position, Price, PriceId, ProviderName, RawPayload, Symbol, TimeSource, Timestamp, Window,
};

const VERSION: u8 = 1;

const HAS_VOLUME: u8 = 1;
const HAS_EXTERNAL_ID: u8 = 1 << 1;
const HAS_RAW: u8 = 1 << 2;
const DELETED: u8 = 1 << 3;
const DATE_ONLY: u8 = 1 << 4;
const TIME_RECEIVED: u8 = 1 << 5;

/// One version of a price as it lies in a row. Symbol and position are in the key, the raw payload
/// in a row of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRow {
    pub price: Price,
    pub deleted: bool,
    /// Whether a raw payload lies beside this row; `price.observation.raw` is empty here.
    pub has_raw: bool,
}

/// Encodes all of a version but its symbol, position and raw payload.
pub fn encode_row(row: &PriceRow) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    put_row(&mut out, row);
    out
}

pub(super) fn put_row(out: &mut Vec<u8>, row: &PriceRow) {
    let observation = &row.price.observation;
    let mut flags = 0;
    flags |= if observation.volume.is_some() { HAS_VOLUME } else { 0 };
    flags |= if observation.external_id.is_some() { HAS_EXTERNAL_ID } else { 0 };
    flags |= if row.has_raw { HAS_RAW } else { 0 };
    flags |= if row.deleted { DELETED } else { 0 };
    flags |= match observation.time_source {
        TimeSource::Provider => 0,
        TimeSource::DateOnly => DATE_ONLY,
        TimeSource::Received => TIME_RECEIVED,
    };
    out.push(VERSION);
    out.push(flags);
    put_unsigned(out, u128::from(row.price.version));
    put_i64(out, observation.received_at.as_micros());
    put_decimal(out, observation.price.decimal());
    if let Some(volume) = observation.volume {
        put_decimal(out, volume.decimal());
    }
    put_str(out, observation.currency.as_str());
    put_str(out, observation.provider.as_str());
    if let Some(external_id) = &observation.external_id {
        put_str(out, external_id.as_str());
    }
}

/// # Errors
/// When the bytes are no price row of a known version.
pub fn decode_price(
    symbol: Symbol,
    position: Position,
    bytes: &[u8],
) -> Result<PriceRow, DecodeError> {
    let mut reader = Reader(bytes);
    let row = read_price(&mut reader, symbol, position)?;
    reader.end()?;
    Ok(row)
}

pub(super) fn read_price(
    reader: &mut Reader<'_>,
    symbol: Symbol,
    position: Position,
) -> Result<PriceRow, DecodeError> {
    read_version(reader)?;
    let flags = reader.byte()?;
    let has = |flag| flags & flag != 0;
    let version = reader.number()?;
    let received_at = read_timestamp(reader)?;
    let price = read_amount(reader)?;
    let volume = if has(HAS_VOLUME) { Some(read_amount(reader)?) } else { None };
    let currency = Currency::parse(reader.str()?).map_err(DecodeError::invalid)?;
    let provider = ProviderName::parse(reader.str()?).map_err(DecodeError::invalid)?;
    let external_id = if has(HAS_EXTERNAL_ID) {
        Some(ExternalId::parse(reader.str()?).map_err(DecodeError::invalid)?)
    } else {
        None
    };
    let time_source = if has(DATE_ONLY) {
        TimeSource::DateOnly
    } else if has(TIME_RECEIVED) {
        TimeSource::Received
    } else {
        TimeSource::Provider
    };
    let observation = Observation {
        symbol,
        provider,
        observed_at: position.observed_at,
        external_id,
        price,
        volume,
        currency,
        received_at,
        time_source,
        raw: None,
    };
    Ok(PriceRow {
        price: Price { id: position.id, version, observation },
        deleted: has(DELETED),
        has_raw: has(HAS_RAW),
    })
}

/// The mean in an average row of schema 1; the rest is in its key.
///
/// # Errors
/// When the bytes are no mean.
pub fn decode_mean(bytes: &[u8]) -> Result<Mean, DecodeError> {
    let mut reader = Reader(bytes);
    let mean = Mean::from_stored(reader.decimal()?);
    reader.end()?;
    Ok(mean)
}

const LOG_AVERAGE: u8 = 3;

/// A log entry of schema 1, which had one row each.
///
/// # Errors
/// When the bytes are no log entry of a known version.
pub fn decode_log(bytes: &[u8]) -> Result<Change, DecodeError> {
    let mut reader = Reader(bytes);
    read_version(&mut reader)?;
    let tag = reader.byte()?;
    let symbol = Symbol::parse(reader.str()?).map_err(DecodeError::invalid)?;
    let at = read_position(&mut reader)?;
    if tag == LOG_AVERAGE {
        let window = Window::new(reader.number()?).map_err(DecodeError::invalid)?;
        let mean = Mean::from_stored(reader.decimal()?);
        reader.end()?;
        return Ok(Change::Average(MovingAverage { symbol, window, at, mean }));
    }
    let kind = EventKind::ALL
        .into_iter()
        .find(|kind| *kind as u8 == tag)
        .ok_or_else(|| DecodeError::invalid(format!("unknown log entry {tag}")))?;
    // The message id, which time of receipt and sequence give.
    reader.take(16)?;
    let mut row = read_price(&mut reader, symbol, at)?;
    reader.end()?;
    row.deleted = kind == EventKind::Deleted;
    Ok(Change::Price { kind, row })
}

/// Encodes a dead letter without its id, which is its key.
pub fn encode_dead_letter(letter: &DeadLetter) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_str(&mut out, &letter.reason);
    put_unsigned(&mut out, u128::from(letter.attempts));
    put_i64(&mut out, letter.parked_at.as_micros());
    put_str(&mut out, &letter.key);
    put_unsigned(&mut out, letter.payload.len() as u128);
    out.extend_from_slice(&letter.payload);
    for (name, value) in &letter.headers {
        put_str(&mut out, name);
        put_str(&mut out, value);
    }
    out
}

/// # Errors
/// When the bytes are no dead letter of a known version.
pub fn decode_dead_letter(id: u64, bytes: &[u8]) -> Result<DeadLetter, DecodeError> {
    let mut reader = Reader(bytes);
    read_version(&mut reader)?;
    let reason = reader.str()?.to_owned();
    let attempts = reader.number()?;
    let parked_at = read_timestamp(&mut reader)?;
    let key = reader.str()?.to_owned();
    let length = reader.number()?;
    let payload = reader.take(length)?.to_vec();
    let mut headers = Vec::new();
    while !reader.0.is_empty() {
        headers.push((reader.str()?.to_owned(), reader.str()?.to_owned()));
    }
    Ok(DeadLetter { id, reason, attempts, key, payload, headers, parked_at })
}

/// The raw payload beside a row.
pub fn decode_raw(bytes: &[u8]) -> Result<RawPayload, DecodeError> {
    let text = std::str::from_utf8(bytes).map_err(DecodeError::invalid)?;
    Ok(RawPayload(text.into()))
}

pub(super) fn read_version(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    match reader.byte()? {
        VERSION => Ok(()),
        other => Err(DecodeError::UnknownVersion(u64::from(other))),
    }
}

fn read_timestamp(reader: &mut Reader<'_>) -> Result<Timestamp, DecodeError> {
    Timestamp::from_micros(reader.i64()?).map_err(DecodeError::invalid)
}

fn read_amount(reader: &mut Reader<'_>) -> Result<Amount, DecodeError> {
    Amount::try_from(reader.decimal()?).map_err(DecodeError::invalid)
}

pub(super) fn put_symbol_and_position(out: &mut Vec<u8>, symbol: &Symbol, position: Position) {
    put_str(out, symbol.as_str());
    put_i64(out, position.observed_at.as_micros());
    put_unsigned(out, u128::from(position.id.get()));
}

pub(super) fn read_position(reader: &mut Reader<'_>) -> Result<Position, DecodeError> {
    let observed_at = read_timestamp(reader)?;
    let id: u64 = reader.number()?;
    let id = PriceId::new(id).ok_or_else(|| DecodeError::invalid(format!("no price id: {id}")))?;
    Ok(Position { observed_at, id })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(
        digits: (i128, u32),
        volume: Option<u32>,
        micros: i64,
        external: Option<u16>,
    ) -> Price {
        Price {
            id: PriceId::new(77).expect("an id"),
            version: 3,
            observation: Observation {
                symbol: Symbol::parse("BTC-USD").expect("a symbol"),
                provider: ProviderName::parse("kraken").expect("a name"),
                observed_at: Timestamp::from_micros(micros).expect("a time"),
                external_id: external.map(|n| ExternalId::parse(&format!("#{n}")).expect("an id")),
                price: Amount::try_from(rust_decimal::Decimal::from_i128_with_scale(
                    digits.0, digits.1,
                ))
                .expect("an amount"),
                volume: volume.map(|n| Amount::parse(&n.to_string()).expect("an amount")),
                currency: Currency::USD,
                received_at: Timestamp::from_micros(micros / 2).expect("a time"),
                time_source: TimeSource::DateOnly,
                raw: None,
            },
        }
    }

    proptest! {
        #[test]
        fn decoding_gives_back_what_was_encoded(
            digits in (1_i128..10_i128.pow(15), 0_u32..=20),
            volume in proptest::option::of(any::<u32>()),
            micros in -62_135_596_800_000_000_i64..253_402_300_799_999_999,
            external in proptest::option::of(any::<u16>()),
            deleted: bool,
            has_raw: bool,
        ) {
            let price = price(digits, volume, micros, external);
            let row = PriceRow { price, deleted, has_raw };
            let bytes = encode_row(&row);
            let symbol = row.price.observation.symbol.clone();
            prop_assert_eq!(decode_price(symbol, row.price.position(), &bytes), Ok(row));
        }

        #[test]
        fn arbitrary_bytes_are_an_error_and_never_a_panic(bytes: Vec<u8>) {
            let symbol = Symbol::parse("X").expect("a symbol");
            let _ = decode_price(symbol, Position::MIN, &bytes);
            let _ = decode_log(&bytes);
            let _ = decode_dead_letter(1, &bytes);
            let _ = decode_mean(&bytes);
        }
    }

    #[test]
    fn a_record_of_another_version_is_named_as_such() {
        let price = price((1, 0), None, 0, None);
        let (symbol, at) = (price.observation.symbol.clone(), price.position());
        let mut bytes = encode_row(&PriceRow { price, deleted: false, has_raw: false });
        bytes[0] = 9;
        assert_eq!(decode_price(symbol, at, &bytes), Err(DecodeError::UnknownVersion(9)));
    }
}
