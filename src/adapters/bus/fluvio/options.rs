//! How to reach Fluvio, and why it cannot be used.

use std::time::Duration;

/// Where events go, and what topics look like that are made.
#[derive(Debug, Clone)]
pub struct FluvioOptions {
    /// `host:port` of the streaming controller's public server.
    pub endpoint: String,
    pub topic: String,
    pub dead_letter_topic: String,
    /// Partitions of the topic when it is made.
    pub partitions: u16,
    /// Replicas of topics that are made.
    pub replication: u16,
    /// How long the cluster is tried at the start.
    pub connect_timeout: Duration,
    /// How long a question, or the publishing of a batch, may take.
    pub call_timeout: Duration,
}

impl FluvioOptions {
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            topic: "price-events".into(),
            dead_letter_topic: "price-events-dlq".into(),
            partitions: 8,
            replication: 1,
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(30),
        }
    }
}

/// Why Fluvio cannot be used, for an operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("`{0}` is no Fluvio endpoint; write host:port, usually with port 9003")]
    Endpoint(String),
    #[error("Fluvio cannot be reached at {endpoint}: {reason}; is a cluster running there?")]
    Unreachable { endpoint: String, reason: String },
    #[error(
        "the topic {topic} is not there and cannot be made: {reason}; \
         make it with {partitions} partitions, or name another"
    )]
    TopicMissing { topic: String, partitions: u16, reason: String },
}
