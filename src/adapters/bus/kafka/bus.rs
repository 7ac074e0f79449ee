//! Publishing, and questions to the brokers.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::client::Listener;
use super::opening::{Observer, OpenError, connect};
use super::options::KafkaOptions;
use super::subscription::KafkaSubscription;
use crate::adapters::bus::message;
use crate::model::{DeadLetter, PriceEvent};
use crate::ports::bus::RawMessage;
use crate::ports::{BusError, EventBus, Positions, Subscription};

/// How long to wait for room in the producer's queue at a time.
const ROOM: std::time::Duration = std::time::Duration::from_millis(10);

/// A bus on one topic of one cluster.
pub struct KafkaBus {
    options: KafkaOptions,
    cluster: String,
    /// Replaced after an error that it cannot recover from.
    producer: Mutex<FutureProducer<Listener>>,
    observer: Arc<Observer>,
}

impl KafkaBus {
    /// Connects, and makes the topics that are missing.
    ///
    /// # Errors
    /// See [`OpenError`]; the messages hold no password.
    pub async fn open(options: KafkaOptions) -> Result<Self, OpenError> {
        let (observer, cluster) = connect(&options).await?;
        let producer =
            producer(&options).map_err(|error| OpenError::Settings(error.to_string()))?;
        Ok(Self { producer: Mutex::new(producer), options, cluster, observer })
    }

    async fn send(&self, topic: &str, messages: &[RawMessage]) -> Result<(), BusError> {
        let producer = self.producer.lock().clone();
        let mut receipts = Vec::with_capacity(messages.len());
        let mut outcome = Ok(());
        for message in messages {
            match enqueue(&producer, topic, message).await {
                Ok(receipt) => receipts.push(receipt),
                Err(error) => {
                    outcome = Err(BusError::because(error));
                    break;
                }
            }
        }
        // All are waited for, also after a failure: what is sent again must not overtake them.
        for receipt in receipts {
            match receipt.await {
                Ok(Ok(_)) => {}
                Ok(Err((error, _))) => outcome = outcome.and(Err(BusError::because(error))),
                Err(_) => outcome = outcome.and(Err(BusError::because("the producer went away"))),
            }
        }
        if outcome.is_err() {
            self.replace_broken_producer()?;
        }
        outcome
    }

    fn replace_broken_producer(&self) -> Result<(), BusError> {
        let mut current = self.producer.lock();
        if let Some((_, reason)) = current.client().fatal_error() {
            tracing::warn!(reason, "the Kafka producer is made anew");
            *current = producer(&self.options).map_err(BusError::because)?;
        }
        Ok(())
    }
}

fn producer(options: &KafkaOptions) -> Result<FutureProducer<Listener>, KafkaError> {
    options.producer().create_with_context(Listener::default())
}

/// Puts a message into the producer's queue, once there is room.
async fn enqueue(
    producer: &FutureProducer<Listener>,
    topic: &str,
    message: &RawMessage,
) -> Result<rdkafka::producer::DeliveryFuture, KafkaError> {
    let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
    for (key, value) in &message.headers {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    let mut record = FutureRecord::to(topic)
        .key(message.key.as_str())
        .payload(message.payload.as_slice())
        .headers(headers);
    loop {
        match producer.send_result(record) {
            Ok(receipt) => return Ok(receipt),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                tokio::time::sleep(ROOM).await;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

#[async_trait]
impl EventBus for KafkaBus {
    async fn publish(&self, events: Vec<PriceEvent>) -> Result<(), BusError> {
        let messages: Vec<RawMessage> = events.iter().map(message::of_event).collect();
        self.send(&self.options.topic, &messages).await
    }

    async fn publish_raw(&self, message: RawMessage) -> Result<(), BusError> {
        self.send(&self.options.topic, &[message]).await
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
        let subscription = KafkaSubscription::join(&self.options, group, name, positions)
            .map_err(BusError::because)?;
        Ok(Box::new(subscription))
    }

    fn position_name(&self, group: &str) -> String {
        format!("{group}@kafka/{}/{}", self.cluster, self.options.topic)
    }

    fn topic(&self) -> &str {
        &self.options.topic
    }

    async fn lag(&self, group: &str) -> Result<Option<u64>, BusError> {
        let mut config = self.options.client();
        config.set("group.id", group);
        let topic = self.options.topic.clone();
        let timeout = self.options.call_timeout;
        let observer = Arc::clone(&self.observer);
        blocking(move || {
            // It asks what the group committed and does not join it.
            let asking: BaseConsumer<Listener> = config.create_with_context(Listener::default())?;
            let metadata = observer.fetch_metadata(Some(&topic), timeout)?;
            let mut partitions = TopicPartitionList::new();
            for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
                partitions.add_partition(&topic, partition.id());
            }
            let committed = asking.committed_offsets(partitions, timeout)?;
            let mut lag = 0;
            for place in committed.elements() {
                let (low, high) = observer.fetch_watermarks(&topic, place.partition(), timeout)?;
                let next = match place.offset() {
                    Offset::Offset(next) => next.max(low),
                    _ => low,
                };
                lag += u64::try_from(high - next).unwrap_or(0);
            }
            Ok(Some(lag))
        })
        .await
    }

    async fn dead_letter(&self, letter: &DeadLetter) -> Result<(), BusError> {
        self.send(&self.options.dead_letter_topic, &[message::of_letter(letter)]).await
    }

    async fn check(&self) -> Result<(), BusError> {
        let observer = Arc::clone(&self.observer);
        let (topic, timeout) = (self.options.topic.clone(), self.options.call_timeout);
        blocking(move || {
            let metadata = observer.fetch_metadata(Some(&topic), timeout)?;
            match metadata.topics().first().and_then(|topic| topic.error()) {
                None => Ok(()),
                Some(error) => Err(KafkaError::MetadataFetch(error.into())),
            }
        })
        .await
    }
}

/// Runs what blocks its thread elsewhere.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, BusError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(|error| BusError::because(format!("Kafka: {error}"))),
        Err(error) => Err(BusError::because(error)),
    }
}
