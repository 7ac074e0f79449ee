//! From edge to full and back, proven by counts and checksums.

use std::time::Duration;

use serde_json::Value;
use tickerd::app::backends::{open_redb, open_store};
use tickerd::app::migrate::{Inventory, prove};
use tickerd::model::{
    Actor, ApiKey, AuditDraft, JobConfig, KeyId, PriceId, Role, Schedule, Window,
};
use tickerd::ports::{AuditStore, PriceStore, Store};

use crate::build::{corrected, observed, second, symbol};
use crate::installation::Installation;

/// An edge store with prices of two symbols over three days, corrected and deleted ones too.
async fn fill(installation: &Installation) {
    let store = open_redb(&installation.config).expect("a store");
    let mut ids: Vec<PriceId> = Vec::new();
    for (symbol, days) in [("AAPL", 3), ("MSFT", 1)] {
        for hour in 0..days * 24 {
            let appended = store.append(vec![observed(symbol, hour * 3_600, "1.5")]).await;
            ids.extend(appended.expect("stored").iter().map(|appended| appended.price().id));
        }
    }
    for id in ids.iter().step_by(7) {
        store.correct(*id, corrected("2.25")).await.expect("corrected");
    }
    for id in ids.iter().step_by(11) {
        store.delete(*id, second(1_000_000)).await.expect("deleted");
    }
    let draft = |action| AuditDraft::without_request(second(1), Actor::Operator, action, "");
    let key = ApiKey {
        id: KeyId::from_bytes([7; 6]),
        role: Role::Write,
        name: Some("desk".into()),
        secret_hash: [9; 32],
        created_at: second(1),
        expires_at: Some(second(9)),
        revoked_at: None,
        last_used_at: None,
    };
    assert!(store.audited(draft("key.create")).create_key(key).await.expect("created"));
    store.note(draft("access.refused")).await.expect("noted");
    let job = JobConfig {
        name: Some("desk".into()),
        symbols: vec![symbol("AAPL")],
        schedule: Schedule::Interval(Duration::from_secs(600)),
        provider: None,
    };
    store.audited(draft("job.create")).create_job(job, second(1), None).await.expect("created");
    store.close().await.expect("closed");
}

/// Asserts that both have the same keys and jobs, and the same trail to the last hash.
async fn assert_same_access(one: &dyn Store, other: &dyn Store) {
    let (keys, trail) = (one.keys().await.expect("read"), one.audit_after(0, 100).await);
    let (trail, jobs) = (trail.expect("read"), one.jobs(None, 9).await.expect("read"));
    assert_eq!((keys.len(), trail.len(), jobs.len()), (1, 3, 1));
    assert_eq!(other.keys().await.expect("read"), keys);
    assert_eq!(other.audit_after(0, 100).await.expect("read"), trail);
    assert_eq!(other.audit_head().await.expect("read"), one.audit_head().await.expect("read"));
    assert_eq!(other.jobs(None, 9).await.expect("read"), jobs);
}

async fn migrate(installation: &Installation, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = installation.command(&["migrate"]);
    let output = command.args(arguments).output().await.expect("it runs");
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&told).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_to_full_and_back_and_is_the_same() {
    let Some(mut installation) = Installation::new() else { return };
    assert_eq!(migrate(&installation, &["--to", "full"]).await.0, Some(1), "nothing to copy");
    fill(&installation).await;

    let (code, told) = migrate(&installation, &["--to", "full", "--dry-run", "--json"]).await;
    assert_eq!(code, Some(0), "{told}");
    let report: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&report["records"]["prices"], &report["target"]), (&96.into(), &0.into()));

    for _ in 0..2 {
        let (code, told) = migrate(&installation, &["--to", "full"]).await;
        assert_eq!(code, Some(0), "a second copy adds nothing: {told}");
    }
    let edge = open_redb(&installation.config).expect("a store");
    let full = open_store(&installation.config).await.expect("a store");
    let wanted = Inventory::of(&edge, |_| ()).await.expect("counted");
    prove(&wanted, &Inventory::of(full.as_ref(), |_| ()).await.expect("counted")).expect("equal");
    let window = Window::new(5).expect("a window");
    let average = full.latest_average(&symbol("AAPL"), window).await.expect("read");
    assert!(average.is_some(), "averages were computed");
    assert_same_access(&edge, full.as_ref()).await;
    edge.close().await.expect("closed");

    // What is in the way of a true copy is found and named.
    full.append(vec![observed("AAPL", 60, "9")]).await.expect("stored");
    let (code, told) = migrate(&installation, &["--to", "full"]).await;
    assert_eq!(code, Some(1));
    assert!(told.contains("prices of AAPL on 2024-05-01: 24 here, 25 in the copy"), "{told}");

    installation.config.store.data_dir = installation.directory.path().join("back");
    let (code, told) = migrate(&installation, &["--to", "edge"]).await;
    assert_eq!(code, Some(0), "{told}");
    let back = open_redb(&installation.config).expect("a store");
    let full_now = Inventory::of(full.as_ref(), |_| ()).await.expect("counted");
    prove(&full_now, &Inventory::of(&back, |_| ()).await.expect("counted")).expect("equal");
    assert_same_access(full.as_ref(), &back).await;
    full.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_alone_can_be_brought_up() {
    let Some(installation) = Installation::new() else { return };
    let (code, told) = migrate(&installation, &["--schema-only"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("postgres: schema version"), "{told}");
}
