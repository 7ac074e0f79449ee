//! What librdkafka tells by the way: its log lines and the state of its connections.

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Listens to one client.
#[derive(Default)]
pub(super) struct Listener {
    refused: Mutex<Option<String>>,
    trouble: Mutex<Option<String>>,
}

impl Listener {
    /// Why the brokers do not let us in, when they said so.
    pub(super) fn refused(&self) -> Option<String> {
        self.refused.lock().clone()
    }

    /// What went wrong last.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }
}

impl ClientContext for Listener {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log("ERROR", reason);
        if error.rdkafka_error_code().is_some_and(is_refusal) {
            *self.refused.lock() = Some(reason.to_owned());
        } else if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.trouble.lock() = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Listener {}

/// Quietly: what a failure means is told by the call that it fails.
pub(super) fn log(facility: &str, message: &str) {
    tracing::debug!(facility, "librdkafka: {message}");
}

/// Whether it is no use trying again before somebody changes the settings.
pub(super) fn is_refusal(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
    )
}
