//! What rude clients cost the others, and how long a long trail takes to check:
//!
//!     cargo bench --bench doors
//!
//! The binary with a key, on loopback: a client at many times its quota, 500 connections that send
//! one byte a second, requests that are too large in every way, and a trail of a million entries.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use tickerd::adapters::store::redb::{RedbOptions, RedbStore};
use tickerd::model::{Actor, AuditDraft, Timestamp};
use tickerd::ports::{AuditStore, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const ADMIN: &str = "the-key-of-the-bench";
/// Requests a minute of each client; all may come at once.
const QUOTA: usize = 1_000;
const FLOOD_FOR: Duration = Duration::from_secs(10);
const N_SLOW: usize = 500;
const N_ENTRIES: usize = 1_000_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let service = Service::start();
        flood(&service).await;
        slow(&service).await;
        large(&service).await;
        drop(service);
        trail().await;
    });
}

/// The binary as its users run it; killed when dropped.
struct Service {
    child: Child,
    base: String,
    directory: tempfile::TempDir,
    http: Client,
}

impl Service {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(env!("CARGO_BIN_EXE_tickerd"))
            .args(["serve", "--port", "0"])
            .current_dir(directory.path())
            .env("TICKERD_ACCESS__API_KEY", ADMIN)
            .env("TICKERD_LIMITS__REQUESTS", QUOTA.to_string())
            .env("TICKERD_FETCH__ACTIVE_SYMBOLS", "")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let card = BufReader::new(child.stdout.take().expect("its output"));
        let base = card.lines().map_while(Result::ok).find_map(|line| {
            let url = line.split_whitespace().find(|word| word.starts_with("http://"))?;
            Some(url.trim_end_matches('/').to_owned())
        });
        let http = Client::builder().no_proxy().build().expect("a client");
        Self { child, base: base.expect("an address"), directory, http }
    }

    async fn new_key(&self) -> String {
        let request = self.http.post(format!("{}/v1/keys", self.base)).bearer_auth(ADMIN);
        let request = request.header("content-type", "application/json");
        let text = request.body(r#"{"role":"write"}"#).send().await.expect("an answer").text();
        let body: serde_json::Value =
            serde_json::from_str(&text.await.expect("text")).expect("JSON");
        body["key"].as_str().expect("a key").to_owned()
    }

    async fn status(&self, key: &str) -> u16 {
        let request = self.http.get(format!("{}/prices/symbols", self.base)).bearer_auth(key);
        request.send().await.expect("an answer").status().as_u16()
    }

    /// The 99th percentile of a client that asks fifty times a second for a while.
    async fn p99_of_a_polite_client(&self, key: &str, lasts: Duration) -> Duration {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let mut times = Vec::new();
        let until = Instant::now() + lasts;
        while Instant::now() < until {
            ticks.tick().await;
            let asked = Instant::now();
            assert_eq!(self.status(key).await, 200);
            times.push(asked.elapsed());
        }
        times.sort_unstable();
        times[times.len() * 99 / 100]
    }

    /// Memory in KiB.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("a running process");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("its memory");
        line.split_whitespace().nth(1).expect("a figure").parse().expect("a number")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn flood(service: &Service) {
    let (rude, polite) = (service.new_key().await, service.new_key().await);
    let before = service.p99_of_a_polite_client(&polite, Duration::from_secs(5)).await;
    let until = Instant::now() + FLOOD_FOR;
    let mut flood = JoinSet::new();
    for _ in 0..4 {
        let (http, base, rude) = (service.http.clone(), service.base.clone(), rude.clone());
        flood.spawn(async move {
            let (mut n_accepted, mut n_denied) = (0, 0);
            while Instant::now() < until {
                let request = http.get(format!("{base}/prices/symbols")).bearer_auth(&rude);
                let answer = request.send().await.expect("an answer");
                match answer.status().as_u16() {
                    200 => n_accepted += 1,
                    429 => {
                        assert!(answer.headers().contains_key("retry-after"));
                        n_denied += 1;
                    }
                    other => panic!("{other}"),
                }
            }
            (n_accepted, n_denied)
        });
    }
    let during = service.p99_of_a_polite_client(&polite, FLOOD_FOR).await;
    let counts = flood.join_all().await;
    let n_accepted: usize = counts.iter().map(|(accepted, _)| accepted).sum();
    let n_denied: usize = counts.iter().map(|(_, denied)| denied).sum();
    let granted = QUOTA as f64 * (1.0 + FLOOD_FOR.as_secs_f64() / 60.0);
    let ratio = n_accepted as f64 / granted;
    let offered = n_accepted + n_denied;
    println!(
        "flood: {offered} offered, {n_accepted} accepted, {ratio:.4} of what the quota grants"
    );
    told("flood: p99 of another key", before, during);
}

fn told(what: &str, before: Duration, during: Duration) {
    let ratio = during.as_secs_f64() / before.as_secs_f64();
    println!("{what} {before:.2?} before, {during:.2?} meanwhile, {ratio:.1} times");
}

async fn slow(service: &Service) {
    let polite = service.new_key().await;
    let before = service.p99_of_a_polite_client(&polite, Duration::from_secs(5)).await;
    let address = service.base.trim_start_matches("http://").to_owned();
    let mut trickles = JoinSet::new();
    for _ in 0..N_SLOW {
        trickles.spawn(trickle(address.clone()));
    }
    let during = service.p99_of_a_polite_client(&polite, Duration::from_secs(8)).await;
    let lasted = trickles.join_all().await;
    let longest = lasted.iter().max().expect("some");
    println!("slow heads: {N_SLOW} connections, the last closed after {longest:.1?}");
    told("slow heads: p99 of others", before, during);
}

/// Sends a head at one byte a second; how long the service bears it.
async fn trickle(address: String) -> Duration {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let opened = Instant::now();
    let mut answer = [0; 1_024];
    for byte in b"GET /prices HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut answer)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            break;
        }
    }
    opened.elapsed()
}

