//! One member of a consumer group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::client::is_refusal;
use super::options::KafkaOptions;
use super::rebalance::{Change, Changes};
use crate::codec::event;
use crate::ports::bus::RawMessage;
use crate::ports::{BusError, Delivery, Positions, Subscription};

/// Reads the partitions that the group gives it.
pub(super) struct KafkaSubscription {
    /// Taken away at the end only.
    consumer: Option<Arc<StreamConsumer<Changes>>>,
    positions: Arc<dyn Positions>,
    position_name: String,
    topic: String,
    call_timeout: Duration,
    partitions: BTreeMap<i32, Reading>,
}

/// How far a partition is read. Offsets are of the next message.
#[derive(Default)]
struct Reading {
    /// Nothing before it is delivered (again).
    next: u64,
    /// The first delivery that is not acknowledged.
    unacknowledged: Option<u64>,
}

impl KafkaSubscription {
    pub(super) fn join(
        options: &KafkaOptions,
        group: &str,
        position_name: String,
        positions: Arc<dyn Positions>,
    ) -> Result<Self, KafkaError> {
        let consumer: StreamConsumer<Changes> =
            options.consumer(group).create_with_context(Changes::default())?;
        consumer.subscribe(&[&options.topic])?;
        Ok(Self {
            consumer: Some(Arc::new(consumer)),
            positions,
            position_name,
            topic: options.topic.clone(),
            call_timeout: options.call_timeout,
            partitions: BTreeMap::new(),
        })
    }

    fn consumer(&self) -> Result<Arc<StreamConsumer<Changes>>, BusError> {
        self.consumer.clone().ok_or_else(|| BusError::because("the subscription has ended"))
    }

    /// Takes up the partitions that were gained, and lets go of those that were lost.
    async fn follow(&mut self, consumer: &StreamConsumer<Changes>) -> Result<(), BusError> {
        while let Some(change) = consumer.context().first() {
            match &change {
                Change::Gained(partitions) => {
                    let mut list = TopicPartitionList::new();
                    let mut readings = Vec::new();
                    for partition in partitions {
                        let next = self.start(*partition).await?;
                        let offset = next.map_or(Offset::Stored, offset);
                        list.add_partition_offset(&self.topic, *partition, offset)
                            .map_err(BusError::because)?;
                        let next = next.unwrap_or(0);
                        readings.push((*partition, Reading { next, unacknowledged: None }));
                    }
                    consumer.incremental_assign(&list).map_err(BusError::because)?;
                    self.partitions.extend(readings);
                    // Whoever had them before may have stored more than it could tell Kafka, and
                    // what was told while the members changed was refused. Without another message
                    // nobody would tell it again, and the group would seem to lag behind.
                    let done = self.partitions.iter();
                    let done = done.filter(|(_, reading)| {
                        reading.unacknowledged.is_none() && reading.next > 0
                    });
                    self.tell(
                        consumer,
                        done.map(|(partition, reading)| (*partition, reading.next)),
                    )?;
                }
                Change::Lost(partitions) => {
                    self.partitions.retain(|partition, _| !partitions.contains(partition));
                    let lost = places(&self.topic, partitions);
                    consumer.incremental_unassign(&lost).map_err(BusError::because)?;
                }
            }
            tracing::debug!(?change, "the averagers share the partitions anew");
            consumer.context().followed();
        }
        Ok(())
    }

    /// Tells Kafka the offsets of the next messages of partitions. What it does not hear by a crash
    /// is in the store, or is delivered again.
    fn tell(
        &self,
        consumer: &StreamConsumer<Changes>,
        done: impl IntoIterator<Item = (i32, u64)>,
    ) -> Result<(), BusError> {
        let mut list = TopicPartitionList::new();
        for (partition, next) in done {
            list.add_partition_offset(&self.topic, partition, offset(next))
                .map_err(BusError::because)?;
        }
        if list.count() == 0 {
            return Ok(());
        }
        consumer.commit(&list, CommitMode::Async).map_err(BusError::because)
    }

    /// The offset to begin a partition at; none when the store does not say.
    async fn start(&self, partition: i32) -> Result<Option<u64>, BusError> {
        let Some(stored) = self.positions.position(&self.position_name, partition).await? else {
            return Ok(None);
        };
        let (consumer, topic) = (self.consumer()?, self.topic.clone());
        let timeout = self.call_timeout;
        let marks = move || consumer.fetch_watermarks(&topic, partition, timeout);
        let (low, high) = tokio::task::spawn_blocking(marks)
            .await
            .map_err(BusError::because)?
            .map_err(BusError::because)?;
        let (low, high) = (u64::try_from(low).unwrap_or(0), u64::try_from(high).unwrap_or(0));
        let next = stored + 1;
        if next > high {
            tracing::warn!(partition, next, high, "the topic was made anew, so it is read whole");
            return Ok(Some(low));
        }
        if next < low {
            tracing::error!(
                partition,
                n_messages = low - next,
                "Kafka deleted events before they were averaged: keep them longer"
            );
        }
        Ok(Some(next.max(low)))
    }

