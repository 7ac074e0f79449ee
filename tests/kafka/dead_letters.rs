//! The dead-letter topic.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use tickerd::adapters::bus::kafka::{KafkaBus, KafkaOptions};
use tickerd::model::DeadLetter;
use tickerd::ports::EventBus;

use crate::build::second;

async fn a_letter_keeps_its_bytes_and_headers_and_says_why(options: KafkaOptions) {
    let bus = KafkaBus::open(options.clone()).await.expect("a bus");
    let letter = DeadLetter {
        id: 1,
        reason: "no JSON".into(),
        attempts: 3,
        key: "AAPL".into(),
        payload: vec![0, 255, b'{'],
        headers: vec![("type".into(), "price.recorded".into()), ("x".into(), String::new())],
        parked_at: second(1),
    };
    bus.dead_letter(&letter).await.expect("published");

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &options.brokers)
        .set("group.id", "operator")
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    consumer.subscribe(&[&options.dead_letter_topic]).expect("subscribed");
    // Some polls come back with nothing, because the group was at work.
    let mut polls = (0..600).map(|_| consumer.poll(Duration::from_millis(200)));
    let message = polls.find_map(|polled| polled).expect("in time").expect("a message");
    assert_eq!(message.key(), Some(b"AAPL".as_slice()));
    assert_eq!(message.payload(), Some([0, 255, b'{'].as_slice()));
    let headers = message.headers().expect("headers").iter();
    let headers: Vec<_> =
        headers.map(|header| (header.key, header.value.unwrap_or_default())).collect();
    let expected: [(&str, &[u8]); 4] =
        [("type", b"price.recorded"), ("x", b""), ("reason", b"no JSON"), ("attempts", b"3")];
    assert_eq!(headers, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_mock_cluster_a_letter_is_whole() {
    a_letter_keeps_its_bytes_and_headers_and_says_why(crate::kafka::mock_options()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_broker_a_letter_is_whole() {
    if let Some(brokers) = crate::servers::offered("kafka") {
        let options = crate::kafka::fresh_options(&brokers);
        a_letter_keeps_its_bytes_and_headers_and_says_why(options).await;
    }
}
