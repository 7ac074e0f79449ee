//! A bus that fails.

use std::sync::Arc;

use async_trait::async_trait;
use tickerd::model::{DeadLetter, PriceEvent};
use tickerd::ports::bus::{Positions, RawMessage};
use tickerd::ports::{BusError, Delivery, EventBus, Subscription};

use super::Faulty;

impl Faulty<dyn EventBus> {
    fn refuse(&self) -> Result<(), BusError> {
        self.fail("bus refuses")
    }

    fn fail(&self, kind: &'static str) -> Result<(), BusError> {
        if self.faults.strikes(kind) { Err(BusError::because(kind)) } else { Ok(()) }
    }
}

#[async_trait]
impl EventBus for Faulty<dyn EventBus> {
    async fn publish(&self, events: Vec<PriceEvent>) -> Result<(), BusError> {
        self.refuse()?;
        self.inner.publish(events).await?;
        self.fail("bus loses the answer")
    }

    async fn publish_raw(&self, message: RawMessage) -> Result<(), BusError> {
        self.refuse()?;
        self.inner.publish_raw(message).await?;
        self.fail("bus loses the answer")
    }

    fn encode(&self, event: &PriceEvent) -> RawMessage {
        self.inner.encode(event)
    }

    async fn subscribe(
        &self,
        group: &str,
        positions: Arc<dyn Positions>,
    ) -> Result<Box<dyn Subscription>, BusError> {
        self.refuse()?;
        let inner = self.inner.subscribe(group, positions).await?;
        let bus = Self { inner: self.inner.clone(), faults: self.faults.clone() };
        Ok(Box::new(FaultySubscription { inner, bus }))
    }

    async fn dead_letter(&self, letter: &DeadLetter) -> Result<(), BusError> {
        self.refuse()?;
        self.inner.dead_letter(letter).await
    }

    fn topic(&self) -> &str {
        self.inner.topic()
    }

    fn position_name(&self, group: &str) -> String {
        self.inner.position_name(group)
    }

    async fn lag(&self, group: &str) -> Result<Option<u64>, BusError> {
        self.inner.lag(group).await
    }

    async fn check(&self) -> Result<(), BusError> {
        self.refuse()?;
        self.inner.check().await
    }
}

struct FaultySubscription {
    inner: Box<dyn Subscription>,
    bus: Faulty<dyn EventBus>,
}

#[async_trait]
impl Subscription for FaultySubscription {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        self.bus.fail("bus loses its consumer")?;
        let deliveries = self.inner.next(max).await?;
        if self.bus.faults.strikes("bus delivers again") {
            self.inner.nack().await?;
        }
        Ok(deliveries)
    }

    async fn ack(&mut self) -> Result<(), BusError> {
        self.bus.fail("bus loses the acknowledgement")?;
        self.inner.ack().await
    }

    async fn nack(&mut self) -> Result<(), BusError> {
        self.inner.nack().await
    }
}
