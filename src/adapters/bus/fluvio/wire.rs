//! Messages as records. A Fluvio record has a key and a value and no headers, so a message with
//! headers of its own is wrapped.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::codec::event;
use crate::ports::bus::RawMessage;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    wrapped: u8,
    headers: Vec<(String, String)>,
    payload: String,
}

const VERSION: u8 = 1;

/// The value of a record. An event without more headers than every event has lies there as it is.
pub(super) fn value(message: &RawMessage) -> Vec<u8> {
    if message.headers.is_empty() || message.headers == headers_of(&message.payload) {
        return message.payload.clone();
    }
    wrap(message)
}

/// The value of a record that says its headers, whatever they are.
fn wrap(message: &RawMessage) -> Vec<u8> {
    let wrapped = Wrapped {
        wrapped: VERSION,
        headers: message.headers.clone(),
        payload: STANDARD.encode(&message.payload),
    };
    serde_json::to_vec(&wrapped).expect("strings and numbers always serialise")
}

/// The message of a record.
pub(super) fn message(key: &[u8], value: &[u8]) -> RawMessage {
    let key = String::from_utf8_lossy(key).into_owned();
    let unwrapped = serde_json::from_slice::<Wrapped>(value)
        .ok()
        .filter(|wrapped| wrapped.wrapped == VERSION)
        .and_then(|wrapped| Some((wrapped.headers, STANDARD.decode(&wrapped.payload).ok()?)));
    let (headers, payload) = unwrapped.unwrap_or_else(|| (headers_of(value), value.to_vec()));
    RawMessage { key, payload, headers }
}

/// The headers that every event has.
fn headers_of(payload: &[u8]) -> Vec<(String, String)> {
    event::decode(payload)
        .map(|event| crate::adapters::bus::message::of_event(&event).headers)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_with_its_headers() {
        for headers in [vec![], vec![("reason".to_owned(), "no JSON".to_owned())]] {
            let message = RawMessage { key: "AAPL".into(), payload: b"{\0".to_vec(), headers };
            assert_eq!(super::message(b"AAPL", &value(&message)), message);
            assert_eq!(super::message(b"AAPL", &wrap(&message)), message);
        }
    }
}
