//! Connecting for the first time: are the brokers there, do they let us in, are the topics there?

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::Metadata;

use super::client::Listener;
use super::options::KafkaOptions;
use crate::adapters::bus::kafka::client::is_refusal;

/// How long one question takes before it is looked whether the brokers have refused us.
const STEP: Duration = Duration::from_millis(500);

/// Why Kafka cannot be used, for an operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("`{0}` is no list of brokers; write host:port, several separated by commas")]
    Brokers(String),
    #[error("the Kafka settings cannot be used: {0}")]
    Settings(String),
    #[error("Kafka refuses the user or password: {0}")]
    Refused(String),
    #[error("Kafka cannot be reached at {brokers}: {reason}; is a broker running there?")]
    Unreachable { brokers: String, reason: String },
    #[error(
        "the topic {topic} is not there and cannot be made: {reason}; \
         make it with {partitions} partitions, or give the user the right to"
    )]
    TopicMissing { topic: String, partitions: u16, reason: String },
}

/// A client without a group, for questions.
pub(super) type Observer = BaseConsumer<Listener>;

/// Connects and makes what topics are missing. Answers the client to ask with, and the id of the
/// cluster.
pub(super) async fn connect(options: &KafkaOptions) -> Result<(Arc<Observer>, String), OpenError> {
    let well_formed = |broker: &str| {
        let (host, port) = broker.trim().rsplit_once(':')?;
        (!host.is_empty() && !host.contains('/')).then_some(())?;
        port.parse::<u16>().ok()
    };
    if options.brokers.split(',').any(|broker| well_formed(broker).is_none()) {
        return Err(OpenError::Brokers(options.brokers.clone()));
    }
    let observer: Observer = options
        .client()
        .create_with_context(Listener::default())
        .map_err(|error| OpenError::Settings(error.to_string()))?;
    let observer = Arc::new(observer);
    let asking = (Arc::clone(&observer), options.clone());
    let metadata = blocking(move || first_answer(&asking.0, &asking.1)).await?;
    for (topic, partitions) in
        [(&options.topic, options.partitions), (&options.dead_letter_topic, 1)]
    {
        let there = metadata.topics().iter().find(|there| there.name() == topic);
        match there.map(|there| (there.error(), there.partitions().len())) {
            Some((None, found)) => {
                if *topic == options.topic && found != usize::from(partitions) {
                    tracing::info!(topic, found, "the topic has another number of partitions");
                }
            }
            // What we may not see may be there all the same, which making it tells.
            Some((Some(_), _)) | None => make(options, topic, partitions).await?,
        }
    }
    let asking = Arc::clone(&observer);
    let timeout = options.call_timeout;
    let cluster = blocking(move || {
        asking.client().fetch_cluster_id(timeout).ok_or_else(|| OpenError::Unreachable {
            brokers: "the brokers".into(),
            reason: "they do not tell the id of their cluster".into(),
        })
    })
    .await?;
    Ok((observer, cluster))
}

/// Asks until an answer comes, the brokers refuse us, or the time is over.
fn first_answer(observer: &Observer, options: &KafkaOptions) -> Result<Metadata, OpenError> {
    let mut left = options.connect_timeout;
    loop {
        // All topics, because asking for one by its name may make it, with other partitions.
        let asked = observer.fetch_metadata(None, STEP);
        // Events of this client come out of its own queue only.
        while observer.poll(Duration::ZERO).is_some() {}
        let listener = observer.context();
        let error = match asked {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        if let Some(reason) = listener.refused() {
            return Err(OpenError::Refused(reason));
        }
        left = left.saturating_sub(STEP);
        if left.is_zero() {
            return Err(OpenError::Unreachable {
                brokers: options.brokers.clone(),
                reason: listener.trouble().unwrap_or_else(|| error.to_string()),
            });
        }
    }
}

async fn make(options: &KafkaOptions, topic: &str, partitions: u16) -> Result<(), OpenError> {
    let missing =
        |reason: String| OpenError::TopicMissing { topic: topic.to_owned(), partitions, reason };
    let mut config = options.client();
    config.remove("allow.auto.create.topics");
    let admin: AdminClient<Listener> = config
        .create_with_context(Listener::default())
        .map_err(|error| OpenError::Settings(error.to_string()))?;
    // -1 is the broker's default.
    let replication = options.replication.map_or(-1, i32::from);
    let new = NewTopic::new(topic, i32::from(partitions), TopicReplication::Fixed(replication));
    let timeout = Some(options.connect_timeout);
    let settings = AdminOptions::new().request_timeout(timeout).operation_timeout(timeout);
    let made = admin.create_topics(&[new], &settings).await;
    let made = made.map_err(|error| missing(error.to_string()))?.pop();
    match made {
        Some(Ok(_)) | Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {
            tracing::info!(topic, partitions, "made the topic");
            Ok(())
        }
        Some(Err((_, code))) if is_refusal(code) => {
            Err(missing("the user may not make topics".into()))
        }
        Some(Err((_, code))) => Err(missing(code.to_string())),
        None => Err(missing("the brokers do not say why".into())),
    }
}

/// Runs what blocks its thread elsewhere.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(OpenError::Settings(error.to_string())))
}
