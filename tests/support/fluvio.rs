//! Topics of a test's own on the Fluvio cluster that is offered.

use std::time::Duration;

use tickerd::adapters::bus::fluvio::FluvioOptions;

/// Where the cluster is that is offered; none when there is none.
pub(crate) fn endpoint() -> Option<String> {
    crate::servers::offered_as("fluvio", "TICKERD_TEST_FLUVIO")
}

/// Options for topics that nobody else has, on some cluster.
pub(crate) fn fresh_options(endpoint: &str) -> FluvioOptions {
    let name = uuid::Uuid::now_v7();
    FluvioOptions {
        topic: format!("events-{name}"),
        dead_letter_topic: format!("events-{name}-dlq"),
        // A busy machine is no reason to give up.
        connect_timeout: Duration::from_secs(60),
        call_timeout: Duration::from_secs(60),
        ..FluvioOptions::new(endpoint)
    }
}
