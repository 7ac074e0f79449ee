//! A store that is slow, full or away: callers are told so in time, reads go on, and what was
//! acknowledged stays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::bus::channel::ChannelBus;
use tickerd::adapters::cache::moka::MokaCache;
use tickerd::adapters::limiter::local::LocalLimiter;
use tickerd::adapters::store::redb::{RedbOptions, RedbStore};
use tickerd::app::backends::Parts;
use tickerd::ports::{PriceQuery, SystemClock};
use tokio::task::JoinSet;

use crate::build::observed;
use crate::disk::Disk;
use crate::faulty::Faults;
use crate::service::{Answer, Service, config, eventually};

const QUEUE_ROWS: u32 = 8;

async fn service_on(disk: &Disk) -> Service {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    let options = RedbOptions {
        write_timeout: Duration::from_millis(300),
        queue_rows: QUEUE_ROWS,
        ..RedbOptions::default()
    };
    let opened = disk.clone();
    let store = RedbStore::open_on(move || opened.clone(), &options).expect("the store opens");
    let parts = Parts {
        store: Arc::new(store),
        cache: Arc::new(MokaCache::new(100, Duration::from_secs(300))),
        bus: Arc::new(ChannelBus::default()),
        limiter: Arc::new(LocalLimiter::new(Arc::new(SystemClock))),
        clock: Arc::new(SystemClock),
    };
    Service::on(directory, &config, parts, Faults::seeded(0, 0)).await
}

