//! The cases of the `EventBus` port and the backends they run on.

use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::bus::channel::ChannelBus;
use tickerd::model::{EventKind, PriceEvent, PriceId, ProviderName, Sequence};
use tickerd::ports::bus::RawMessage;
use tickerd::ports::{Delivery, EventBus, Positions};
use tokio::task::JoinSet;

use crate::build::{observed, symbol};
use crate::positions::KeptPositions;

/// Nothing of this takes long; what hangs is to fail.
const PATIENCE: Duration = Duration::from_secs(120);

fn event(sequence: u64) -> PriceEvent {
    let observation = observed("AAPL", sequence, "1");
    PriceEvent {
        message_id: u128::from(sequence) << 64 | 0x7000_8000_0000_0000_0000,
        kind: EventKind::Recorded,
        sequence: Sequence(sequence),
        price_id: PriceId::new(sequence).expect("an id"),
        version: 1,
        symbol: symbol("AAPL"),
        price: observation.price,
        currency: observation.currency,
        volume: None,
        observed_at: observation.observed_at,
        received_at: observation.received_at,
        provider: ProviderName::manual(),
        raw_response_id: None,
    }
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
    let first = in_time(subscription.next(2)).await.expect("deliveries");
    subscription.nack().await.expect("refused");
    let again = in_time(subscription.next(2)).await.expect("deliveries");
    assert_eq!(delivered(&first), delivered(&again));
    subscription.ack().await.expect("acknowledged");
    let rest = in_time(subscription.next(9)).await.expect("deliveries");
    assert_eq!(delivered(&rest), events(3..4));
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
    let again = in_time(second.next(9)).await.expect("deliveries");
    assert_eq!(delivered(&again), events(1..3));
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

macro_rules! cases {
    ($backend:ident: $($case:ident,)*) => {
        mod $backend {
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
        cases! { $backend:
            events_arrive_in_order_and_publishing_ends,
            what_is_refused_comes_again,
            undecodable_bytes_are_delivered_as_such,
            a_new_member_gets_what_the_last_did_not_acknowledge,
            a_refused_crowd_comes_again_from_its_first_on,
            nobody_waits_behind_who_has_read_everything,
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

cases! { channel }
#[cfg(feature = "kafka")]
cases! { kafka_mock }
#[cfg(feature = "kafka")]
cases! { kafka }
