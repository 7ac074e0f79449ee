//! What an operator is told when Kafka cannot be used.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tickerd::adapters::bus::kafka::{KafkaBus, KafkaOptions, OpenError};

use crate::kafka::fresh_options;

async fn refusal(options: KafkaOptions) -> OpenError {
    KafkaBus::open(options).await.err().expect("it is refused")
}

/// Signed in as the broker's guest, who may do nothing but sign in.
fn guest(password: &str) -> Option<KafkaOptions> {
    let brokers = crate::servers::offered("kafka_guest")?;
    Some(KafkaOptions {
        user: Some("guest".into()),
        password: Some(password.into()),
        ..fresh_options(&brokers)
    })
}

#[tokio::test]
async fn brokers_that_are_none_are_told_with_their_form() {
    for brokers in ["", "localhost", "http://localhost:9092", "a:9092,b", "a:port"] {
        let error = refusal(fresh_options(brokers)).await;
        assert!(matches!(error, OpenError::Brokers(_)), "{brokers}: {error}");
        assert!(error.to_string().contains("write host:port"), "{error}");
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let options =
        KafkaOptions { connect_timeout: Duration::from_secs(2), ..fresh_options(&address) };
    let error = refusal(options).await;
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_repeated() {
    let Some(options) = guest("geheim") else { return };
    assert!(!format!("{options:?}").contains("geheim"));
    let error = refusal(options).await;
    assert!(matches!(error, OpenError::Refused(_)), "{error}");
    assert!(!error.to_string().contains("geheim"), "{error}");
}

#[tokio::test]
async fn a_topic_that_may_not_be_made_is_told_with_the_cure() {
    let Some(options) = guest("guest") else { return };
    let topic = options.topic.clone();
    let told = refusal(options).await.to_string();
    assert!(told.contains(&topic) && told.contains("may not make topics"), "{told}");
    assert!(told.contains("make it with 8 partitions"), "{told}");
}

#[tokio::test]
async fn missing_topics_are_made_as_the_settings_say() {
    let Some(brokers) = crate::servers::offered("kafka") else { return };
    let options = KafkaOptions { partitions: 3, ..fresh_options(&brokers) };
    KafkaBus::open(options.clone()).await.expect("a bus");
    // Those who come later find it, also when they would have made another.
    KafkaBus::open(KafkaOptions { partitions: 5, ..options.clone() }).await.expect("a bus");
    let asking: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", &brokers).create().expect("a client");
    for (topic, n_partitions) in [(&options.topic, 3), (&options.dead_letter_topic, 1)] {
        let metadata = asking.fetch_metadata(Some(topic), Duration::from_secs(60));
        let found = metadata.expect("an answer").topics()[0].partitions().len();
        assert_eq!(found, n_partitions, "{topic}");
    }
}
