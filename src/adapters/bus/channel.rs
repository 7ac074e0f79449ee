//! The in-process bus: a bounded channel from the relay to one consumer.
//!
//! It keeps nothing: publishing returns when the consumer has acknowledged, and what was under way
//! when either side stops is published again from the outbox.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::message;
use crate::codec::event;
use crate::model::{DeadLetter, PriceEvent};
use crate::ports::bus::RawMessage;
use crate::ports::{BusError, Delivery, EventBus, Positions, Subscription};

/// Batches that may wait for the consumer. Publishers wait when it is full.
const CAPACITY: usize = 16;

/// One publish under way: its deliveries, and whom to tell when all are acknowledged.
struct Batch {
    deliveries: VecDeque<Delivery>,
    done: oneshot::Sender<()>,
}

/// The bus of edge mode.
pub struct ChannelBus {
    sender: mpsc::Sender<Batch>,
    /// Held by the one subscription there is.
    receiver: Arc<Mutex<mpsc::Receiver<Batch>>>,
}

impl Default for ChannelBus {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        Self { sender, receiver: Arc::new(Mutex::new(receiver)) }
    }
}

impl ChannelBus {
    async fn send(&self, deliveries: VecDeque<Delivery>) -> Result<(), BusError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let (done, acknowledged) = oneshot::channel();
        let batch = Batch { deliveries, done };
        self.sender.send(batch).await.map_err(|_| BusError::because("the bus is closed"))?;
        acknowledged.await.map_err(|_| BusError::because("the consumer went away"))
    }
}

#[async_trait]
impl EventBus for ChannelBus {
    async fn publish(&self, events: Vec<PriceEvent>) -> Result<(), BusError> {
        let deliveries = events.into_iter().map(|event| Delivery {
            partition: 0,
            offset: event.sequence.0,
            // Bytes are only made for the few messages that somebody looks at.
            message: RawMessage { key: event.symbol.to_string(), ..RawMessage::default() },
            event: Ok(event),
        });
        self.send(deliveries.collect()).await
    }

    async fn publish_raw(&self, message: RawMessage) -> Result<(), BusError> {
        let event = event::decode(&message.payload).map_err(|error| error.to_string());
        // A replayed message keeps the offset it had, so that the consumer's place does not jump.
        let offset = event.as_ref().map_or(0, |event| event.sequence.0);
        self.send(VecDeque::from([Delivery { event, partition: 0, offset, message }])).await
    }

    fn encode(&self, event: &PriceEvent) -> RawMessage {
        message::of_event(event)
    }

    async fn subscribe(
        &self,
        _group: &str,
        _positions: Arc<dyn Positions>,
    ) -> Result<Box<dyn Subscription>, BusError> {
        let receiver = Arc::clone(&self.receiver)
            .try_lock_owned()
            .map_err(|_| BusError::because("the in-process bus has a consumer already"))?;
        Ok(Box::new(ChannelSubscription { receiver, batches: VecDeque::new(), n_delivered: 0 }))
    }

    async fn dead_letter(&self, _letter: &DeadLetter) -> Result<(), BusError> {
        Ok(())
    }

    async fn check(&self) -> Result<(), BusError> {
        Ok(())
    }
}

struct ChannelSubscription {
    receiver: tokio::sync::OwnedMutexGuard<mpsc::Receiver<Batch>>,
    /// The batches being consumed, oldest first; what is acknowledged is gone from them.
    batches: VecDeque<Batch>,
    /// How many deliveries of `batches` were handed out.
    n_delivered: usize,
}

#[async_trait]
impl Subscription for ChannelSubscription {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        loop {
            let all = self.batches.iter().flat_map(|batch| &batch.deliveries);
            let next: Vec<_> = all.skip(self.n_delivered).take(max).cloned().collect();
            if !next.is_empty() {
                self.n_delivered += next.len();
                return Ok(next);
            }
            let batch = self.receiver.recv().await;
            self.batches.push_back(batch.ok_or_else(|| BusError::because("the bus is closed"))?);
        }
    }

    async fn ack(&mut self) -> Result<(), BusError> {
        while let Some(batch) = self.batches.front_mut() {
            let n_acknowledged = self.n_delivered.min(batch.deliveries.len());
            batch.deliveries.drain(..n_acknowledged);
            self.n_delivered -= n_acknowledged;
            if !batch.deliveries.is_empty() {
                break;
            }
            if let Some(batch) = self.batches.pop_front() {
                // A publisher that has gone away publishes again; the effect is stored once.
                let _ = batch.done.send(());
            }
        }
        Ok(())
    }

    async fn nack(&mut self) -> Result<(), BusError> {
        self.n_delivered = 0;
        Ok(())
    }
}
