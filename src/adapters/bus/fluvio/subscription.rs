//! A reader of all partitions.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use fluvio::consumer::{
    ConsumerConfigExtBuilder, ConsumerStream, OffsetManagementStrategy, Record, RetryMode,
};
use fluvio::dataplane::link::ErrorCode;
use fluvio::{Fluvio, Isolation, Offset};
use futures_util::future::{ready, try_join_all};
use futures_util::stream::{BoxStream, SelectAll, once};
use futures_util::{FutureExt, StreamExt};

use super::cluster::{Extent, because, extents, in_time};
use super::options::FluvioOptions;
use super::wire;
use crate::codec::event;
use crate::ports::{BusError, Delivery, Positions, Subscription};

/// How long a position may be ahead of what the cluster says of a partition, which it says late.
const SETTLING: Duration = Duration::from_secs(5);

/// Reads every partition of the topic.
pub(super) struct FluvioSubscription {
    _fluvio: Fluvio,
    records: SelectAll<BoxStream<'static, Result<Record, ErrorCode>>>,
    trackers: BTreeMap<u32, Tracker>,
    /// Deliveries that are not acknowledged, oldest first.
    unacknowledged: VecDeque<Delivery>,
    /// How many of them, from the end, are to be delivered again.
    n_again: usize,
    call_timeout: Duration,
}

impl FluvioSubscription {
    pub(super) async fn join(
        fluvio: Fluvio,
        options: &FluvioOptions,
        group: &str,
        position_name: &str,
        positions: &dyn Positions,
    ) -> Result<Self, BusError> {
        let mut records = SelectAll::new();
        let mut trackers = BTreeMap::new();
        for extent in extents(&fluvio, &options.topic).await? {
            let number = i32::try_from(extent.partition).map_err(BusError::because)?;
            let start = match positions.position(position_name, number).await? {
                Some(stored) => behind(stored, extent, &fluvio, &options.topic).await?,
                // Behind what Fluvio was told last, and else at the oldest record.
                None => Offset::beginning(),
            };
            let source = Source { fluvio: &fluvio, options, group, extent, start };
            let reader = source.open(OffsetManagementStrategy::None).await?;
            // Or the others would be read on as if nothing had happened.
            let ended = Err(ErrorCode::Other("the stream of a partition ended".into()));
            records.push(reader.chain(once(ready(ended))).boxed());
            let stream = source.open(OffsetManagementStrategy::Manual).await?;
            let tracker = Tracker { stream: Box::new(stream), seen: None };
            trackers.insert(extent.partition, tracker);
        }
        if trackers.is_empty() {
            return Err(BusError::because(format!("Fluvio: the topic {} is gone", options.topic)));
        }
        Ok(Self {
            _fluvio: fluvio,
            records,
            trackers,
            unacknowledged: VecDeque::new(),
            n_again: 0,
            call_timeout: options.call_timeout,
        })
    }

    fn received(&mut self, record: Result<Record, ErrorCode>) -> Result<Delivery, BusError> {
        let record = record.map_err(|code| BusError::because(format!("Fluvio: {code}")))?;
        let message = wire::message(record.key().unwrap_or_default(), record.value());
        let delivery = Delivery {
            event: event::decode(&message.payload).map_err(|error| error.to_string()),
            partition: i32::try_from(record.partition()).map_err(BusError::because)?,
            offset: u64::try_from(record.offset()).map_err(BusError::because)?,
            message,
        };
        self.unacknowledged.push_back(delivery.clone());
        Ok(delivery)
    }
}

