//! How changes reach their consumers.

use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{DeadLetter, PriceEvent};

/// A failure of a bus: it is away or refuses. Safe to retry.
#[derive(Debug, thiserror::Error)]
#[error("bus unavailable: {0}")]
pub struct BusError(pub Box<dyn std::error::Error + Send + Sync>);

impl BusError {
    pub fn because(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// One message as a consumer gets it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The event, or why the bytes are none.
    pub event: Result<PriceEvent, String>,
    pub partition: i32,
    /// Grows within a partition.
    pub offset: u64,
    pub message: RawMessage,
}

/// A message as bytes: what is parked, inspected and replayed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawMessage {
    pub key: String,
    /// Empty where the bus carries events without encoding them; see [`EventBus::encode`].
    pub payload: Vec<u8>,
    pub headers: Vec<(String, String)>,
}

/// Carries events from the relay to consumer groups, at least once, in order per symbol.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Hands events over in order and returns when all of them are safe: replicated on a broker,
    /// or, on the in-process bus, acknowledged by the consumer.
    ///
    /// # Errors
    /// Some or all may not have arrived; publish all of them again.
    async fn publish(&self, events: Vec<PriceEvent>) -> Result<(), BusError>;

    /// Publishes bytes as they are: the replay of a dead letter.
    async fn publish_raw(&self, message: RawMessage) -> Result<(), BusError>;

    /// The bytes this bus would carry for an event.
    fn encode(&self, event: &PriceEvent) -> RawMessage;

    /// Joins a consumer group. Its members share the partitions, each of which has one reader.
    ///
    /// A bus that keeps what it carried starts each partition behind the position the store has for
    /// it, under [`EventBus::position_name`]; where the store has none, behind what the group
    /// acknowledged last, and else at the oldest message.
    async fn subscribe(
        &self,
        group: &str,
        positions: Arc<dyn Positions>,
    ) -> Result<Box<dyn Subscription>, BusError>;

    /// The name under which a group's positions on this bus are stored. Another bus, another
    /// topic, counts its offsets anew and has another name.
    fn position_name(&self, group: &str) -> String {
        group.to_owned()
    }

    /// Puts a letter on the dead-letter topic, where the bus has one: its bytes, its headers, and in
    /// two more headers its `reason` and `attempts`.
    async fn dead_letter(&self, letter: &DeadLetter) -> Result<(), BusError>;

    /// Where events are published: what dead letters name as their origin.
    fn topic(&self) -> &str {
        "price-events"
    }

    /// How many events on the bus the group has not acknowledged yet; none where nobody can tell, or
    /// where the bus keeps none.
    ///
    /// # Errors
    /// When the bus cannot be asked.
    async fn lag(&self, _group: &str) -> Result<Option<u64>, BusError> {
        Ok(None)
    }

    /// Whether the bus answers.
    async fn check(&self) -> Result<(), BusError>;
}

/// How far consumer groups have come, as the store says that holds their results.
#[async_trait]
pub trait Positions: Send + Sync {
    /// The last offset of a partition whose effect is stored; none when there is none.
    async fn position(&self, name: &str, partition: i32) -> Result<Option<u64>, BusError>;
}

/// One member of a consumer group.
#[async_trait]
pub trait Subscription: Send {
    /// The next deliveries, at least one and at most `max`. What was delivered and not
    /// acknowledged is delivered again after [`Subscription::nack`] or a new subscription.
    /// Cancel safe.
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError>;

    /// Says that the effect of everything delivered so far is stored.
    async fn ack(&mut self) -> Result<(), BusError>;

    /// Asks for everything that is not acknowledged again.
    async fn nack(&mut self) -> Result<(), BusError>;
}
