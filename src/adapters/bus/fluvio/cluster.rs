//! Connecting to a cluster, its topics and how far their partitions reach.

use std::time::Duration;

use fluvio::metadata::partition::PartitionSpec;
use fluvio::metadata::topic::TopicSpec;
use fluvio::{Fluvio, FluvioClusterConfig};

use super::options::{FluvioOptions, OpenError};
use crate::ports::BusError;

/// Connects for the first time, and makes the topics that are missing.
pub(super) async fn open(options: &FluvioOptions) -> Result<(), OpenError> {
    let well_formed = || {
        let (host, port) = options.endpoint.rsplit_once(':')?;
        (!host.is_empty() && !host.contains('/')).then_some(())?;
        port.parse::<u16>().ok()
    };
    if well_formed().is_none() {
        return Err(OpenError::Endpoint(options.endpoint.clone()));
    }
    let fluvio = in_time(options.connect_timeout, connect(options)).await;
    let fluvio = fluvio.map_err(|BusError(reason)| OpenError::Unreachable {
        endpoint: options.endpoint.clone(),
        reason: reason.to_string(),
    })?;
    for (topic, partitions) in
        [(&options.topic, options.partitions), (&options.dead_letter_topic, 1)]
    {
        let made = in_time(options.call_timeout, make(&fluvio, options, topic, partitions)).await;
        made.map_err(|BusError(reason)| OpenError::TopicMissing {
            topic: topic.clone(),
            partitions,
            reason: reason.to_string(),
        })?;
    }
    Ok(())
}

pub(super) async fn connect(options: &FluvioOptions) -> Result<Fluvio, BusError> {
    let config = FluvioClusterConfig::new(&options.endpoint);
    Fluvio::connect_with_config(&config).await.map_err(|error| because(&error))
}

/// Makes a topic unless it is there, and waits until it can be written to.
async fn make(
    fluvio: &Fluvio,
    options: &FluvioOptions,
    topic: &str,
    partitions: u16,
) -> Result<(), BusError> {
    let admin = fluvio.admin().await;
    let found = admin.list::<TopicSpec, _>(vec![topic.to_owned()]).await;
    // The list is of all topics whose names hold this one.
    if !found.map_err(|error| because(&error))?.iter().any(|there| there.name == topic) {
        let replication = u32::from(options.replication);
        let spec = TopicSpec::new_computed(u32::from(partitions), replication, None);
        match admin.create(topic.to_owned(), false, spec).await {
            Ok(()) => tracing::info!(topic, partitions, "made the topic"),
            // Another process may have made it meanwhile.
            Err(error) if extents(fluvio, topic).await?.is_empty() => return Err(because(&error)),
            Err(_) => {}
        }
    }
    while !extents(fluvio, topic).await?.iter().any(|extent| extent.is_online) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// What the cluster keeps of a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) partition: u32,
    /// The oldest offset that is kept.
    pub(super) first: i64,
    /// The offset behind the last record, up to half a second ago.
    pub(super) end: i64,
    pub(super) is_online: bool,
}

/// The partitions of a topic, by number; none when there is no such topic.
pub(super) async fn extents(fluvio: &Fluvio, topic: &str) -> Result<Vec<Extent>, BusError> {
    let admin = fluvio.admin().await;
    let partitions = admin.all::<PartitionSpec>().await.map_err(|error| because(&error))?;
    let mut extents: Vec<Extent> = partitions
        .into_iter()
        .filter_map(|partition| {
            let number = partition.name.strip_prefix(topic)?.strip_prefix('-')?;
            Some(Extent {
                partition: number.parse().ok()?,
                first: partition.status.base_offset,
                end: partition.status.leader.leo,
                is_online: partition.status.is_online(),
            })
        })
        .collect();
    extents.sort_unstable_by_key(|extent| extent.partition);
    Ok(extents)
}

pub(super) fn because(error: &anyhow::Error) -> BusError {
    BusError::because(format!("Fluvio: {error:#}"))
}

/// The client waits for ever for a cluster that is silent, so every call has its time.
pub(super) async fn in_time<T>(
    timeout: Duration,
    call: impl Future<Output = Result<T, BusError>>,
) -> Result<T, BusError> {
    let outcome = tokio::time::timeout(timeout, call).await;
    outcome.unwrap_or_else(|_| {
        Err(BusError::because(format!("Fluvio does not answer within {timeout:?}")))
    })
}
