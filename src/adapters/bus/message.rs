//! What an event looks like on every bus.

use crate::codec::event;
use crate::model::PriceEvent;
use crate::ports::bus::RawMessage;

/// The message of an event: JSON under the key of its symbol, which keeps a symbol in one
/// partition.
pub(super) fn of_event(event: &PriceEvent) -> RawMessage {
    RawMessage {
        key: event.symbol.to_string(),
        payload: event::encode(event),
        headers: vec![("type".into(), event.kind.name().into())],
    }
}

/// The message of a dead letter: the original bytes and headers, and why it was given up.
#[cfg(any(feature = "fluvio", feature = "kafka"))]
pub(super) fn of_letter(letter: &crate::model::DeadLetter) -> RawMessage {
    let mut headers = letter.headers.clone();
    headers.push(("reason".into(), letter.reason.clone()));
    headers.push(("attempts".into(), letter.attempts.to_string()));
    RawMessage { key: letter.key.clone(), payload: letter.payload.clone(), headers }
}
