//! What `serve --demo` stores before it plays.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tickerd::app::backends::Parts;
use tickerd::app::config::Sources;
use tickerd::app::run::App;
use tickerd::model::Timestamp;
use tickerd::ports::ManualClock;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const N_SYMBOLS: u64 = 10;
const N_PAST: u64 = 720;

/// Starts a demo at this time, asks it these paths once it has so many prices, and stops it.
async fn ask(directory: &Path, now: &str, n_prices: u64, paths: [&str; 2]) -> [Value; 2] {
    let mut config = Sources::default().load().expect("valid").config;
    config.store.data_dir = directory.to_owned();
    let clock = Arc::new(ManualClock::at(Timestamp::parse(now).expect("a time")));
    let parts = Parts::open(&config, clock).await.expect("the backends open");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let stop = CancellationToken::new();
    let app = App::build(&config, parts, true).await.expect("built");
    let mut running = JoinSet::new();
    running.spawn(app.run(listener, stop.clone()));
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let get = async |path: &str| -> Value {
        let answer = client.get(format!("{base}{path}")).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    };
    while get("/v1/system").await["prices"] != n_prices {
        assert!(running.try_join_next().is_none(), "the demo ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answers = [get(paths[0]).await, get(paths[1]).await];
    stop.cancel();
    running.join_next().await.expect("it ran").expect("no panic").expect("a clean end");
    answers
}

#[tokio::test]
async fn a_new_demo_stores_a_past_and_a_restarted_one_leaves_it_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = ["/v1/bars/AAPL?interval=5m&limit=1000", "/prices/latest?symbol=BTC-USD"];
    // The clock stands still, so each symbol is played once.
    let n_prices = N_SYMBOLS * (N_PAST + 1);
    let first = ask(directory.path(), "2024-06-01T12:00:00Z", n_prices, paths);
    let [bars, latest] =
        tokio::time::timeout(Duration::from_secs(300), first).await.expect("stored");
    // Four hours, and the moment of the start.
    let bars = bars["bars"].as_array().expect("bars");
    assert_eq!(bars.len(), 49);
    assert_eq!(bars[0]["timestamp"], "2024-06-01T08:00:00Z");
    assert_eq!(latest["timestamp"], "2024-06-01T12:00:00Z");
    assert_eq!(latest["provider"], "simulated");

    let n_prices = n_prices + N_SYMBOLS;
    let again = ask(directory.path(), "2024-06-01T13:00:00Z", n_prices, paths);
    let [bars, _] = tokio::time::timeout(Duration::from_secs(300), again).await.expect("played");
    let bars = bars["bars"].as_array().expect("bars");
    assert_eq!(bars.len(), 50, "the hour in which nothing was played stays empty");
}
