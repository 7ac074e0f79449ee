//! The cases of the `EventBus` port and the backends they run on.

use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::bus::channel::ChannelBus;
use tickerd::model::PriceEvent;
use tickerd::ports::bus::RawMessage;
use tickerd::ports::{Delivery, EventBus, Positions, Subscription};
use tokio::task::JoinSet;

use crate::build::recorded;
use crate::positions::KeptPositions;

/// Nothing of this takes long; what hangs is to fail.
const PATIENCE: Duration = Duration::from_secs(120);

fn event(sequence: u64) -> PriceEvent {
    recorded("AAPL", sequence)
}

fn events(range: std::ops::Range<u64>) -> Vec<PriceEvent> {
    range.map(event).collect()
}

fn delivered(deliveries: &[Delivery]) -> Vec<PriceEvent> {
    deliveries.iter().map(|delivery| delivery.event.clone().expect("an event")).collect()
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// A store in which nothing was stored yet.
fn no_positions() -> Arc<dyn Positions> {
    Arc::new(KeptPositions::default())
}

/// Reads until there are so many deliveries.
async fn read(subscription: &mut Box<dyn Subscription>, n_deliveries: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while deliveries.len() < n_deliveries {
        let max = n_deliveries - deliveries.len();
        deliveries.extend(in_time(subscription.next(max)).await.expect("deliveries"));
    }
    deliveries
}

/// Joins with a position of one partition, reads so many deliveries and acknowledges them. Answers
/// their offsets.
async fn read_from(
    bus: &Arc<dyn EventBus>,
    position: Option<(i32, u64)>,
    n_deliveries: usize,
) -> Vec<u64> {
    let positions = KeptPositions::default();
    positions.0.lock().expect("not poisoned").extend(position);
    let mut subscription =
        bus.subscribe("averager", Arc::new(positions)).await.expect("subscribed");
    let deliveries = read(&mut subscription, n_deliveries).await;
    subscription.ack().await.expect("acknowledged");
    deliveries.iter().map(|delivery| delivery.offset).collect()
}

/// The partition of the symbol that all events here are of.
async fn partition(bus: &Arc<dyn EventBus>) -> i32 {
    let mut subscription = bus.subscribe("another", no_positions()).await.expect("subscribed");
    read(&mut subscription, 1).await[0].partition
}

fn publish(bus: &Arc<dyn EventBus>, range: std::ops::Range<u64>) -> JoinSet<bool> {
    let mut tasks = JoinSet::new();
    let bus = Arc::clone(bus);
    tasks.spawn(async move { bus.publish(events(range)).await.is_ok() });
    tasks
}

async fn events_arrive_in_order_and_publishing_ends(bus: Arc<dyn EventBus>) {
    let mut subscription = bus.subscribe("averager", no_positions()).await.expect("subscribed");
    let publishing = publish(&bus, 1..8);
    let mut seen = Vec::new();
    while seen.len() < 7 {
        let next = in_time(subscription.next(3)).await.expect("deliveries");
        assert!((1..=3).contains(&next.len()));
        seen.extend(delivered(&next));
        subscription.ack().await.expect("acknowledged");
    }
    assert_eq!(seen, events(1..8));
    assert_eq!(in_time(publishing.join_all()).await, [true]);
}

async fn what_is_refused_comes_again(bus: Arc<dyn EventBus>) {
    let mut subscription = bus.subscribe("averager", no_positions()).await.expect("subscribed");
    let publishing = publish(&bus, 1..4);
    read(&mut subscription, 2).await;
    subscription.nack().await.expect("refused");
    assert_eq!(delivered(&read(&mut subscription, 2).await), events(1..3));
    subscription.ack().await.expect("acknowledged");
    assert_eq!(delivered(&read(&mut subscription, 1).await), events(3..4));
    subscription.ack().await.expect("acknowledged");
    assert_eq!(in_time(publishing.join_all()).await, [true]);
}

async fn undecodable_bytes_are_delivered_as_such(bus: Arc<dyn EventBus>) {
    let mut subscription = bus.subscribe("averager", no_positions()).await.expect("subscribed");
    let poison = RawMessage { key: "AAPL".into(), payload: b"{\0".to_vec(), headers: Vec::new() };
    let good = bus.encode(&event(5));
    let mut publishing = JoinSet::new();
    for message in [poison.clone(), good] {
        let bus = Arc::clone(&bus);
        publishing.spawn(async move { bus.publish_raw(message).await.is_ok() });
    }
    let mut deliveries = Vec::new();
    while deliveries.len() < 2 {
        deliveries.extend(in_time(subscription.next(2)).await.expect("deliveries"));
        subscription.ack().await.expect("acknowledged");
    }
    let bad = deliveries.iter().find(|delivery| delivery.event.is_err()).expect("the poison");
    assert_eq!((&bad.message.payload, &bad.message.key), (&poison.payload, &poison.key));
    assert!(deliveries.iter().any(|delivery| delivery.event == Ok(event(5))));
    assert_eq!(in_time(publishing.join_all()).await, [true, true]);
}

async fn a_new_member_gets_what_the_last_did_not_acknowledge(bus: Arc<dyn EventBus>) {
    let mut first = bus.subscribe("averager", no_positions()).await.expect("subscribed");
    let publishing = publish(&bus, 1..3);
    in_time(first.next(9)).await.expect("deliveries");
    drop(first);
    // A bus that keeps nothing says so to the publisher, who publishes again.
    let republish = match in_time(publishing.join_all()).await[..] {
        [true] => None,
        _ => Some(publish(&bus, 1..3)),
    };
    let mut second = bus.subscribe("averager", no_positions()).await.expect("subscribed");
    assert_eq!(delivered(&read(&mut second, 2).await), events(1..3));
    second.ack().await.expect("acknowledged");
    if let Some(republish) = republish {
        assert_eq!(in_time(republish.join_all()).await, [true]);
    }
}

async fn a_refused_crowd_comes_again_from_its_first_on(bus: Arc<dyn EventBus>) {
    let mut subscription = bus.subscribe("averager", no_positions()).await.expect("subscribed");
    let publishing = publish(&bus, 1..2_001);
    for _ in 0..3 {
        in_time(subscription.next(10)).await.expect("deliveries");
    }
    subscription.nack().await.expect("refused");
    let mut seen = Vec::new();
    while seen.len() < 2_000 {
        seen.extend(delivered(&in_time(subscription.next(500)).await.expect("deliveries")));
        subscription.ack().await.expect("acknowledged");
    }
    assert_eq!(seen, events(1..2_001));
    assert_eq!(in_time(publishing.join_all()).await, [true]);
}

async fn nobody_waits_behind_who_has_read_everything(bus: Arc<dyn EventBus>) {
    let mut subscription = bus.subscribe("averager", no_positions()).await.expect("subscribed");
    let publishing = publish(&bus, 1..4);
    let mut n_seen = 0;
    while n_seen < 3 {
        n_seen += in_time(subscription.next(9)).await.expect("deliveries").len();
    }
    subscription.ack().await.expect("acknowledged");
    assert_eq!(in_time(publishing.join_all()).await, [true]);
    // What is acknowledged need not be known at once.
    in_time(async {
        while bus.lag("averager").await.expect("a lag").is_some_and(|lag| lag > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    bus.check().await.expect("it answers");
}

async fn the_position_in_the_store_counts_more_than_what_was_acknowledged(bus: Arc<dyn EventBus>) {
    bus.publish(events(1..11)).await.expect("published");
    let partition = partition(&bus).await;
    assert_eq!(read_from(&bus, None, 10).await, (0..10).collect::<Vec<u64>>());
    // The store was put back to an earlier state, while the bus was told that all is done.
    assert_eq!(read_from(&bus, Some((partition, 3)), 6).await, [4, 5, 6, 7, 8, 9]);
}

async fn without_a_position_the_group_goes_on_behind_what_it_acknowledged(bus: Arc<dyn EventBus>) {
    bus.publish(events(1..6)).await.expect("published");
    read_from(&bus, None, 5).await;
    bus.publish(events(6..8)).await.expect("published");
    assert_eq!(read_from(&bus, None, 2).await, [5, 6]);
}

async fn a_position_behind_the_end_says_that_the_topic_is_another(bus: Arc<dyn EventBus>) {
    bus.publish(events(1..4)).await.expect("published");
    let partition = partition(&bus).await;
    assert_eq!(read_from(&bus, Some((partition, 1_000)), 3).await, [0, 1, 2]);
}

async fn a_position_at_the_end_waits_for_what_comes(bus: Arc<dyn EventBus>) {
    bus.publish(events(1..4)).await.expect("published");
    let partition = partition(&bus).await;
    let (bus, waiting) = (&bus, read_from(&bus, Some((partition, 2)), 1));
    let publishing = async { bus.publish(events(4..5)).await.expect("published") };
    let (offsets, ()) = tokio::join!(waiting, publishing);
    assert_eq!(offsets, [3]);
}

async fn positions_of_another_group_have_another_name(bus: Arc<dyn EventBus>) {
    assert_eq!(bus.position_name("averager"), bus.position_name("averager"));
    assert_ne!(bus.position_name("averager"), bus.position_name("another"));
    assert!(bus.position_name("averager").contains(bus.topic()), "of another topic as well");
}

macro_rules! cases {
    ($list:ident on $backend:ident: $($case:ident,)*) => {
        mod $list {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    if let Some(bus) = super::$backend().await {
                        super::$case(bus).await;
                    }
                }
            )*
        }
    };
    ($backend:ident) => {
        cases! { $backend on $backend:
            events_arrive_in_order_and_publishing_ends,
            what_is_refused_comes_again,
            undecodable_bytes_are_delivered_as_such,
            a_new_member_gets_what_the_last_did_not_acknowledge,
            a_refused_crowd_comes_again_from_its_first_on,
            nobody_waits_behind_who_has_read_everything,
        }
    };
    // A bus that keeps its messages can do more.
    ($backend:ident, $kept:ident) => {
        cases! { $backend }
        cases! { $kept on $backend:
            the_position_in_the_store_counts_more_than_what_was_acknowledged,
            without_a_position_the_group_goes_on_behind_what_it_acknowledged,
            a_position_behind_the_end_says_that_the_topic_is_another,
            a_position_at_the_end_waits_for_what_comes,
            positions_of_another_group_have_another_name,
        }
    };
}

async fn channel() -> Option<Arc<dyn EventBus>> {
    Some(Arc::new(ChannelBus::default()))
}

#[cfg(feature = "kafka")]
async fn kafka_mock() -> Option<Arc<dyn EventBus>> {
    Some(crate::kafka::mock_bus().await)
}

#[cfg(feature = "kafka")]
async fn kafka() -> Option<Arc<dyn EventBus>> {
    Some(crate::kafka::broker_bus().await?)
}

#[cfg(feature = "fluvio")]
async fn fluvio() -> Option<Arc<dyn EventBus>> {
    use tickerd::adapters::bus::fluvio::FluvioBus;
    let options = crate::fluvio::fresh_options(&crate::fluvio::endpoint()?);
    Some(Arc::new(FluvioBus::open(options).await.expect("the cluster answers")))
}

cases! { channel }
#[cfg(feature = "fluvio")]
cases! { fluvio, fluvio_kept }
#[cfg(feature = "kafka")]
cases! { kafka_mock, kafka_mock_kept }
#[cfg(feature = "kafka")]
cases! { kafka, kafka_kept }
