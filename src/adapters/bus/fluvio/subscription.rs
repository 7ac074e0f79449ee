//! A reader of all partitions.

use std::collections::VecDeque;

use async_trait::async_trait;
use fluvio::consumer::{
    ConsumerConfigExtBuilder, ConsumerStream, OffsetManagementStrategy, Record, RetryMode,
};
use fluvio::dataplane::link::ErrorCode;
use fluvio::{Fluvio, Isolation, Offset};
use futures_util::future::poll_fn;
use futures_util::{FutureExt, StreamExt};

use super::bus::{because, ends};
use super::options::FluvioOptions;
use super::wire;
use crate::codec::event;
use crate::ports::{BusError, Delivery, Positions, Subscription};

/// Reads every partition of the topic by a stream of its own.
pub(super) struct FluvioSubscription {
    _fluvio: Fluvio,
    partitions: Vec<Reading>,
    /// Whose turn it is, so that a busy partition keeps no other waiting.
    turn: usize,
}

struct Reading {
    partition: u32,
    stream: Box<dyn ConsumerStream<Item = Result<Record, ErrorCode>> + Send>,
    /// Deliveries that are not acknowledged, oldest first.
    unacknowledged: VecDeque<Delivery>,
    /// How many of them, from the end, are to be delivered again.
    n_again: usize,
}

impl FluvioSubscription {
    pub(super) async fn join(
        fluvio: Fluvio,
        options: &FluvioOptions,
        group: &str,
        position_name: &str,
        positions: &dyn Positions,
    ) -> Result<Self, BusError> {
        let topic = &options.topic;
        let mut partitions = Vec::new();
        for (partition, end) in ends(&fluvio, topic).await? {
            let number = i32::try_from(partition).map_err(BusError::because)?;
            let stored = positions.position(position_name, number).await?;
            let start = match stored.map(|stored| i64::try_from(stored + 1).unwrap_or(i64::MAX)) {
                Some(next) if next <= end => {
                    // What Fluvio keeps of this reader would count more than where we begin.
                    let known = (topic.clone(), partition);
                    if let Err(error) = fluvio.delete_consumer_offset(group, known).await {
                        tracing::debug!(%error, "Fluvio knew nothing of this reader yet");
                    }
                    Offset::absolute(next).map_err(BusError::because)?
                }
                Some(next) => {
                    tracing::warn!(partition, next, end, "the topic was made anew");
                    Offset::beginning()
                }
                None => Offset::beginning(),
            };
            let config = ConsumerConfigExtBuilder::default()
                .topic(topic.clone())
                .partition(partition)
                .offset_start(start)
                .offset_consumer(group.to_owned())
                .offset_strategy(OffsetManagementStrategy::Manual)
                .isolation(Isolation::ReadCommitted)
                // The averager begins anew by itself, from what is stored by then.
                .retry_mode(RetryMode::Disabled)
                .build()
                .map_err(|error| because(&error))?;
            let stream = fluvio.consumer_with_config(config).await;
            let stream = Box::new(stream.map_err(|error| because(&error))?);
            partitions.push(Reading {
                partition,
                stream,
                unacknowledged: VecDeque::new(),
                n_again: 0,
            });
        }
        Ok(Self { _fluvio: fluvio, partitions, turn: 0 })
    }
}

impl Reading {
    /// What there is to deliver now, up to `max`.
    fn ready(&mut self, max: usize) -> Vec<Delivery> {
        let n_again = self.n_again.min(max);
        let first = self.unacknowledged.len() - self.n_again;
        self.n_again -= n_again;
        self.unacknowledged.range(first..first + n_again).cloned().collect()
    }

    fn received(&mut self, record: &Record) -> Result<Delivery, BusError> {
        let message = wire::message(record.key().unwrap_or_default(), record.value());
        let event = event::decode(&message.payload).map_err(|error| error.to_string());
        let delivery = Delivery {
            event,
            partition: i32::try_from(self.partition).map_err(BusError::because)?,
            offset: u64::try_from(record.offset()).map_err(BusError::because)?,
            message,
        };
        self.unacknowledged.push_back(delivery.clone());
        Ok(delivery)
    }
}

#[async_trait]
impl Subscription for FluvioSubscription {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let n_partitions = self.partitions.len();
        if n_partitions == 0 {
            return Err(BusError::because("Fluvio: the topic is gone"));
        }
        let Self { partitions, turn, .. } = self;
        poll_fn(|context| {
            let mut deliveries = Vec::new();
            for step in 0..n_partitions {
                let reading = &mut partitions[(*turn + step) % n_partitions];
                deliveries.extend(reading.ready(max - deliveries.len()));
                while deliveries.len() < max {
                    match reading.stream.next().poll_unpin(context) {
                        std::task::Poll::Pending => break,
                        std::task::Poll::Ready(Some(Ok(record))) => {
                            match reading.received(&record) {
                                Ok(delivery) => deliveries.push(delivery),
                                Err(error) => return std::task::Poll::Ready(Err(error)),
                            }
                        }
                        std::task::Poll::Ready(Some(Err(code))) => {
                            return std::task::Poll::Ready(Err(BusError::because(code)));
                        }
                        std::task::Poll::Ready(None) => {
                            let ended = BusError::because("Fluvio ended a stream");
                            return std::task::Poll::Ready(Err(ended));
                        }
                    }
                }
            }
            *turn = (*turn + 1) % n_partitions;
            if deliveries.is_empty() {
                std::task::Poll::Pending
            } else {
                std::task::Poll::Ready(Ok(deliveries))
            }
        })
        .await
    }

    async fn ack(&mut self) -> Result<(), BusError> {
        for reading in &mut self.partitions {
            let n_delivered = reading.unacknowledged.len() - reading.n_again;
            if n_delivered == 0 {
                continue;
            }
            reading.unacknowledged.drain(..n_delivered);
            // Fluvio knows only how far it was read. While some are to be delivered again it is not
            // told, so that they come again after a crash as well.
            if reading.unacknowledged.is_empty() {
                reading.stream.offset_commit().await.map_err(BusError::because)?;
                reading.stream.offset_flush().await.map_err(BusError::because)?;
            }
        }
        Ok(())
    }

    async fn nack(&mut self) -> Result<(), BusError> {
        for reading in &mut self.partitions {
            reading.n_again = reading.unacknowledged.len();
        }
        Ok(())
    }
}