fn price(symbol: &str, secs: u64) -> String {
    let at = crate::build::second(secs);
    format!(r#"{{"symbol":"{symbol}","price":1.5,"source":"desk","timestamp":"{at}"}}"#)
}

fn assert_refused(answer: &Answer) {
    assert!([503, 507].contains(&answer.status), "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    assert!(answer.body["code"].is_string(), "{answer:?}");
}

/// The seconds at which a symbol has a price.
async fn stored(service: &Service, symbol: &str) -> BTreeSet<u64> {
    let query =
        PriceQuery { symbol: Some(crate::build::symbol(symbol)), ..PriceQuery::newest(1_000_000) };
    let prices = service.parts.store.prices(query).await.expect("read");
    let start = crate::build::second(0);
    prices.iter().map(|price| price.observation.observed_at.since(start).as_secs()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_a_store_that_is_stuck_are_refused_in_time_and_reads_go_on() {
    const N_CALLERS: u64 = 64;
    let disk = Disk::default();
    let service = Arc::new(service_on(&disk).await);
    assert_eq!(service.post("/prices", &price("S", 0)).await.status, 201);
    service.settle().await;
    disk.stick();
    let mut calls = JoinSet::new();
    for secs in 1..=N_CALLERS {
        let service = Arc::clone(&service);
        calls.spawn(async move { (secs, service.post("/prices", &price("S", secs)).await) });
    }
    // Those for whom there is no room are answered although nothing moves.
    let mut n_refused = 0;
    while n_refused < N_CALLERS - 2 * u64::from(QUEUE_ROWS) {
        let (_, answer) = calls.join_next().await.expect("an answer").expect("no panic");
        assert_eq!(answer.body["code"], "overloaded", "{answer:?}");
        assert_refused(&answer);
        n_refused += 1;
    }
    assert_eq!(service.get("/prices?symbol=S").await.status, 200);
    disk.release();
    let mut acknowledged = BTreeSet::from([0]);
    while let Some(call) = calls.join_next().await {
        let (secs, answer) = call.expect("no panic");
        match answer.status {
            201 => {
                acknowledged.insert(secs);
            }
            _ => assert_refused(&answer),
        }
    }
    // What was refused was not stored either.
    assert_eq!(stored(&service, "S").await, acknowledged);
    assert_eq!(service.post("/prices", &price("S", 100)).await.status, 201);
    Arc::into_inner(service).expect("nobody else has it").stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_keeps_what_it_had_and_recovers() {
    let disk = Disk::default();
    let service = service_on(&disk).await;
    assert_eq!(service.post("/prices", &price("S", 0)).await.status, 201);
    service.settle().await;
    disk.leave_room(200_000);
    let (mut acknowledged, refusal) = fill(&service).await;
    assert_refused(&refusal);
    assert!(disk.n_refused() > 0, "the disk was not full");

    // A failed write makes the store open its file again: reads may be refused for that moment.
    eventually(async || service.get("/prices?symbol=S&limit=5").await.status == 200).await;
    assert_eq!(service.get("/health").await.status, 200);
    disk.leave_all_room();
    recover(&service, &mut acknowledged).await;
    assert_eq!(stored(&service, "S").await, acknowledged);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_a_byte_left_serves_reads_also_after_a_start() {
    let disk = Disk::default();
    let service = service_on(&disk).await;
    assert_eq!(service.post("/prices", &price("S", 0)).await.status, 201);
    service.settle().await;
    disk.leave_none();
    for secs in 1..=3 {
        assert_refused(&service.post("/prices", &price("S", secs)).await);
        eventually(async || service.get("/prices?symbol=S").await.status == 200).await;
    }
    assert!(disk.n_refused() > 0, "the disk was not full");
    service.stop().await;

    let service = service_on(&disk).await;
    assert_eq!(stored(&service, "S").await, BTreeSet::from([0]));
    assert_refused(&service.post("/prices", &price("S", 1)).await);
    disk.leave_all_room();
    // Nobody needs to dare a write first.
    eventually(async || service.get("/ready").await.body["status"] == "ready").await;
    let mut acknowledged = BTreeSet::from([0]);
    recover(&service, &mut acknowledged).await;
    assert_eq!(stored(&service, "S").await, acknowledged);
    service.stop().await;
}

/// Writes until the store refuses, and answers what it took and the refusal.
async fn fill(service: &Service) -> (BTreeSet<u64>, Answer) {
    let mut acknowledged = BTreeSet::from([0]);
    for first in (1..1_000_000).step_by(500) {
        let rows: Vec<String> = (first..first + 500).map(|secs| price("S", secs)).collect();
        let answer = service.post("/prices/batch", &format!("[{}]", rows.join(","))).await;
        if answer.status != 200 {
            // What a batch stored before it was refused is not known: it is sent again below.
            return (acknowledged, answer);
        }
        acknowledged.extend(first..first + 500);
    }
    panic!("the disk never ran full");
}

/// Sends the row behind what was acknowledged until it is taken.
async fn recover(service: &Service, acknowledged: &mut BTreeSet<u64>) {
    let next = acknowledged.last().expect("a row") + 1;
    let rows: Vec<String> = (next..next + 500).map(|secs| price("S", secs)).collect();
    let batch = format!("[{}]", rows.join(","));
    eventually(async || service.post("/prices/batch", &batch).await.status == 200).await;
    acknowledged.extend(next..next + 500);
    service.settle().await;
    eventually(async || service.get("/ready").await.body["status"] == "ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_bus_is_away_is_degraded_and_one_whose_store_is_away_is_down() {
    let service = Service::start(Faults::seeded(0, 0)).await;
    let ready = async || {
        let answer = service.get("/ready").await;
        (answer.status, answer.body["status"].as_str().expect("a status").to_owned())
    };
    assert_eq!(ready().await, (200, "ready".to_owned()));

    service.faults.set("bus refuses", 1_000);
    assert_eq!(ready().await, (200, "degraded".to_owned()));
    assert_eq!(service.post("/prices", &price("S", 1)).await.status, 201);
    assert_eq!(service.parts.store.depth().await.expect("read"), 1);
    service.faults.set("bus refuses", 0);
    service.settle().await;
    assert_eq!(ready().await, (200, "ready".to_owned()));

    service.faults.set("store refuses", 1_000);
    assert_eq!(ready().await, (503, "down".to_owned()));
    assert_refused(&service.post("/prices", &price("S", 2)).await);
    service.faults.set("store refuses", 0);
    assert_eq!(ready().await, (200, "ready".to_owned()));
    assert_eq!(service.post("/prices", &price("S", 2)).await.status, 201);
    service.stop().await;
}

/// A small file system of its own; none where nobody may mount one.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"])
            .arg(directory.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(directory))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_file_system_refuses_writes_and_recovers_when_space_returns() {
    let Some(disk) = Tmpfs::mount() else {
        eprintln!("skipped: only root may mount a small file system");
        return;
    };
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 9 << 20]).expect("written");
    let faults = Faults::seeded(0, 0);
    let service = Service::start_with(faults, Arc::new(SystemClock), |config| {
        config.store.data_dir = disk.0.path().join("data");
    })
    .await;
    service.parts.store.append(vec![observed("T", 1, "1")]).await.expect("stored");
    assert_eq!(service.post("/prices", &price("S", 0)).await.status, 201);
    let (mut acknowledged, refusal) = fill(&service).await;
    assert_refused(&refusal);
    // A failed write makes the store open its file again: reads may be refused for that moment.
    eventually(async || service.get("/prices?symbol=S&limit=5").await.status == 200).await;

    std::fs::remove_file(&ballast).expect("removed");
    recover(&service, &mut acknowledged).await;
    assert_eq!(stored(&service, "S").await, acknowledged);
    service.stop().await;
}
