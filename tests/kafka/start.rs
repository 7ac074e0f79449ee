//! Where a partition is read from.

use std::sync::Arc;

use tickerd::adapters::bus::kafka::KafkaBus;
use tickerd::ports::{Delivery, EventBus};

use crate::support::{Effects, N_SYMBOLS, event, in_time};

/// Publishes events of one symbol, which therefore lie in one partition.
async fn publish(bus: &KafkaBus, n_events: u64) {
    let events = (1..=n_events).map(|n| event(n * N_SYMBOLS)).collect();
    bus.publish(events).await.expect("published");
}

/// Joins with these effects and reads until `n_deliveries` came.
async fn read(bus: &KafkaBus, effects: &Effects, n_deliveries: usize) -> Vec<Delivery> {
    let mut subscription = effects.join(bus).await;
    let mut deliveries = Vec::new();
    while deliveries.len() < n_deliveries {
        deliveries.extend(in_time(subscription.next(100)).await.expect("deliveries"));
    }
    subscription.ack().await.expect("acknowledged");
    deliveries
}

fn offsets(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.offset).collect()
}

fn stored(partition: i32, offset: u64) -> Effects {
    let effects = Effects::default();
    effects.positions.0.lock().expect("not poisoned").insert(partition, offset);
    effects
}

#[tokio::test(flavor = "multi_thread")]
async fn the_position_in_the_store_counts_more_than_what_kafka_was_told() {
    let bus = crate::kafka::mock_bus().await;
    publish(&bus, 10).await;
    let all = read(&bus, &Effects::default(), 10).await;
    assert_eq!(offsets(&all), (0..10).collect::<Vec<u64>>());
    // The store was put back to an earlier state, while Kafka was told that all is done.
    let again = read(&bus, &stored(all[0].partition, 3), 6).await;
    assert_eq!(offsets(&again), [4, 5, 6, 7, 8, 9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_position_the_group_goes_on_behind_what_it_acknowledged() {
    let bus = crate::kafka::mock_bus().await;
    publish(&bus, 5).await;
    read(&bus, &Effects::default(), 5).await;
    publish(&bus, 2).await;
    assert_eq!(offsets(&read(&bus, &Effects::default(), 2).await), [5, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_behind_the_end_says_that_the_topic_is_another() {
    let bus = crate::kafka::mock_bus().await;
    publish(&bus, 3).await;
    let partition = read(&bus, &Effects::default(), 3).await[0].partition;
    let whole = read(&bus, &stored(partition, 1_000), 3).await;
    assert_eq!(offsets(&whole), [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_topic_keeps_its_positions_under_another_name() {
    let (one, other): (Arc<KafkaBus>, Arc<KafkaBus>) =
        (crate::kafka::mock_bus().await, crate::kafka::mock_bus().await);
    assert_eq!(one.position_name("averager"), one.position_name("averager"));
    assert_ne!(one.position_name("averager"), other.position_name("averager"));
    assert_ne!(one.position_name("averager"), one.position_name("another"));
}
