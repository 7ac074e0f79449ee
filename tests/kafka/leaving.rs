//! A member that leaves while no broker can hear it.

use std::time::Duration;

use tickerd::adapters::bus::kafka::{KafkaBus, KafkaOptions};
use tickerd::ports::EventBus;

use crate::broker::Broker;
use crate::kafka::fresh_options;
use crate::support::{Effects, PATIENCE, events, in_time};

#[test]
fn leaving_does_not_wait_for_brokers_that_are_away() {
    let Some(mut broker) = Broker::start() else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let subscription = runtime.block_on(async {
        let options =
            KafkaOptions { call_timeout: Duration::from_secs(2), ..fresh_options(&broker.address) };
        let bus = KafkaBus::open(options).await.expect("a bus");
        bus.publish(events(1..101)).await.expect("published");
        let mut subscription = Effects::default().join(&bus).await;
        in_time(subscription.next(50)).await.expect("deliveries");
        broker.kill();
        // It stays with the group until a broker hears it, so there is something to wait for.
        subscription.ack().await.expect("noted");
        subscription
    });

    runtime.spawn(async move { drop(subscription) });

    // What blocks is waited for when a runtime ends, as when the process ends.
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(runtime);
        ended.send(())
    });
    end.recv_timeout(PATIENCE).expect("the end");
}
