//! How long an accepted price takes until its average is on the stream: the whole service over
//! real connections, edge mode, prices of ten symbols at a steady rate.
//!
//! Two times for each price: from sending its request, and from the answer that accepts it. The
//! second may be less than nothing, because the pipeline does not wait for the answer to be read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tickerd::app::backends::Parts;
use tickerd::app::config::Sources;
use tickerd::app::run::App;
use tickerd::ports::SystemClock;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const N_SYMBOLS: usize = 10;
/// Prices a symbol needs before it has an average.
const N_WARM_UP: usize = 5;
const SECS: usize = 10;
const RATES: [usize; 3] = [10, 200, 1_000];

/// When a price was sent, accepted and seen as an average, by its timestamp.
#[derive(Clone, Copy)]
struct Journey {
    sent: Instant,
    accepted: Option<Instant>,
    seen: Option<Instant>,
}

type Journeys = Arc<Mutex<HashMap<String, Journey>>>;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        for rate in RATES {
            measure(rate).await;
        }
    });
}

async fn measure(rate: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = Sources::default().load().expect("the defaults are valid").config;
    config.store.data_dir = directory.path().to_owned();
    config.providers.values_mut().for_each(|provider| provider.enabled = false);
    let parts = Parts::open(&config, Arc::new(SystemClock)).await.expect("the backends open");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let app = App::build(&config, parts, false).await.expect("built");
    tasks.spawn(app.run(listener, stop.clone()));

    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let journeys = Journeys::default();
    let stream = client.get(format!("{base}/v1/stream?types=average")).send().await.expect("open");
    let mut reader = JoinSet::new();
    reader.spawn(read(stream, Arc::clone(&journeys)));

    let n_prices = rate * SECS;
    let mut posts = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate as u32);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    for n in 0..n_prices + N_WARM_UP * N_SYMBOLS {
        let counts = n >= N_WARM_UP * N_SYMBOLS;
        if counts {
            ticks.tick().await;
        }
        let timestamp = format!("2024-05-01T{:02}:{:02}:{:02}Z", n / 3600, n / 60 % 60, n % 60);
        let body = format!(
            r#"{{"symbol":"S{}","price":{}.25,"timestamp":"{timestamp}"}}"#,
            n % N_SYMBOLS,
            100 + n % 7
        );
        let request = client
            .post(format!("{base}/prices"))
            .header("content-type", "application/json")
            .body(body);
        let journeys = Arc::clone(&journeys);
        let post = async move {
            let sent = Instant::now();
            if counts {
                let journey = Journey { sent, accepted: None, seen: None };
                journeys.lock().expect("the lock").insert(timestamp.clone(), journey);
            }
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), 201);
            let accepted = Instant::now();
            if let Some(journey) = journeys.lock().expect("the lock").get_mut(&timestamp) {
                journey.accepted = Some(accepted);
            }
        };
        if counts {
            posts.spawn(post);
        } else {
            post.await;
        }
    }
    posts.join_all().await;
    let all_seen = || journeys.lock().expect("the lock").values().all(|one| one.seen.is_some());
    while !all_seen() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let done: Vec<Journey> = journeys.lock().expect("the lock").values().copied().collect();
    report(&format!("{rate}/s from sending"), done.iter().map(|one| one.sent), &done);
    let accepted = done.iter().map(|one| one.accepted.unwrap_or(one.sent));
    report(&format!("{rate}/s from being accepted"), accepted, &done);

    reader.shutdown().await;
    stop.cancel();
    while let Some(task) = tasks.join_next().await {
        task.expect("a task that ends well").expect("a clean end");
    }
}

/// Notes for every average when it came.
async fn read(mut stream: reqwest::Response, journeys: Journeys) {
    let mut text = String::new();
    while let Ok(Some(chunk)) = stream.chunk().await {
        let now = Instant::now();
        text.push_str(&String::from_utf8_lossy(&chunk));
        while let Some(end) = text.find("\n\n") {
            let block: String = text.drain(..end + 2).collect();
            let timestamp = block.split(r#""timestamp":""#).nth(1).and_then(|rest| rest.get(..20));
            let mut journeys = journeys.lock().expect("the lock");
            if let Some(journey) = timestamp.and_then(|timestamp| journeys.get_mut(timestamp)) {
                journey.seen.get_or_insert(now);
            }
        }
    }
}

fn report(what: &str, starts: impl Iterator<Item = Instant>, journeys: &[Journey]) {
    let ends = journeys.iter().filter_map(|journey| journey.seen);
    let mut millis: Vec<f64> = starts
        .zip(ends)
        .map(|(start, end)| end.saturating_duration_since(start).as_secs_f64() * 1_000.0)
        .collect();
    millis.sort_by(f64::total_cmp);
    let at = |share: f64| millis[((millis.len() - 1) as f64 * share) as usize];
    println!(
        "{what:<28} p50 {:6.2} ms   p90 {:6.2} ms   p99 {:6.2} ms   worst {:6.2} ms   ({} prices)",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
        millis.len()
    );
}