    /// The delivery of a message; none when it is not, or no longer, for us.
    fn delivery(&mut self, message: &BorrowedMessage<'_>) -> Option<Delivery> {
        let (partition, offset) = (message.partition(), u64::try_from(message.offset()).ok()?);
        let reading = self.partitions.get_mut(&partition)?;
        if offset < reading.next {
            return None;
        }
        reading.next = offset + 1;
        reading.unacknowledged.get_or_insert(offset);
        let message = raw(message);
        let event = event::decode(&message.payload).map_err(|error| error.to_string());
        Some(Delivery { event, partition, offset, message })
    }
}

#[async_trait]
impl Subscription for KafkaSubscription {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let consumer = self.consumer()?;
        let mut deliveries = Vec::new();
        while deliveries.is_empty() {
            self.follow(&consumer).await?;
            let first = tokio::select! {
                () = consumer.context().noted() => continue,
                first = consumer.recv() => first,
            };
            let mut next = Some(first);
            while let Some(received) = next {
                match received {
                    Ok(message) => deliveries.extend(self.delivery(&message)),
                    Err(error) => tolerate(error)?,
                }
                // A change must be followed before more is read.
                let more = deliveries.len() < max && consumer.context().first().is_none();
                next = if more { consumer.recv().now_or_never() } else { None };
            }
        }
        Ok(deliveries)
    }

    async fn ack(&mut self) -> Result<(), BusError> {
        let consumer = self.consumer()?;
        let mut done = Vec::new();
        for (partition, reading) in &mut self.partitions {
            if reading.unacknowledged.take().is_some() {
                done.push((*partition, reading.next));
            }
        }
        self.tell(&consumer, done)
    }

    async fn nack(&mut self) -> Result<(), BusError> {
        let consumer = self.consumer()?;
        for (partition, reading) in &mut self.partitions {
            let Some(first) = reading.unacknowledged.take() else { continue };
            reading.next = first;
            let offset = offset(first);
            let (consumer, topic, timeout) =
                (Arc::clone(&consumer), self.topic.clone(), self.call_timeout);
            let partition = *partition;
            let seek = move || consumer.seek(&topic, partition, offset, timeout);
            tokio::task::spawn_blocking(seek)
                .await
                .map_err(BusError::because)?
                .map_err(BusError::because)?;
        }
        Ok(())
    }
}

impl Drop for KafkaSubscription {
    fn drop(&mut self) {
        let Some(consumer) = self.consumer.take() else { return };
        let (left, topic) = (consumer.context().close(), self.topic.clone());
        let (told, left_group) = std::sync::mpsc::channel();
        let patience = self.call_timeout;
        let leave = move || {
            for change in left {
                let outcome = match change {
                    Change::Gained(gained) => consumer.incremental_assign(&places(&topic, &gained)),
                    Change::Lost(lost) => consumer.incremental_unassign(&places(&topic, &lost)),
                };
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a change of partitions is left alone");
                }
            }
            // A call that nobody waits for any more holds it too, for a bounded time, and must not be
            // the one that closes it.
            while Arc::strong_count(&consumer) > 1 {
                std::thread::park_timeout(Duration::from_millis(10));
            }
            drop(consumer);
            // Nobody may be waiting any more.
            let _ = told.send(());
        };
        // librdkafka does not let go before a broker has heard of its last commits. So a thread asks
        // it to that nothing waits for, not even the end of the runtime, which would otherwise last
        // as long as brokers are away.
        if let Err(error) = std::thread::Builder::new().name("kafka-leave".into()).spawn(leave) {
            tracing::warn!(%error, "the group is not left; others take over when it is missed");
        }
        // A process that ends gives it some time to say goodbye, so that others take over at once.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || left_group.recv_timeout(patience));
        }
    }
}

fn offset(next: u64) -> Offset {
    Offset::Offset(next.try_into().unwrap_or(i64::MAX))
}

fn places(topic: &str, partitions: &[i32]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

/// Most errors are passing: librdkafka goes on by itself.
fn tolerate(error: KafkaError) -> Result<(), BusError> {
    let refused = error.rdkafka_error_code().is_some_and(is_refusal);
    if refused || matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        return Err(BusError::because(error));
    }
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PollExceeded) {
        tracing::warn!("the averager was silent for so long that others took over its partitions");
    } else {
        tracing::debug!(%error, "Kafka is read on in spite of an error");
    }
    Ok(())
}

fn raw(message: &BorrowedMessage<'_>) -> RawMessage {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = message.headers().map(|headers| {
        let pairs = headers.iter();
        pairs
            .map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default()))
            .collect()
    });
    RawMessage {
        key: message.key().map(text).unwrap_or_default(),
        payload: message.payload().unwrap_or_default().to_vec(),
        headers: headers.unwrap_or_default(),
    }
}
