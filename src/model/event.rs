//! What travels on the bus.

use super::{Amount, Currency, Position, PriceId, ProviderName, Symbol, Timestamp};

/// The place of an event in the store's log: grows in the order of commits, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

impl std::fmt::Display for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    Recorded,
    Corrected,
    Deleted,
}

impl EventKind {
    pub const ALL: [Self; 3] = [Self::Recorded, Self::Corrected, Self::Deleted];

    /// The `type` on the bus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorded => "price.recorded",
            Self::Corrected => "price.corrected",
            Self::Deleted => "price.deleted",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

/// A change of one price, as the store committed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceEvent {
    /// A `UUIDv7`, the same at every delivery.
    pub message_id: u128,
    pub kind: EventKind,
    pub sequence: Sequence,
    pub price_id: PriceId,
    pub version: u32,
    pub symbol: Symbol,
    pub price: Amount,
    pub currency: Currency,
    pub volume: Option<Amount>,
    pub observed_at: Timestamp,
    pub received_at: Timestamp,
    pub provider: ProviderName,
    pub raw_response_id: Option<String>,
}

impl PriceEvent {
    pub fn position(&self) -> Position {
        Position { observed_at: self.observed_at, id: self.price_id }
    }
}

/// A delivery that was given up, with all that is needed to look into it and to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub id: u64,
    pub reason: String,
    pub attempts: u32,
    /// The routing key: the symbol, where the message had one.
    pub key: String,
    pub payload: Vec<u8>,
    pub headers: Vec<(String, String)>,
    pub parked_at: Timestamp,
}