/// Where to read on behind a stored position.
async fn behind(
    stored: u64,
    mut extent: Extent,
    fluvio: &Fluvio,
    topic: &str,
) -> Result<Offset, BusError> {
    let next = i64::try_from(stored + 1).map_err(BusError::because)?;
    let partition = extent.partition;
    let deadline = tokio::time::Instant::now() + SETTLING;
    while next > extent.end && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(SETTLING / 20).await;
        let now = extents(fluvio, topic).await?;
        let same = now.into_iter().find(|now| now.partition == partition);
        extent = same.ok_or_else(|| BusError::because("Fluvio: a partition is gone"))?;
    }
    if next > extent.end {
        let end = extent.end;
        tracing::warn!(partition, next, end, "the topic was made anew, so it is read whole");
        return Offset::absolute(extent.first).map_err(BusError::because);
    }
    if next < extent.first {
        tracing::error!(
            partition,
            n_messages = extent.first - next,
            "Fluvio deleted events before they were averaged: keep them longer"
        );
    }
    Offset::absolute(next.max(extent.first)).map_err(BusError::because)
}

/// A partition from an offset on.
struct Source<'a> {
    fluvio: &'a Fluvio,
    options: &'a FluvioOptions,
    group: &'a str,
    extent: Extent,
    start: Offset,
}

impl Source<'_> {
    async fn open(
        &self,
        strategy: OffsetManagementStrategy,
    ) -> Result<impl ConsumerStream<Item = Result<Record, ErrorCode>> + Send + use<>, BusError>
    {
        let config = ConsumerConfigExtBuilder::default()
            .topic(self.options.topic.clone())
            .partition(self.extent.partition)
            .offset_start(self.start.clone())
            .offset_consumer(self.group.to_owned())
            .offset_strategy(strategy)
            .isolation(Isolation::ReadCommitted)
            // The averager begins anew by itself, from what is stored by then.
            .retry_mode(RetryMode::Disabled)
            .build()
            .map_err(|error| because(&error))?;
        self.fluvio.consumer_with_config(config).await.map_err(|error| because(&error))
    }
}

/// Reads a partition a second time, as far as it is acknowledged, to tell Fluvio.
///
/// A stream can only tell how far it was read itself, and (in client 0.50) waits for ever when it is
/// to tell while it waits for a record: so the one that waits and the one that tells are two.
struct Tracker {
    stream: Box<dyn ConsumerStream<Item = Result<Record, ErrorCode>> + Send>,
    seen: Option<i64>,
}

impl Tracker {
    async fn acknowledge(&mut self, offset: i64) -> Result<(), BusError> {
        let told = |code: ErrorCode| BusError::because(format!("Fluvio: {code}"));
        while self.seen.is_none_or(|seen| seen < offset) {
            // It is there, because it was delivered: this waits for nobody.
            let record = self.stream.next().await;
            let record = record.ok_or_else(|| BusError::because("Fluvio ended a stream"))?;
            self.seen = Some(record.map_err(told)?.offset());
        }
        self.stream.offset_commit().await.map_err(told)?;
        self.stream.offset_flush().await.map_err(told)
    }
}

#[async_trait]
impl Subscription for FluvioSubscription {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        if self.n_again > 0 {
            let n_delivered = self.unacknowledged.len() - self.n_again;
            let n_now = self.n_again.min(max);
            self.n_again -= n_now;
            return Ok(self
                .unacknowledged
                .range(n_delivered..n_delivered + n_now)
                .cloned()
                .collect());
        }
        let mut deliveries = Vec::new();
        let mut next = self.records.next().await;
        while let Some(record) = next {
            deliveries.push(self.received(record)?);
            let more = deliveries.len() < max;
            next = if more { self.records.next().now_or_never().flatten() } else { None };
        }
        Ok(deliveries)
    }

    async fn ack(&mut self) -> Result<(), BusError> {
        let n_delivered = self.unacknowledged.len() - self.n_again;
        let mut last: BTreeMap<u32, i64> = BTreeMap::new();
        for delivery in self.unacknowledged.drain(..n_delivered) {
            let partition = delivery.partition.cast_unsigned();
            last.insert(partition, delivery.offset.cast_signed());
        }
        let telling = self
            .trackers
            .iter_mut()
            .filter_map(|(partition, tracker)| Some(tracker.acknowledge(*last.get(partition)?)));
        in_time(self.call_timeout, try_join_all(telling)).await?;
        Ok(())
    }

    async fn nack(&mut self) -> Result<(), BusError> {
        self.n_again = self.unacknowledged.len();
        Ok(())
    }
}
