//! The dead-letter topic, as another program reads it.

use fluvio::consumer::ConsumerConfigExtBuilder;
use fluvio::{Fluvio, FluvioClusterConfig, Offset};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tickerd::adapters::bus::fluvio::FluvioBus;
use tickerd::model::DeadLetter;
use tickerd::ports::EventBus;

use crate::build::second;
use crate::fluvio::fresh_options;

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_keeps_its_bytes_and_headers_and_says_why() {
    let Some(endpoint) = crate::fluvio::endpoint() else { return };
    let options = fresh_options(&endpoint);
    let bus = FluvioBus::open(options.clone()).await.expect("a bus");
    let letter = DeadLetter {
        id: 1,
        reason: "no JSON".into(),
        attempts: 3,
        key: "AAPL".into(),
        payload: b"{\0".to_vec(),
        headers: vec![("type".into(), "price.recorded".into())],
        parked_at: second(1),
    };
    bus.dead_letter(&letter).await.expect("published");

    let config = FluvioClusterConfig::new(&endpoint);
    let cluster = Fluvio::connect_with_config(&config).await.expect("connected");
    let reading = ConsumerConfigExtBuilder::default()
        .topic(options.dead_letter_topic)
        .offset_start(Offset::beginning())
        .build()
        .expect("valid");
    let mut letters = cluster.consumer_with_config(reading).await.expect("a consumer");
    let record = letters.next().await.expect("a record").expect("read");
    assert_eq!(record.key(), Some(b"AAPL".as_slice()));
    let value: Value = serde_json::from_slice(record.value()).expect("JSON");
    let headers = json!([["type", "price.recorded"], ["reason", "no JSON"], ["attempts", "3"]]);
    assert_eq!(value, json!({ "wrapped": 1, "headers": headers, "payload": "ewA=" }));
}
