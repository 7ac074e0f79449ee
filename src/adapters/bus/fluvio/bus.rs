//! Publishing, and questions to the cluster.

use std::sync::Arc;

use async_trait::async_trait;
use fluvio::{Fluvio, Isolation, TopicProducerConfigBuilder, TopicProducerPool};
use tokio::sync::Mutex;

use super::cluster::{self, because, connect, extents, in_time};
use super::options::{FluvioOptions, OpenError};
use super::subscription::FluvioSubscription;
use super::wire;
use crate::adapters::bus::message;
use crate::model::{DeadLetter, PriceEvent};
use crate::ports::bus::RawMessage;
use crate::ports::{BusError, EventBus, Positions, Subscription};

/// A bus on one topic of one cluster.
pub struct FluvioBus {
    options: FluvioOptions,
    /// Made anew after a failure, because a client does not get over the loss of its cluster.
    client: Mutex<Option<Arc<Client>>>,
}

/// A connection and its producers.
struct Client {
    fluvio: Fluvio,
    events: TopicProducerPool,
    letters: TopicProducerPool,
}

impl Client {
    async fn connect(options: &FluvioOptions) -> Result<Self, BusError> {
        let fluvio = connect(options).await?;
        let events = producer(&fluvio, &options.topic, options).await?;
        let letters = producer(&fluvio, &options.dead_letter_topic, options).await?;
        Ok(Self { fluvio, events, letters })
    }
}

impl FluvioBus {
    /// Connects, and makes the topics that are missing.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(options: FluvioOptions) -> Result<Self, OpenError> {
        cluster::open(&options).await?;
        Ok(Self { options, client: Mutex::new(None) })
    }

    /// Runs a call in bounded time; after a failure the next call connects anew.
    async fn with_client<T>(
        &self,
        call: impl AsyncFnOnce(Arc<Client>) -> Result<T, BusError>,
    ) -> Result<T, BusError> {
        let timeout = self.options.call_timeout;
        let client = in_time(timeout, async {
            let mut kept = self.client.lock().await;
            if let Some(client) = kept.as_ref() {
                return Ok(Arc::clone(client));
            }
            let fresh = Arc::new(Client::connect(&self.options).await?);
            Ok(Arc::clone(kept.insert(fresh)))
        })
        .await?;
        let outcome = in_time(timeout, call(Arc::clone(&client))).await;
        if outcome.is_err() {
            let mut kept = self.client.lock().await;
            // Others may have replaced it already.
            kept.take_if(|kept| Arc::ptr_eq(kept, &client));
        }
        outcome
    }
}

async fn producer(
    fluvio: &Fluvio,
    topic: &str,
    options: &FluvioOptions,
) -> Result<TopicProducerPool, BusError> {
    let config = TopicProducerConfigBuilder::default()
        // An event is published when all its replicas have it.
        .isolation(Isolation::ReadCommitted)
        .timeout(options.call_timeout)
        .build()
        .map_err(BusError::because)?;
    let producer = fluvio.topic_producer_with_config(topic, config).await;
    producer.map_err(|error| because(&error))
}

async fn send(producer: &TopicProducerPool, messages: &[RawMessage]) -> Result<(), BusError> {
    let mut receipts = Vec::with_capacity(messages.len());
    for message in messages {
        let sent = producer.send(message.key.clone(), wire::value(message)).await;
        receipts.push(sent.map_err(|error| because(&error))?);
    }
    producer.flush().await.map_err(|error| because(&error))?;
    for receipt in receipts {
        receipt.wait().await.map_err(BusError::because)?;
    }
    Ok(())
}

#[async_trait]
impl EventBus for FluvioBus {
    async fn publish(&self, events: Vec<PriceEvent>) -> Result<(), BusError> {
        let messages: Vec<RawMessage> = events.iter().map(message::of_event).collect();
        self.with_client(async |client| send(&client.events, &messages).await).await
    }

    async fn publish_raw(&self, message: RawMessage) -> Result<(), BusError> {
        self.with_client(async |client| send(&client.events, &[message]).await).await
    }

    fn encode(&self, event: &PriceEvent) -> RawMessage {
        message::of_event(event)
    }

    async fn subscribe(
        &self,
        group: &str,
        positions: Arc<dyn Positions>,
    ) -> Result<Box<dyn Subscription>, BusError> {
        let name = self.position_name(group);
        let timeout = self.options.call_timeout;
        // A connection of its own: a reader must not lose it because a publisher failed.
        let fluvio = in_time(timeout, connect(&self.options)).await?;
        let joining =
            FluvioSubscription::join(fluvio, &self.options, group, &name, positions.as_ref());
        Ok(Box::new(in_time(timeout, joining).await?))
    }

    /// With the endpoint, for clusters have no name of their own.
    fn position_name(&self, group: &str) -> String {
        format!("{group}@fluvio/{}/{}", self.options.endpoint, self.options.topic)
    }

    fn topic(&self) -> &str {
        &self.options.topic
    }

    async fn lag(&self, group: &str) -> Result<Option<u64>, BusError> {
        let topic = &self.options.topic;
        self.with_client(async |client| {
            let offsets = client.fluvio.consumer_offsets().await;
            let offsets = offsets.map_err(|error| because(&error))?;
            let mut lag = 0;
            for extent in extents(&client.fluvio, topic).await? {
                let acknowledged = offsets.iter().find(|place| {
                    place.consumer_id == group
                        && place.topic == *topic
                        && place.partition == extent.partition
                });
                let next = acknowledged.map_or(0, |place| place.offset + 1).max(extent.first);
                lag += u64::try_from(extent.end - next).unwrap_or(0);
            }
            Ok(Some(lag))
        })
        .await
    }

    async fn dead_letter(&self, letter: &DeadLetter) -> Result<(), BusError> {
        let message = message::of_letter(letter);
        self.with_client(async |client| send(&client.letters, &[message]).await).await
    }

    async fn check(&self) -> Result<(), BusError> {
        let topic = &self.options.topic;
        self.with_client(async |client| {
            let extents = extents(&client.fluvio, topic).await?;
            let reason = match extents.iter().filter(|extent| !extent.is_online).count() {
                _ if extents.is_empty() => format!("the topic {topic} is gone"),
                0 => return Ok(()),
                n => format!("{n} of {} partitions of {topic} are offline", extents.len()),
            };
            Err(BusError::because(format!("Fluvio: {reason}")))
        })
        .await
    }
}
