//! A clock that is set back: nothing gets out of order, nothing is younger than now, no job runs
//! twice.

use std::sync::Arc;
use std::time::Duration;

use tickerd::model::PriceId;
use tickerd::ports::{Clock, ManualClock};

use crate::build::instant;
use crate::faulty::Faults;
use crate::service::{Service, eventually};

const HOUR: Duration = Duration::from_secs(3_600);

fn price(symbol: &str, price: &str, at: &str) -> String {
    format!(r#"{{"symbol":"{symbol}","price":{price},"source":"desk","timestamp":"{at}"}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_an_hour_puts_nothing_out_of_order() {
    let noon = instant("2024-06-01T12:00:00Z");
    let clock = Arc::new(ManualClock::at(noon));
    let service =
        Service::start_with(Faults::seeded(0, 0), clock.clone() as Arc<dyn Clock>, |_| {}).await;
    let stored = service.post("/prices", &price("S", "1", "2024-06-01T11:59:59Z")).await;
    assert_eq!(stored.status, 201, "{stored:?}");
    let id = stored.body["id"].as_u64().expect("an id");

    clock.set(noon.minus(HOUR));
    let corrected = service.put(&format!("/prices/{id}"), r#"{"price": 2}"#).await;
    assert_eq!(corrected.status, 200, "{corrected:?}");
    clock.set(noon.minus(HOUR).plus(Duration::from_secs(1)));
    assert_eq!(service.delete(&format!("/prices/{id}")).await.status, 200);
    clock.set(noon.minus(2 * HOUR));
    let again = service.post("/prices", &price("S", "3", "2024-06-01T10:30:00Z")).await;
    assert_eq!(again.status, 201, "{again:?}");

    // Each version was received when, or after, the one before was.
    let id = PriceId::new(id).expect("an id");
    let history = service.parts.store.history(id).await.expect("read");
    assert_eq!(history.len(), 3);
    for pair in history.windows(2) {
        let received = |index: usize| pair[index].price.observation.received_at;
        assert!(received(0) <= received(1), "{history:?}");
        assert_eq!(pair[0].superseded_at, Some(received(1)), "{history:?}");
    }
    // A price that seems to come from the future is not older than nothing: it is fresh.
    let latest = service.get("/prices/latest?symbol=S&max_age=60").await;
    assert_eq!((latest.status, &latest.body["stale"]), (200, &false.into()), "{latest:?}");
    service.settle().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_does_not_run_twice_when_the_clock_is_set_back() {
    let noon = instant("2024-06-01T12:00:00Z");
    let clock = Arc::new(ManualClock::at(noon));
    let service =
        Service::start_with(Faults::seeded(0, 0), clock.clone() as Arc<dyn Clock>, |_| {}).await;
    let accepted = service.post("/prices/poll", r#"{"symbols":["AAPL"],"interval":600}"#).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let path = format!("/prices/poll/{}", accepted.body["job_id"].as_str().expect("an id"));
    let n_runs = async || service.get(&path).await.body["runs"].as_u64().expect("a count");
    // Nobody answers, which is a run all the same.
    eventually(async || {
        clock.advance(Duration::from_millis(100));
        n_runs().await == 1
    })
    .await;
    let run_at = clock.now();

    clock.set(run_at.minus(HOUR));
    // The time of the first run comes a second time, in many small steps.
    for _ in 0..36 {
        clock.advance(Duration::from_secs(100));
        tokio::task::yield_now().await;
        assert_eq!(n_runs().await, 1, "at {}", clock.now());
    }
    clock.set(run_at.plus(Duration::from_secs(601)));
    eventually(async || {
        clock.advance(Duration::from_millis(100));
        n_runs().await == 2
    })
    .await;
    service.stop().await;
}
