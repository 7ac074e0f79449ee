//! Stored records: price versions, log entries, dead letters. Each begins with its version byte.

use super::DecodeError;
use super::bytes::{Reader, put_decimal, put_i64, put_str, put_unsigned};
use crate::model::{
    Amount, Currency, DeadLetter, EventKind, ExternalId, Mean, MovingAverage, Observation,
    Position, Price, PriceEvent, PriceId, ProviderName, RawPayload, Sequence, Symbol, TimeSource,
    Timestamp, Window,
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
pub fn encode_price(price: &Price, deleted: bool) -> Vec<u8> {
    let observation = &price.observation;
    let mut flags = 0;
    flags |= if observation.volume.is_some() { HAS_VOLUME } else { 0 };
    flags |= if observation.external_id.is_some() { HAS_EXTERNAL_ID } else { 0 };
    flags |= if observation.raw.is_some() { HAS_RAW } else { 0 };
    flags |= if deleted { DELETED } else { 0 };
    flags |= match observation.time_source {
        TimeSource::Provider => 0,
        TimeSource::DateOnly => DATE_ONLY,
        TimeSource::Received => TIME_RECEIVED,
    };
    let mut out = Vec::with_capacity(48);
    out.push(VERSION);
    out.push(flags);
    put_unsigned(&mut out, u128::from(price.version));
    put_i64(&mut out, observation.received_at.as_micros());
    put_decimal(&mut out, observation.price.decimal());
    if let Some(volume) = observation.volume {
        put_decimal(&mut out, volume.decimal());
    }
    put_str(&mut out, observation.currency.as_str());
    put_str(&mut out, observation.provider.as_str());
    if let Some(external_id) = &observation.external_id {
        put_str(&mut out, external_id.as_str());
    }
    out
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

fn read_price(
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

/// The value and nothing else of a price row: what averages and bars need, read without
/// allocating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceValue {
    pub price: Amount,
    pub volume: Option<Amount>,
    pub deleted: bool,
}

/// # Errors
/// As [`decode_price`].
pub fn decode_value(bytes: &[u8]) -> Result<PriceValue, DecodeError> {
    let mut reader = Reader(bytes);
    read_version(&mut reader)?;
    let flags = reader.byte()?;
    reader.unsigned()?;
    reader.i64()?;
    let price = read_amount(&mut reader)?;
    let volume = if flags & HAS_VOLUME != 0 { Some(read_amount(&mut reader)?) } else { None };
    Ok(PriceValue { price, volume, deleted: flags & DELETED != 0 })
}

/// Encodes the mean of an average; the rest is in its key.
pub fn encode_mean(mean: Mean) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    put_decimal(&mut out, mean.decimal());
    out
}

/// # Errors
/// When the bytes are no mean.
pub fn decode_mean(bytes: &[u8]) -> Result<Mean, DecodeError> {
    let mut reader = Reader(bytes);
    let mean = Mean::from_stored(reader.decimal()?);
    reader.end()?;
    Ok(mean)
}

/// A log entry without its sequence, which is its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogRecord {
    Price(PriceEvent),
    Average(MovingAverage),
}

const LOG_AVERAGE: u8 = 3;

pub fn encode_price_event(kind: EventKind, message_id: u128, price: &Price) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    out.push(VERSION);
    out.push(kind as u8);
    put_symbol_and_position(&mut out, &price.observation.symbol, price.position());
    out.extend_from_slice(&message_id.to_be_bytes());
    out.extend_from_slice(&encode_price(price, false));
    out
}

pub fn encode_average(average: &MovingAverage) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    out.push(VERSION);
    out.push(LOG_AVERAGE);
    put_symbol_and_position(&mut out, &average.symbol, average.at);
    put_unsigned(&mut out, u128::from(average.window.get()));
    put_decimal(&mut out, average.mean.decimal());
    out
}

/// # Errors
/// When the bytes are no log entry of a known version.
pub fn decode_log(sequence: Sequence, bytes: &[u8]) -> Result<LogRecord, DecodeError> {
    let mut reader = Reader(bytes);
    read_version(&mut reader)?;
    let tag = reader.byte()?;
    let symbol = Symbol::parse(reader.str()?).map_err(DecodeError::invalid)?;
    let position = read_position(&mut reader)?;
    if tag == LOG_AVERAGE {
        let window = Window::new(reader.number()?).map_err(DecodeError::invalid)?;
        let mean = Mean::from_stored(reader.decimal()?);
        reader.end()?;
        return Ok(LogRecord::Average(MovingAverage { symbol, window, at: position, mean }));
    }
    let kind = EventKind::ALL
        .into_iter()
        .find(|kind| *kind as u8 == tag)
        .ok_or_else(|| DecodeError::invalid(format!("unknown log entry {tag}")))?;
    let message_id = u128::from_be_bytes(reader.fixed()?);
    let row = read_price(&mut reader, symbol, position)?;
    reader.end()?;
    let raw_response_id =
        row.has_raw.then(|| crate::model::price::raw_response_id(position.id, row.price.version));
    let Price { id, version, observation } = row.price;
    Ok(LogRecord::Price(PriceEvent {
        message_id,
        kind,
        sequence,
        price_id: id,
        version,
        symbol: observation.symbol,
        price: observation.price,
        currency: observation.currency,
        volume: observation.volume,
        observed_at: observation.observed_at,
        received_at: observation.received_at,
        provider: observation.provider,
        raw_response_id,
    }))
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

fn read_version(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
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

fn put_symbol_and_position(out: &mut Vec<u8>, symbol: &Symbol, position: Position) {
    put_str(out, symbol.as_str());
    put_i64(out, position.observed_at.as_micros());
    put_unsigned(out, u128::from(position.id.get()));
}

fn read_position(reader: &mut Reader<'_>) -> Result<Position, DecodeError> {
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
        ) {
            let price = price(digits, volume, micros, external);
            let bytes = encode_price(&price, deleted);
            let row = decode_price(price.observation.symbol.clone(), price.position(), &bytes);
            prop_assert_eq!(row, Ok(PriceRow { price: price.clone(), deleted, has_raw: false }));
            let value = decode_value(&bytes).expect("a value");
            prop_assert_eq!(value.price, price.observation.price);
            prop_assert_eq!(value.volume, price.observation.volume);

            let event = encode_price_event(EventKind::Corrected, 9, &price);
            let Ok(LogRecord::Price(decoded)) = decode_log(Sequence(5), &event) else {
                panic!("not a price event")
            };
            prop_assert_eq!(decoded.position(), price.position());
            prop_assert_eq!((decoded.sequence, decoded.message_id), (Sequence(5), 9));
        }

        #[test]
        fn arbitrary_bytes_are_an_error_and_never_a_panic(bytes: Vec<u8>) {
            let symbol = Symbol::parse("X").expect("a symbol");
            let _ = decode_price(symbol, Position::MIN, &bytes);
            let _ = decode_value(&bytes);
            let _ = decode_log(Sequence(1), &bytes);
            let _ = decode_dead_letter(1, &bytes);
            let _ = decode_mean(&bytes);
        }
    }

    #[test]
    fn a_record_of_another_version_is_named_as_such() {
        let mut bytes = encode_price(&price((1, 0), None, 0, None), false);
        bytes[0] = 9;
        assert_eq!(decode_value(&bytes), Err(DecodeError::UnknownVersion(9)));
    }
}
