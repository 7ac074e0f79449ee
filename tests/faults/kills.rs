//! The service killed under writing clients, by the verb that anybody can run; and that its
//! checker sees what it is there to see.

use std::process::Command;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde_json::Value;
use tickerd::app::backends::{Parts, open_store};
use tickerd::app::run::App;
use tickerd::app::selftest::author::{Acknowledged, Journal, Key, Told};
use tickerd::app::selftest::check::{Findings, check};
use tickerd::model::PriceId;
use tickerd::ports::SystemClock;

use crate::build::{corrected, observed, second, window};
use crate::service::config;

/// `TICKERD_TEST_KILLS=200` for the figure in docs/faults.md.
fn n_kills() -> u64 {
    std::env::var("TICKERD_TEST_KILLS").map_or(4, |text| text.parse().expect("a count"))
}

#[test]
fn kills_under_writing_clients_lose_and_double_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_tickerd"))
        .args(["selftest", "--chaos", "--seed", "1", "--json", "--clients", "32", "--kills"])
        .arg(n_kills().to_string())
        .arg("--work-dir")
        .arg(directory.path().join("work"))
        .output()
        .expect("run");
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["clean"], true, "{report}");
    assert_eq!(report["kills"], n_kills());
    for (name, at_least) in [
        ("acknowledged", 100),
        ("duplicates", 1),
        ("corrected", 1),
        ("deleted", 1),
        ("sent_again", 1),
        ("read_after_kill", n_kills()),
        ("averages", 100),
    ] {
        assert!(report[name].as_u64() >= Some(at_least), "{name} is too low: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checker_sees_each_kind_of_fault() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    let parts = Parts::open(&config, Arc::new(SystemClock)).await.expect("the backends open");
    let batch: Vec<_> = (1..=8).map(|secs| observed("A", secs, "2")).collect();
    let stored = parts.store.append(batch).await.expect("stored");
    let ids: Vec<u64> = stored.iter().map(|appended| appended.price().id.get()).collect();
    let first = PriceId::new(ids[0]).expect("an id");
    parts.store.correct(first, corrected("4")).await.expect("corrected");
    App::build(&config, parts, false).await.expect("built").drain(|_| ()).await.expect("drained");
    let store = open_store(&config).await.expect("the store opens");
    let told = |price: i64| Told { price: Decimal::from(price), deleted: false };
    let key =
        |secs| Key { symbol: "A".into(), observed_at: second(secs), external_id: String::new() };
    let mut journal = Journal::new();
    for (secs, id) in (1..).zip(&ids) {
        let versions = if secs == 1 { vec![told(2), told(4)] } else { vec![told(2)] };
        journal.insert(key(secs), Acknowledged { id: *id, versions });
    }
    let found = async |change: &dyn Fn(&mut Journal)| {
        let mut journal = journal.clone();
        change(&mut journal);
        check(store.as_ref(), &journal, &[window(5)]).await.expect("read")
    };
    let counts = |f: &Findings| (f.n_lost, f.n_double, f.n_wrong, f.n_wrong_averages);

    let right = found(&|_| ()).await;
    assert!(right.is_clean(), "{right:?}");
    assert_eq!((right.n_prices, right.n_versions, right.n_averages), (8, 9, 4));

    // Somebody was told of a price that is not there, or that is kept once too often.
    let lost = found(&|journal| {
        journal.insert(key(9), Acknowledged { id: 4_000, versions: vec![told(1)] });
    })
    .await;
    assert_eq!(counts(&lost), (2, 0, 0, 1));
    let double = found(&|journal| {
        journal.remove(&key(8));
    })
    .await;
    assert_eq!(counts(&double), (0, 1, 0, 1));
    // A correction was lost, or made twice.
    let versions = |versions: Vec<Told>| {
        move |journal: &mut Journal| {
            journal.get_mut(&key(1)).expect("known").versions = versions.clone()
        }
    };
    assert_eq!(counts(&found(&versions(vec![told(2), told(3), told(4)])).await), (1, 0, 0, 0));
    assert_eq!(counts(&found(&versions(vec![told(4)])).await), (0, 1, 0, 0));
    // Another value is kept, now or before.
    assert_eq!(counts(&found(&versions(vec![told(3), told(4)])).await), (0, 0, 1, 0));
    assert_eq!(counts(&found(&versions(vec![told(2), told(9)])).await), (0, 0, 2, 1));
    store.close().await.expect("closed");
}