async fn large(service: &Service) {
    let before = service.resident();
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = "x".repeat((1 << 20) + 1);
    let mut answers = std::collections::BTreeMap::new();
    for _ in 0..20 {
        let get = |path: &str| service.http.get(format!("{}{path}", service.base));
        let post = |body: &str| {
            let request = service.http.request(Method::POST, format!("{}/prices", service.base));
            request.header("content-type", "application/json").body(body.to_owned())
        };
        for (what, request) in [
            ("a body of 1 MiB", post(&wide)),
            ("JSON 100,000 levels deep", post(&deep)),
            ("limit=1000000000", get("/prices?limit=1000000000")),
            ("a head of 900 kB", get("/prices").header("x-large", &wide[..900_000])),
            ("an address of 60 kB", get(&format!("/prices?symbol={}", &wide[..60_000]))),
        ] {
            // A head that goes on and on is cut off: the answer may be lost with the connection.
            let status = match request.bearer_auth(ADMIN).send().await {
                Ok(answer) => answer.status().as_u16(),
                Err(_) => 0,
            };
            assert!(status < 500, "{what}: {status}");
            *answers.entry((what, status)).or_insert(0) += 1;
        }
    }
    for ((what, status), n) in answers {
        let status = if status == 0 { "cut off".to_owned() } else { status.to_string() };
        println!("large: {what}: {status}, {n} times");
    }
    let grown = service.resident().saturating_sub(before);
    println!("large: the service grew by {:.1} MiB", grown as f64 / 1_024.0);
    assert!(service.directory.path().exists());
}

async fn trail() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("data")).expect("made");
    let path = directory.path().join("data/tickerd.redb");
    let store = Arc::new(RedbStore::open(&path, &RedbOptions::default()).expect("a store"));
    let mut writing = JoinSet::new();
    for writer in 0..256 {
        let store = Arc::clone(&store);
        writing.spawn(async move {
            for number in (writer..N_ENTRIES).step_by(256) {
                let target = format!("prices/{number}");
                let draft = AuditDraft::without_request(
                    Timestamp::MIN,
                    Actor::Local,
                    "price.create",
                    &target,
                );
                store.note(draft).await.expect("noted");
            }
        });
    }
    writing.join_all().await;
    store.close().await.expect("closed");
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_tickerd"))
        .args(["audit", "verify", "--data-dir"])
        .arg(directory.path().join("data"))
        .output()
        .expect("run");
    assert!(output.status.success(), "{output:?}");
    println!("trail: {N_ENTRIES} entries checked in {:.2?}", started.elapsed());
}
