//! How to reach Kafka.

use std::time::Duration;

use rdkafka::ClientConfig;

/// Where events go, and what topics look like that are made.
#[derive(Clone)]
pub struct KafkaOptions {
    /// `host:port` of some brokers, separated by commas.
    pub brokers: String,
    pub topic: String,
    pub dead_letter_topic: String,
    /// Partitions of the topic when it is made: as many averagers can share the work.
    pub partitions: u16,
    /// Replicas of topics that are made; the broker's default when none.
    pub replication: Option<u16>,
    /// Signs in with SASL PLAIN when there is a user.
    pub user: Option<String>,
    pub password: Option<String>,
    /// How long the brokers are tried at the start.
    pub connect_timeout: Duration,
    /// How long a question to the brokers may take.
    pub call_timeout: Duration,
    /// How long messages are tried before publishing fails; the outbox then publishes them again.
    pub delivery_timeout: Duration,
    /// How long a consumer may be silent before others take over its partitions.
    pub session_timeout: Duration,
}

impl KafkaOptions {
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            topic: "price-events".into(),
            dead_letter_topic: "price-events.dlq".into(),
            partitions: 8,
            replication: None,
            user: None,
            password: None,
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(3),
            delivery_timeout: Duration::from_secs(30),
            session_timeout: Duration::from_secs(10),
        }
    }

    /// What all clients of one bus have in common.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "tickerd")
            .set("allow.auto.create.topics", "false")
            .set("socket.keepalive.enable", "true")
            // A broker that comes back is found within two seconds.
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "2000");
        if let Some(user) = &self.user {
            config
                .set("security.protocol", "sasl_plaintext")
                .set("sasl.mechanism", "PLAIN")
                .set("sasl.username", user)
                .set("sasl.password", self.password.as_deref().unwrap_or_default());
        }
        config
    }

    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        // A property of consumers that producers warn about.
        config.remove("allow.auto.create.topics");
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // As Kafka's own clients do, so that all agree where a symbol belongs.
            .set("partitioner", "murmur2_random")
            .set("delivery.timeout.ms", millis(self.delivery_timeout))
            .set("queue.buffering.max.messages", "10000")
            .set("queue.buffering.max.kbytes", "32768")
            .set("linger.ms", "1")
            .set("compression.type", "lz4");
        config
    }

    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", millis(self.session_timeout))
            .set("heartbeat.interval.ms", millis(self.session_timeout / 4))
            .set("queued.min.messages", "10000")
            .set("queued.max.messages.kbytes", "16384");
        config
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// Without the password.
impl std::fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaOptions")
            .field("brokers", &self.brokers)
            .field("topic", &self.topic)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
