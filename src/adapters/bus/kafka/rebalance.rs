//! Partitions that come and go.
//!
//! librdkafka tells of them from within a poll, where nothing can be awaited. So they are only noted
//! there; the subscription follows as soon as it has read the positions, and librdkafka waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::Notify;

use super::client;

/// What the group decided about us.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Gained(Vec<i32>),
    Lost(Vec<i32>),
}

/// The changes that are not followed yet.
#[derive(Default)]
pub(super) struct Changes {
    waiting: Mutex<VecDeque<Change>>,
    noted: Notify,
    /// Nobody follows any more: changes are to be followed at once.
    closing: AtomicBool,
}

impl Changes {
    /// The oldest change; it stays until [`Changes::followed`], so that a caller may go away.
    pub(super) fn first(&self) -> Option<Change> {
        self.waiting.lock().front().cloned()
    }

    pub(super) fn followed(&self) {
        self.waiting.lock().pop_front();
    }

    /// Returns when there may be a change.
    pub(super) async fn noted(&self) {
        self.noted.notified().await;
    }

    /// Says that nobody will follow any more; answers what is left to be followed.
    pub(super) fn close(&self) -> VecDeque<Change> {
        self.closing.store(true, Ordering::SeqCst);
        std::mem::take(&mut *self.waiting.lock())
    }
}

impl ClientContext for Changes {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(facility, message);
    }

    fn error(&self, _error: KafkaError, reason: &str) {
        client::log("ERROR", reason);
    }
}

impl ConsumerContext for Changes {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let gained = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::SeqCst) {
            let outcome = if gained {
                consumer.incremental_assign(list)
            } else {
                consumer.incremental_unassign(list)
            };
            if let Err(error) = outcome {
                client::log("CLOSE", &error.to_string());
            }
            return;
        }
        let partitions = list.elements().iter().map(|place| place.partition()).collect();
        let change = if gained { Change::Gained(partitions) } else { Change::Lost(partitions) };
        self.waiting.lock().push_back(change);
        self.noted.notify_one();
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            // The position in the store is what counts.
            tracing::debug!(%error, "offsets are not committed to Kafka");
        }
    }
}
