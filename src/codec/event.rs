//! Price events as JSON on the bus (DESIGN.md section 2). Amounts are JSON numbers printed as the
//! exact decimal.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::DecodeError;
use crate::model::{
    Amount, Currency, EventKind, PriceEvent, PriceId, ProviderName, Sequence, Symbol, Timestamp,
};

/// The version written; older and newer ones are refused by name.
pub const SCHEMA_VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
struct PriceEventV1 {
    message_id: uuid::Uuid,
    #[serde(rename = "type")]
    kind: String,
    schema_version: u64,
    price_id: u64,
    version: u32,
    symbol: String,
    price: serde_json::Number,
    currency: String,
    volume: Option<serde_json::Number>,
    timestamp: String,
    received_at: String,
    source: String,
    raw_response_id: Option<String>,
    sequence: u64,
}

#[derive(Deserialize)]
struct AnyVersion {
    schema_version: u64,
}

pub fn encode(event: &PriceEvent) -> Vec<u8> {
    let wire = PriceEventV1 {
        message_id: uuid::Uuid::from_u128(event.message_id),
        kind: event.kind.name().to_owned(),
        schema_version: SCHEMA_VERSION,
        price_id: event.price_id.get(),
        version: event.version,
        symbol: event.symbol.to_string(),
        price: number(event.price),
        currency: event.currency.to_string(),
        volume: event.volume.map(number),
        timestamp: event.observed_at.to_string(),
        received_at: event.received_at.to_string(),
        source: event.provider.to_string(),
        raw_response_id: event.raw_response_id.clone(),
        sequence: event.sequence.0,
    };
    serde_json::to_vec(&wire).expect("strings and numbers always serialise")
}

/// # Errors
/// When the bytes are no JSON, of another schema version, or hold a value that no price has.
pub fn decode(payload: &[u8]) -> Result<PriceEvent, DecodeError> {
    let AnyVersion { schema_version } =
        serde_json::from_slice(payload).map_err(DecodeError::invalid)?;
    if schema_version != SCHEMA_VERSION {
        return Err(DecodeError::UnknownVersion(schema_version));
    }
    let wire: PriceEventV1 = serde_json::from_slice(payload).map_err(DecodeError::invalid)?;
    let price = amount(&wire.price)?;
    if price.is_zero() {
        return Err(DecodeError::invalid("a price must be greater than zero"));
    }
    Ok(PriceEvent {
        message_id: wire.message_id.as_u128(),
        kind: EventKind::parse(&wire.kind)
            .ok_or_else(|| DecodeError::invalid(format!("unknown type `{}`", wire.kind)))?,
        sequence: Sequence(wire.sequence),
        price_id: PriceId::new(wire.price_id)
            .ok_or_else(|| DecodeError::invalid(format!("no price id: {}", wire.price_id)))?,
        version: wire.version,
        symbol: Symbol::parse(&wire.symbol).map_err(DecodeError::invalid)?,
        price,
        currency: Currency::parse(&wire.currency).map_err(DecodeError::invalid)?,
        volume: wire.volume.as_ref().map(amount).transpose()?,
        observed_at: Timestamp::parse(&wire.timestamp).map_err(DecodeError::invalid)?,
        received_at: Timestamp::parse(&wire.received_at).map_err(DecodeError::invalid)?,
        provider: ProviderName::parse(&wire.source).map_err(DecodeError::invalid)?,
        raw_response_id: wire.raw_response_id,
    })
}

fn number(amount: Amount) -> serde_json::Number {
    serde_json::Number::from_str(&amount.to_string()).expect("a plain decimal is a JSON number")
}

fn amount(number: &serde_json::Number) -> Result<Amount, DecodeError> {
    Amount::parse(number.as_str()).map_err(DecodeError::invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> PriceEvent {
        PriceEvent {
            message_id: 0x0192_0000_0000_7000_8000_0000_0000_0001,
            kind: EventKind::Recorded,
            sequence: Sequence(12),
            price_id: PriceId::new(7).expect("an id"),
            version: 1,
            symbol: Symbol::parse("AAPL").expect("a symbol"),
            price: Amount::parse("0.10000000000000000001").expect("an amount"),
            currency: Currency::USD,
            volume: None,
            observed_at: Timestamp::parse("2024-05-01T10:00:00.000001Z").expect("a time"),
            received_at: Timestamp::parse("2024-05-01T10:00:01Z").expect("a time"),
            provider: ProviderName::manual(),
            raw_response_id: None,
        }
    }

    #[test]
    fn an_event_comes_back_as_it_went_with_its_exact_price() {
        let bytes = encode(&event());
        let text = String::from_utf8(bytes.clone()).expect("UTF-8");
        assert!(text.contains(r#""price":0.10000000000000000001"#), "{text}");
        assert_eq!(decode(&bytes), Ok(event()));
    }

    #[test]
    fn what_is_no_event_says_why() {
        let text = String::from_utf8(encode(&event())).expect("UTF-8");
        let newer = text.replace(r#""schema_version":1"#, r#""schema_version":2"#);
        assert_eq!(decode(newer.as_bytes()), Err(DecodeError::UnknownVersion(2)));
        for broken in [
            "",
            "{",
            "{}",
            "\u{0}",
            &text.replace("0.10000000000000000001", "0"),
            &text.replace("AAPL", "A B"),
            &text.replace("price.recorded", "price.invented"),
        ] {
            assert!(matches!(decode(broken.as_bytes()), Err(DecodeError::Invalid(_))), "{broken}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
