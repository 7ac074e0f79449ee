//! Work spread over processes, and taken over when one dies.

use std::time::{Duration, Instant};

use serde_json::Value;
use tickerd::app::config::BusBackend;

use crate::installation::{Installation, Process, comes_true};
use crate::upstream::{Behaviour, Canned, Upstream};

const TICKER: &str = r#"{"error":[],"result":{
    "BTC/USD":{"a":["1","1","1"],"b":["1","1","1"],"c":["64000.5","0.1"],"v":["1","1"],"p":["1","1"],"t":[1,1],"l":["1","1"],"h":["1","1"],"o":"64000.0"}}}"#;

/// The averages of an installation, with the times of their prices, newest first.
async fn history(installation: &Installation, api: &Process) -> Vec<(String, String)> {
    let path = "/prices/AAPL/moving-average/history?window=5&limit=1000";
    let (status, rows) = installation.get(api, path).await;
    assert_eq!(status, 200, "{rows}");
    let text = |row: &Value, name: &str| row[name].to_string();
    let rows = rows.as_array().expect("a list").iter();
    rows.map(|row| (text(row, "timestamp"), text(row, "moving_average"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_of_a_process_that_dies_moves_to_another() {
    let Some(installation) = Installation::new() else { return };
    let api = installation.start("api").await;
    let mut worker = installation.start("poller,relay,averager").await;
    let mut heir = installation.start("poller,relay,averager").await;
    let mut n_prices = 0;
    for _ in 0..3 {
        for _ in 0..10 {
            n_prices += 1;
            installation.post_price(&api, "AAPL", n_prices, n_prices).await;
        }
        let done = |system: &Value| system["outbox"] == 0;
        installation.eventually(&api, "/v1/system", done).await;
        // Whichever of the two has the lead, in three rounds it dies at least once.
        worker.kill().await;
        worker = heir;
        heir = installation.start("poller,relay,averager").await;
    }
    installation.eventually(&api, "/v1/system", |system| system["outbox"] == 0).await;
    let averages = history(&installation, &api).await;
    let expected: Vec<String> = (5..=n_prices).rev().map(|last| (last - 2).to_string()).collect();
    let means: Vec<String> = averages.into_iter().map(|(_, mean)| mean).collect();
    assert_eq!(means, expected, "one average a price, each once");
    drop((worker, heir));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poller_that_dies_hands_over_its_jobs_and_nobody_polls_twice() {
    const LEASE: Duration = Duration::from_secs(8);
    let Some(installation) = Installation::new() else { return };
    let upstream = Upstream::start().await;
    upstream.on("/0/public/Ticker", Behaviour::Hangs);
    let url = upstream.url();
    let lease = format!("{}s", LEASE.as_secs());
    let settings = [
        ("TICKERD_PROVIDERS__KRAKEN__ENABLED", "true"),
        ("TICKERD_PROVIDERS__KRAKEN__BASE_URL", &url),
        ("TICKERD_FETCH__JOB_LEASE", &lease),
    ];
    let n_polls = || {
        let requests = upstream.requests();
        let is_poll =
            |target: &str| target.starts_with("/0/public/Ticker?") && target.contains("pair=");
        requests.iter().filter(|request| is_poll(&request.target)).count() as u64
    };
    let api = installation.start_with("api,relay,averager", &settings).await;
    let first = installation.start_with("poller", &settings).await;
    let job = serde_json::json!({"symbols": ["BTC-USD"], "interval": 1, "provider": "kraken"});
    let asked = installation.http.post(format!("{}/prices/poll", api.base)).json(&job).send();
    assert_eq!(asked.await.expect("an answer").status(), 202);
    assert!(comes_true(async || n_polls() == 1).await, "the first poller polls");
    let claimed = Instant::now();

    let heirs = [
        installation.start_with("poller", &settings).await,
        installation.start_with("poller", &settings).await,
    ];
    upstream
        .on("/0/public/Ticker", Behaviour::Answer(Canned::new(200, "application/json", TICKER)));
    first.kill().await;

    assert!(comes_true(async || n_polls() > 1).await, "an heir polls");
    // A second for the way of the first request to us.
    assert!(claimed.elapsed() > LEASE - Duration::from_secs(1), "the lease was respected");
    let path = "/prices/poll/poll_1";
    let job = installation.eventually(&api, path, |job| job["successes"].as_u64() >= Some(6)).await;
    let n_polls = n_polls();
    let (_, later) = installation.get(&api, path).await;
    // Behind the one that died with its poller, each poll is a run, and the last may be under way.
    let runs = |job: &Value| job["runs"].as_u64().expect("a number");
    assert!((runs(&job)..=runs(&later) + 1).contains(&(n_polls - 1)), "{n_polls} polls: {later}");
    drop(heirs);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_kafka_averages_are_right_while_averagers_join_leave_and_die() {
    averages_are_right_while_averagers_join_leave_and_die(BusBackend::Kafka).await;
}

/// There everyone reads everything, and what is done twice has one effect.
#[cfg(feature = "fluvio")]
#[tokio::test(flavor = "multi_thread")]
async fn on_fluvio_averages_are_right_while_averagers_join_leave_and_die() {
    averages_are_right_while_averagers_join_leave_and_die(BusBackend::Fluvio).await;
}

async fn averages_are_right_while_averagers_join_leave_and_die(bus: BusBackend) {
    const SYMBOLS: [&str; 6] = ["A", "B", "C", "D", "E", "F"];
    let Some(installation) = Installation::on_bus(bus) else { return };
    let api = installation.start("api,relay").await;
    let mut averagers = vec![installation.start("averager").await];
    let mut n_prices = 0;
    for round in 0..4 {
        for _ in 0..10 {
            n_prices += 1;
            for symbol in SYMBOLS {
                installation.post_price(&api, symbol, n_prices, n_prices).await;
            }
        }
        // One joins, and every other round one dies in the middle of its work.
        averagers.push(installation.start("averager").await);
        if round % 2 == 1 {
            averagers.remove(0).kill().await;
        }
    }
    let expected: Vec<Value> = (5..=n_prices).rev().map(|last| (last - 2).into()).collect();
    for symbol in SYMBOLS {
        let path = format!("/prices/{symbol}/moving-average/history?window=5&limit=1000");
        let means = |rows: &Value| -> Vec<Value> {
            let rows = rows.as_array().into_iter().flatten();
            rows.map(|row| row["moving_average"].clone()).collect()
        };
        installation.eventually(&api, &path, |rows| means(rows) == expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_the_api_answers_probes_only() {
    let Some(installation) = Installation::new() else { return };
    let worker = installation.start("poller,relay,averager").await;
    for (path, status) in
        [("/health", 200), ("/ready", 200), ("/metrics", 200), ("/prices", 404), ("/", 404)]
    {
        assert_eq!(installation.get(&worker, path).await.0, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_written_by_one_process_is_seen_by_the_cache_of_another() {
    let Some(installation) = Installation::new() else { return };
    let (first, second) = (installation.start("api").await, installation.start("api").await);
    let path = "/prices/latest?symbol=AAPL&max_age=1000000000";
    for price in 1..=5 {
        installation.post_price(&first, "AAPL", price, price).await;
        let seen = |latest: &Value| latest["price"] == price;
        installation.eventually(&second, path, seen).await;
    }
}
