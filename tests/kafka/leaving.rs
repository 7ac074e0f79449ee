//! A member that leaves while no broker can hear it.

use std::time::Duration;

use tickerd::adapters::bus::kafka::{KafkaBus, KafkaOptions};
use tickerd::ports::{EventBus, Subscription};
use tokio::runtime::Runtime;

use crate::broker::Broker;
use crate::kafka::fresh_options;
use crate::support::{Effects, PATIENCE, events, in_time};

/// A subscription that has to tell the brokers something, which are away.
async fn cut_off() -> Option<Box<dyn Subscription>> {
    let mut broker = Broker::start()?;
    let call_timeout = Duration::from_secs(2);
    let options = KafkaOptions { call_timeout, ..fresh_options(&broker.address) };
    let bus = KafkaBus::open(options).await.expect("a bus");
    bus.publish(events(1..101)).await.expect("published");
    let mut subscription = Effects::default().join(&bus).await;
    in_time(subscription.next(50)).await.expect("deliveries");
    broker.kill();
    // It stays with the group until a broker hears it, so there is something to wait for.
    subscription.ack().await.expect("noted");
    Some(subscription)
}

/// What blocks is waited for when a runtime ends, as when the process ends.
fn end(runtime: Runtime) {
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(runtime);
        ended.send(())
    });
    end.recv_timeout(PATIENCE).expect("the end");
}

#[test]
fn leaving_does_not_wait_for_brokers_that_are_away() {
    let runtime = Runtime::new().expect("a runtime");
    let Some(subscription) = runtime.block_on(cut_off()) else { return };
    runtime.block_on(async move { drop(subscription) });
    end(runtime);
}

#[test]
fn a_process_ends_while_brokers_are_away() {
    let runtime = Runtime::new().expect("a runtime");
    let Some(mut subscription) = runtime.block_on(cut_off()) else { return };
    // Still reading when the runtime ends.
    runtime.spawn(async move { subscription.next(50).await });
    end(runtime);
}
