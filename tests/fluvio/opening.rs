//! What an operator is told when Fluvio cannot be used.

use std::time::Duration;

use tickerd::adapters::bus::fluvio::{FluvioBus, FluvioOptions, OpenError};
use tickerd::ports::EventBus;

use crate::fluvio::fresh_options;

async fn refusal(options: FluvioOptions) -> OpenError {
    FluvioBus::open(options).await.err().expect("it is refused")
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_told_with_its_form() {
    for endpoint in ["", "localhost", "http://localhost:9003", "a:port", ":9003"] {
        let error = refusal(fresh_options(endpoint)).await;
        assert!(matches!(error, OpenError::Endpoint(_)), "{endpoint}: {error}");
        assert!(error.to_string().contains("write host:port"), "{error}");
    }
}

#[tokio::test]
async fn a_cluster_that_is_not_there_or_silent_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    // It is connected to, and never answers.
    let silent =
        FluvioOptions { connect_timeout: Duration::from_secs(1), ..fresh_options(&address) };
    let error = refusal(silent.clone()).await;
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
    drop(free);
    let error = refusal(silent).await;
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_cannot_be_made_is_told() {
    let Some(endpoint) = crate::fluvio::endpoint() else { return };
    let options = FluvioOptions { topic: "Price_Events".into(), ..fresh_options(&endpoint) };
    let error = refusal(options).await;
    assert!(matches!(error, OpenError::TopicMissing { .. }), "{error}");
    assert!(error.to_string().contains("Price_Events"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_make_a_topic_once() {
    let Some(endpoint) = crate::fluvio::endpoint() else { return };
    let options = fresh_options(&endpoint);
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..4 {
        starting.spawn(FluvioBus::open(options.clone()));
    }
    for opened in starting.join_all().await {
        opened.expect("it opens").check().await.expect("it answers");
    }
}
