//! Topics of a test's own: on the cluster that librdkafka plays within the process, and on the
//! broker that is offered.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use tickerd::adapters::bus::kafka::{KafkaBus, KafkaOptions};

/// Options for topics that nobody else has, on some brokers.
pub(crate) fn fresh_options(brokers: &str) -> KafkaOptions {
    let name = uuid::Uuid::now_v7();
    KafkaOptions {
        topic: format!("events-{name}"),
        dead_letter_topic: format!("events-{name}.dlq"),
        // A busy machine is no reason to give up.
        connect_timeout: Duration::from_secs(60),
        call_timeout: Duration::from_secs(60),
        ..KafkaOptions::new(brokers)
    }
}

/// Options for topics on a cluster within this process, which lives as long as the process.
pub(crate) fn mock_options() -> KafkaOptions {
    let cluster = Box::leak(Box::new(MockCluster::new(1).expect("a cluster")));
    let options = fresh_options(&cluster.bootstrap_servers());
    let topics = [(&options.topic, options.partitions), (&options.dead_letter_topic, 1)];
    for (topic, partitions) in topics {
        // It does not know how to make topics when asked over its wire.
        cluster.create_topic(topic, i32::from(partitions), 1).expect("a topic");
    }
    options
}

pub(crate) async fn mock_bus() -> Arc<KafkaBus> {
    Arc::new(KafkaBus::open(mock_options()).await.expect("the cluster answers"))
}

/// A bus on the broker that is offered; none when there is none.
pub(crate) async fn broker_bus() -> Option<Arc<KafkaBus>> {
    let brokers = crate::servers::offered("kafka")?;
    Some(Arc::new(KafkaBus::open(fresh_options(&brokers)).await.expect("the broker answers")))
}
