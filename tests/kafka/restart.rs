//! A broker that dies while events are under way.

use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::bus::kafka::{KafkaBus, KafkaOptions};
use tickerd::ports::{EventBus, Subscription};

use crate::broker::Broker;
use crate::kafka::fresh_options;
use crate::support::{Effects, events, eventually, in_time};

const N_EVENTS: usize = 6_000;

/// Publishes as the relay does: a batch that failed is published again.
async fn publish_all(bus: Arc<KafkaBus>) {
    for first in (1..=N_EVENTS as u64).step_by(100) {
        while bus.publish(events(first..first + 100)).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

/// Consumes as the averager does: after an error it joins again.
async fn consume(
    bus: &KafkaBus,
    effects: &Effects,
    subscription: &mut Box<dyn Subscription>,
    n_events: usize,
) {
    while effects.n_seen() < n_events {
        match subscription.next(500).await {
            Ok(deliveries) => {
                effects.apply(&deliveries);
                subscription.ack().await.expect("acknowledged");
            }
            Err(_) => *subscription = effects.join(bus).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_loses_nothing_and_is_found_again() {
    let Some(mut broker) = Broker::start() else { return };
    let options = KafkaOptions {
        call_timeout: Duration::from_secs(5),
        delivery_timeout: Duration::from_secs(100),
        ..fresh_options(&broker.address)
    };
    let bus = Arc::new(KafkaBus::open(options).await.expect("a bus"));
    let effects = Effects::default();
    let mut publishing = tokio::task::JoinSet::new();
    publishing.spawn(publish_all(Arc::clone(&bus)));
    let mut subscription = effects.join(&bus).await;

    in_time(consume(&bus, &effects, &mut subscription, 1_000)).await;
    broker.kill();
    bus.check().await.expect_err("it is away");
    broker.restart().await;
    in_time(consume(&bus, &effects, &mut subscription, 3_000)).await;
    broker.kill();
    broker.restart().await;
    in_time(consume(&bus, &effects, &mut subscription, N_EVENTS)).await;

    effects.assert_all(1..N_EVENTS as u64 + 1);
    publishing.join_all().await;
    eventually("it answers", async || bus.check().await.ok()).await;
}
