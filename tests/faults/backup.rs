//! Backups taken while clients write: each is whole, holds what was acknowledged before it began,
//! and a service restored from it goes on without gap or double.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use tickerd::app::backends::{Parts, open_store};
use tickerd::app::selftest::author::{Author, Random};
use tickerd::app::selftest::client::Client;
use tickerd::model::{
    Asset, AssetClass, AssetList, BreakerState, JobConfig, ProviderLedger, Schedule, Sequence,
};
use tickerd::ports::{Store, SystemClock};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::build::{currency, instant, observed, provider, second, symbol, window};
use crate::faulty::Faults;
use crate::service::{Service, config};

/// `TICKERD_TEST_BACKUPS=50` for the figure in docs/faults.md.
fn n_backups() -> usize {
    std::env::var("TICKERD_TEST_BACKUPS").map_or(3, |text| text.parse().expect("a count"))
}

async fn tickerd(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickerd"));
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().expect("run")).await;
    output.expect("run")
}

async fn done(arguments: &[&str]) -> Value {
    let output = tickerd(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The records of a backup in an order of their own; counters leap at a restore.
fn records(file: &Path) -> Vec<String> {
    let mut text = String::new();
    let bytes = std::fs::File::open(file).expect("a backup");
    MultiGzDecoder::new(bytes).read_to_string(&mut text).expect("text");
    let is_record = |line: &&str| !line.contains(r#""kind":"counters""#);
    let mut lines: Vec<String> = text
        .lines()
        .filter(is_record)
        .filter(|line| !line.contains(r#""kind":"end""#))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

/// Everything that is not a price.
async fn fill_with_others(store: &dyn Store) {
    let job = JobConfig {
        name: Some("every minute".into()),
        symbols: vec![symbol("AAPL")],
        schedule: Schedule::Interval(Duration::from_secs(60)),
        provider: None,
    };
    store.create_job(job, second(1), None).await.expect("created");
    let ledger = ProviderLedger {
        provider: provider("kraken"),
        revision: 0,
        used: Vec::new(),
        breaker: BreakerState::Open { until: second(9) },
        calls: Default::default(),
    };
    store.save_ledger(ledger).await.expect("saved");
    let asset = Asset {
        symbol: symbol("AAPL"),
        name: "Apple \"Inc\"".into(),
        exchange: None,
        currency: currency("USD"),
    };
    let list = AssetList {
        class: AssetClass::Stock,
        provider: provider("yahoo"),
        updated_at: second(5),
        assets: vec![asset],
    };
    store.save_assets(list).await.expect("saved");
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_under_writing_clients_are_whole_and_hold_what_was_acknowledged() {
    let service = Service::start(Faults::seeded(0, 0)).await;
    fill_with_others(service.parts.store.as_ref()).await;
    let (_address, base) = watch::channel(service.base.clone());
    let stop = CancellationToken::new();
    let mut writing = JoinSet::new();
    let (told, acknowledged) = watch::channel(BTreeMap::<u64, usize>::new());
    let told = Arc::new(told);
    for number in 0..4_u64 {
        let (client, stop, told) =
            (Client::new(base.clone()).expect("a client"), stop.clone(), Arc::clone(&told));
        writing.spawn(async move {
            let symbols = ["S1", "S2"].map(str::to_owned).to_vec();
            let start = instant("2024-05-01T00:00:00Z");
            let mut author = Author::new(format!("c{number}"), symbols, Random(number), start);
            while !stop.is_cancelled() {
                client.write_next(&mut author).await.expect("no contradiction");
                if let Some((id, n_versions)) = author.last_told() {
                    told.send_modify(|all| {
                        all.insert(id, n_versions);
                    });
                }
            }
        });
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut n_earlier = 0;
    for number in 0..n_backups() {
        let n_told = acknowledged.borrow().len();
        crate::service::eventually(async || acknowledged.borrow().len() > n_told + 20).await;
        let before = acknowledged.borrow().clone();
        let file = directory.path().join(format!("{number}.gz"));
        let path = file.to_str().expect("text");
        let made = done(&["backup", path, "--json", "--url", &service.base]).await;
        assert_eq!(done(&["backup", "verify", path, "--json"]).await, made);

        let restored = directory.path().join(format!("{number}"));
        let data = restored.to_str().expect("text");
        assert_eq!(done(&["restore", path, "--json", "--data-dir", data]).await, made);
        let again = directory.path().join(format!("{number}-again.gz"));
        let again_path = again.to_str().expect("text");
        done(&["backup", again_path, "--json", "--data-dir", data]).await;
        let kept = records(&file);
        assert_eq!(records(&again), kept, "the restored store is the backup");
        let n_of = |kind: &str| kept.iter().filter(|line| line.contains(kind)).count();
        for kind in ["job", "ledger", "assets"] {
            assert_eq!(n_of(&format!(r#""kind":"{kind}""#)), 1, "{kind}");
        }
        let versions: BTreeMap<u64, usize> = kept
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .filter_map(|record| {
                Some((record["id"].as_u64()?, record["versions"].as_array()?.len()))
            })
            .collect();
        for (id, n_versions) in &before {
            assert!(
                versions.get(id) >= Some(n_versions),
                "price {id} is not whole in backup {number}"
            );
        }
        assert!(versions.len() > n_earlier, "nothing was written between two backups");
        n_earlier = versions.len();
    }
    stop.cancel();
    writing.join_all().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_service_goes_on_without_gap_or_double() {
    let service = Service::start(Faults::seeded(0, 0)).await;
    let store = Arc::clone(&service.parts.store);
    let early: Vec<_> = (1..=20).map(|secs| observed("AAPL", secs, &secs.to_string())).collect();
    store.append(early.clone()).await.expect("stored");
    service.settle().await;
    let files = tempfile::tempdir().expect("a directory");
    let file = files.path().join("backup.gz");
    let path = file.to_str().expect("text").to_owned();
    done(&["backup", &path, "--json", "--url", &service.base]).await;
    // The service goes on, and is lost with what came after the backup.
    let late = store.append(vec![observed("AAPL", 21, "21")]).await.expect("stored");
    let lost_id = late[0].price().id.get();
    service.settle().await;
    let last_seen = *store.committed().borrow();
    drop(store);
    service.stop().await;

    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().to_str().expect("text").to_owned();
    done(&["restore", &path, "--json", "--data-dir", &data]).await;
    let refused = tickerd(&["restore", &path, "--data-dir", &data]).await;
    assert!(!refused.status.success(), "a store that holds something is not written over");
    let config = config(directory.path());
    let parts = Parts::open(&config, Arc::new(SystemClock)).await.expect("the backends open");
    let restored = Service::on(directory, &config, parts, Faults::seeded(0, 0)).await;
    let store = Arc::clone(&restored.parts.store);

    // What a client knows of the lost store is unknown here, and not something else.
    assert_eq!(restored.get(&format!("/prices/{lost_id}")).await.status, 404);
    let new = store.append(vec![observed("AAPL", 22, "22")]).await.expect("stored");
    assert!(new[0].price().id.get() > lost_id);
    assert!(*store.committed().borrow() > last_seen);
    assert!(store.log_start().await.expect("read") > last_seen, "a stream resumes with a reset");
    // What was in the backup is there once, and sent again it is a duplicate.
    let again = store.append(early).await.expect("answered");
    assert!(again.iter().all(|one| matches!(one, tickerd::ports::Appended::Duplicate(_))));
    // Averages are computed anew, over the seam as well: 18 to 20 and 22.
    crate::service::eventually(async || {
        let stored = store.latest_average(&symbol("AAPL"), window(5)).await.expect("read");
        stored.is_some_and(|average| average.at.observed_at == second(22))
    })
    .await;
    restored.settle().await;
    let ranges = tickerd::model::TimeRange::ALL;
    let averages = store.averages(&symbol("AAPL"), window(5), ranges, 100).await.expect("read");
    let means: Vec<String> = averages.iter().map(|average| average.mean.to_string()).collect();
    assert_eq!(means[..2], ["19.2", "18"]);
    assert_eq!(means.len(), 17);
    let events = store.log_after(Sequence(0), 1_000).await.expect("read");
    let n_prices =
        events.iter().filter(|entry| matches!(entry, tickerd::ports::LogEntry::Price(_))).count();
    assert_eq!(n_prices, 1, "a restore makes no events");
    drop(store);
    restored.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_refused_and_nothing_is_restored() {
    let service = Service::start(Faults::seeded(0, 0)).await;
    let batch = (1..=50).map(|secs| observed("AAPL", secs, "1")).collect();
    service.parts.store.append(batch).await.expect("stored");
    let files = tempfile::tempdir().expect("a directory");
    let file = files.path().join("backup.gz");
    let path = file.to_str().expect("text");
    done(&["backup", path, "--json", "--url", &service.base]).await;
    service.stop().await;
    let whole = std::fs::read(&file).expect("read");
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let damaged = [
        whole[..whole.len() / 2].to_vec(),
        whole[..20].to_vec(),
        flipped(whole.len() / 2),
        Vec::new(),
    ];
    for (number, bytes) in damaged.iter().enumerate() {
        std::fs::write(&file, bytes).expect("written");
        let data = files.path().join(format!("{number}"));
        let data_dir = data.to_str().expect("text");
        for arguments in
            [vec!["backup", "verify", path], vec!["restore", path, "--data-dir", data_dir]]
        {
            let output = tickerd(&arguments).await;
            assert_eq!(output.status.code(), Some(1), "damage {number}: {output:?}");
        }
        let config = config(&data);
        let store = open_store(&config).await.expect("a new store");
        assert_eq!(store.status().await.expect("read").n_prices, 0);
    }
}
