//! SIGTERM to the real program under writing clients: it says that it goes away, finishes what it
//! took, and ends in time with all of it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tickerd::app::backends::open_store;
use tickerd::app::selftest::child::Nursery;
use tickerd::ports::PriceQuery;
use tokio::task::JoinSet;

use crate::build::{second, symbol};
use crate::service::eventually;

/// What the defaults give a stop: notice and drain.
const IN_TIME: Duration = Duration::from_secs(2 + 8);
/// How much longer a busy machine may take to end a process.
const PATIENCE: Duration = Duration::from_secs(50);

const SETTINGS: &str = "[server]\nstop_notice = \"2s\"\n[providers.yahoo]\nenabled = false\n\
                        [providers.coingecko]\nenabled = false\n[providers.kraken]\nenabled = false\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_told_to_stop_says_so_and_finishes_what_it_took() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = Path::new(env!("CARGO_BIN_EXE_tickerd"));
    let nursery = Nursery::of(program, &directory.path().join("work"), SETTINGS).expect("made");
    let running = nursery.start().await.expect("started");
    let mut clients = JoinSet::new();
    for number in 0..8_u64 {
        let base = running.base.clone();
        clients.spawn(async move { write_until_refused(&base, number).await });
    }
    let (base, pid) = (running.base.clone(), running.pid().expect("it runs"));
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    eventually(async || {
        let system = http.get(format!("{base}/v1/system")).send().await.expect("an answer");
        let system: serde_json::Value = system.json().await.expect("JSON");
        system["prices"].as_u64() > Some(200)
    })
    .await;

    let told = Instant::now();
    let status = Command::new("kill").args(["-TERM", &pid.to_string()]).status().expect("run");
    assert!(status.success());
    // Whoever asks hears of it before the door is shut.
    eventually(async || {
        let answer = http.get(format!("{base}/ready")).send().await.expect("still answered");
        answer.status() == 503
    })
    .await;
    let ended = running.wait().await.expect("ended");
    let took = told.elapsed();
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(took < IN_TIME + PATIENCE, "it took {took:?}");

    let acknowledged: Vec<u64> = clients.join_all().await.into_iter().flatten().collect();
    assert!(acknowledged.len() > 200);
    let store = open_store(&nursery.config().expect("valid")).await.expect("the store opens");
    let query = PriceQuery { symbol: Some(symbol("S")), ..PriceQuery::newest(1_000_000) };
    let stored = store.prices(query).await.expect("read");
    let stored: Vec<u64> = stored
        .iter()
        .map(|price| price.observation.observed_at.since(second(0)).as_secs())
        .collect();
    for secs in &acknowledged {
        assert_eq!(stored.iter().filter(|stored| *stored == secs).count(), 1, "{secs}");
    }
    store.close().await.expect("closed");
}

/// Writes until nobody answers any more, and tells what was acknowledged.
async fn write_until_refused(base: &str, number: u64) -> Vec<u64> {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut acknowledged = Vec::new();
    for secs in (number..).step_by(8) {
        let at = second(secs);
        let body = format!(r#"{{"symbol":"S","price":1.5,"source":"desk","timestamp":"{at}"}}"#);
        let request = http.post(format!("{base}/prices")).body(body);
        match request.header("content-type", "application/json").send().await {
            Ok(response) => {
                assert_eq!(response.status(), 201);
                acknowledged.push(secs);
            }
            Err(_) => break,
        }
    }
    acknowledged
}
