//! Publishing, and questions to the cluster.

use std::sync::Arc;

use async_trait::async_trait;
use fluvio::metadata::partition::PartitionSpec;
use fluvio::metadata::topic::TopicSpec;
use fluvio::{
    Fluvio, FluvioClusterConfig, Isolation, TopicProducerConfigBuilder, TopicProducerPool,
};
use tokio::sync::Mutex;

use super::options::{FluvioOptions, OpenError};
use super::subscription::FluvioSubscription;
use super::wire;
use crate::adapters::bus::message;
use crate::model::PriceEvent;
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

impl FluvioBus {
    /// Connects, and makes the topics that are missing.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(options: FluvioOptions) -> Result<Self, OpenError> {
        let port = options.endpoint.rsplit_once(':').and_then(|(host, port)| {
            (!host.is_empty() && !host.contains('/')).then_some(port.parse::<u16>().ok()?)
        });
        if port.is_none() {
            return Err(OpenError::Endpoint(options.endpoint));
        }
        let unreachable =
            |reason: String| OpenError::Unreachable { endpoint: options.endpoint.clone(), reason };
        let fluvio = connect(&options).await.map_err(|error| unreachable(error.to_string()))?;
        make(&fluvio, &options, &options.topic, options.partitions).await?;
        make(&fluvio, &options, &options.dead_letter_topic, 1).await?;
        let bus = Self { options, client: Mutex::new(None) };
        bus.client().await.map_err(|error| OpenError::Unreachable {
            endpoint: bus.options.endpoint.clone(),
            reason: error.to_string(),
        })?;
        Ok(bus)
    }

    async fn client(&self) -> Result<Arc<Client>, BusError> {
        let mut client = self.client.lock().await;
        if let Some(client) = client.as_ref() {
            return Ok(Arc::clone(client));
        }
        let connecting = async {
            let fluvio = connect(&self.options).await?;
            let events = producer(&fluvio, &self.options.topic, &self.options).await?;
            let letters = producer(&fluvio, &self.options.dead_letter_topic, &self.options).await?;
            Ok::<_, BusError>(Arc::new(Client { fluvio, events, letters }))
        };
        let fresh = in_time(&self.options, connecting).await?;
        *client = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Runs a call in bounded time; after a failure the next call connects anew.
    async fn with_client<T>(
        &self,
        call: impl AsyncFnOnce(Arc<Client>) -> Result<T, BusError>,
    ) -> Result<T, BusError> {
        let client = self.client().await?;
        let outcome = in_time(&self.options, call(client)).await;
        if outcome.is_err() {
            *self.client.lock().await = None;
        }
        outcome
    }
}

async fn connect(options: &FluvioOptions) -> Result<Fluvio, BusError> {
    let config = FluvioClusterConfig::new(&options.endpoint);
    let connecting =
        async { Fluvio::connect_with_config(&config).await.map_err(|error| because(&error)) };
    in_time(options, connecting).await
}

async fn producer(
    fluvio: &Fluvio,
    topic: &str,
    options: &FluvioOptions,
) -> Result<TopicProducerPool, BusError> {
    let config = TopicProducerConfigBuilder::default()
        .isolation(Isolation::ReadCommitted)
        .timeout(options.call_timeout)
        .build()
        .map_err(BusError::because)?;
    let producer = fluvio.topic_producer_with_config(topic, config).await;
    producer.map_err(|error| because(&error))
}

async fn make(
    fluvio: &Fluvio,
    options: &FluvioOptions,
    topic: &str,
    partitions: u16,
) -> Result<(), OpenError> {
    let making = async {
        let admin = fluvio.admin().await;
        let name = vec![topic.to_owned()];
        let found = admin.list::<TopicSpec, _>(name).await.map_err(|error| because(&error))?;
        // The list is of all topics whose names hold this one.
        if found.iter().any(|there| there.name == topic) {
            return Ok(());
        }
        let replication = u32::from(options.replication);
        let spec = TopicSpec::new_computed(u32::from(partitions), replication, None);
        tracing::info!(topic, partitions, "the topic is made");
        admin.create(topic.to_owned(), false, spec).await.map_err(|error| because(&error))
    };
    in_time(options, making).await.map_err(|error| OpenError::TopicMissing {
        topic: topic.to_owned(),
        partitions,
        reason: error.to_string(),
    })
}

