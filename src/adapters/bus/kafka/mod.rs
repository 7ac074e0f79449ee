//! The bus of the full mode: Apache Kafka, through librdkafka. Floor 2.
//!
//! The producer is idempotent and waits for all replicas; the key of a message is its symbol.
//! Consumers share the partitions of the topic by cooperative rebalancing. Where a partition is
//! read from is decided by the position in the store, which was written together with the results;
//! the offsets committed to Kafka tell how far a group has come to whoever asks Kafka.

mod client;
mod options;

mod bus;
mod opening;

mod rebalance;
mod subscription;

pub use bus::KafkaBus;
pub use opening::OpenError;
pub use options::KafkaOptions;
