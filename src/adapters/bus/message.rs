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