pub(super) fn because(error: &anyhow::Error) -> BusError {
    BusError::because(format!("Fluvio: {error:#}"))
}

async fn in_time<T>(
    options: &FluvioOptions,
    call: impl Future<Output = Result<T, BusError>>,
) -> Result<T, BusError> {
    let timeout = options.call_timeout;
    let outcome = tokio::time::timeout(timeout, call).await;
    outcome.unwrap_or_else(|_| {
        Err(BusError::because(format!("Fluvio does not answer in {timeout:?}")))
    })
}

async fn send(
    producer: &TopicProducerPool,
    records: Vec<(String, Vec<u8>)>,
) -> Result<(), BusError> {
    let mut receipts = Vec::with_capacity(records.len());
    for (key, value) in records {
        receipts.push(producer.send(key, value).await.map_err(|error| because(&error))?);
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
        let messages = events.iter().map(message::of_event);
        let records = messages.map(|message| (message.key, message.payload)).collect();
        self.with_client(async |client| send(&client.events, records).await).await
    }

    async fn publish_raw(&self, message: RawMessage) -> Result<(), BusError> {
        let record = (message.key.clone(), wire::value(&message));
        self.with_client(async |client| send(&client.events, vec![record]).await).await
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
        // A connection of its own: a reader must not lose it because a publisher failed.
        let fluvio = connect(&self.options).await?;
        let joining =
            FluvioSubscription::join(fluvio, &self.options, group, &name, positions.as_ref());
        Ok(Box::new(in_time(&self.options, joining).await?))
    }

    fn position_name(&self, group: &str) -> String {
        format!("{group}@fluvio/{}", self.options.topic)
    }

    async fn lag(&self, group: &str) -> Result<Option<u64>, BusError> {
        let topic = &self.options.topic;
        self.with_client(async |client| {
            let offsets = client.fluvio.consumer_offsets().await;
            let offsets = offsets.map_err(|error| because(&error))?;
            let mut lag = 0;
            for (partition, end) in ends(&client.fluvio, topic).await? {
                let acknowledged = offsets.iter().find(|place| {
                    place.consumer_id == group
                        && place.topic == *topic
                        && place.partition == partition
                });
                let next = acknowledged.map_or(0, |place| place.offset + 1);
                lag += u64::try_from(end - next).unwrap_or(0);
            }
            Ok(Some(lag))
        })
        .await
    }

    async fn dead_letter(&self, message: &RawMessage, reason: &str) -> Result<(), BusError> {
        let mut letter = message.clone();
        letter.headers.push(("reason".into(), reason.to_owned()));
        let record = (letter.key.clone(), wire::wrap(&letter));
        self.with_client(async |client| send(&client.letters, vec![record]).await).await
    }

    async fn check(&self) -> Result<(), BusError> {
        let topic = &self.options.topic;
        self.with_client(async |client| match ends(&client.fluvio, topic).await?.len() {
            0 => Err(BusError::because(format!("Fluvio: the topic {topic} is gone"))),
            _ => Ok(()),
        })
        .await
    }
}

/// The offset behind the last record of each partition of a topic.
pub(super) async fn ends(fluvio: &Fluvio, topic: &str) -> Result<Vec<(u32, i64)>, BusError> {
    let admin = fluvio.admin().await;
    let partitions = admin.all::<PartitionSpec>().await.map_err(|error| because(&error))?;
    let mut ends: Vec<(u32, i64)> = partitions
        .into_iter()
        .filter_map(|partition| {
            let number = partition.name.strip_prefix(topic)?.strip_prefix('-')?;
            Some((number.parse().ok()?, partition.status.leader.leo))
        })
        .collect();
    ends.sort_unstable();
    Ok(ends)
}
