//! What Kafka is told of how far a group has come, also when the member who came so far could not
//! tell it any more.

use tickerd::adapters::bus::kafka::KafkaBus;
use tickerd::ports::EventBus;

use crate::kafka::{broker_bus, mock_bus};
use crate::support::{Effects, events, eventually, in_time};

async fn whoever_takes_over_tells_how_far_it_is(bus: &KafkaBus) {
    let effects = Effects::default();
    bus.publish(events(1..201)).await.expect("published");
    let mut first = effects.join(bus).await;
    in_time(async {
        while effects.n_seen() < 200 {
            let deliveries = first.next(500).await.expect("deliveries");
            // Stored, and gone before Kafka hears of it.
            effects.apply(&deliveries);
        }
    })
    .await;
    drop(first);
    assert_eq!(bus.lag("averager").await.expect("a lag"), Some(200));

    let mut second = effects.join(bus).await;
    let told = eventually("no lag", async || {
        (bus.lag("averager").await.expect("a lag") == Some(0)).then_some(())
    });
    tokio::select! {
        () = told => {}
        again = second.next(500) => panic!("delivered again: {again:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_mock_cluster_whoever_takes_over_tells_how_far_it_is() {
    whoever_takes_over_tells_how_far_it_is(&*mock_bus().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_broker_whoever_takes_over_tells_how_far_it_is() {
    if let Some(bus) = broker_bus().await {
        whoever_takes_over_tells_how_far_it_is(&bus).await;
    }
}
