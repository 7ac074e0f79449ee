//! Many clients write while every backend fails now and then, in every way its contract allows.
//! Afterwards each acknowledged write is there exactly once, and the averages are right.

use std::sync::Arc;

use tickerd::app::selftest::author::{Author, Journal, Random};
use tickerd::app::selftest::check::check;
use tickerd::app::selftest::client::Client;
use tickerd::ports::SystemClock;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::build::{instant, window};
use crate::faulty::{Faults, KINDS};
use crate::service::{Service, eventually};

const N_CLIENTS: u64 = 12;
const N_STEPS: usize = 80;

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_are_there_exactly_once_whatever_fails() {
    let seed = 4;
    let windows = [1, 5, 20].map(window);
    let faults = Faults::seeded(seed, 60);
    // The bus carries many events in one call, so that there are few calls to fail.
    for kind in KINDS.iter().filter(|kind| kind.starts_with("bus")) {
        faults.set(kind, 300);
    }
    let service = Service::start_with(Arc::clone(&faults), Arc::new(SystemClock), |config| {
        config.averages.windows = windows.to_vec();
    })
    .await;
    let (_address, base) = watch::channel(service.base.clone());
    let mut writing = JoinSet::new();
    for number in 0..N_CLIENTS {
        let client = Client::new(base.clone()).expect("a client");
        writing.spawn(async move {
            let symbols = ["S1", "S2", "S3"].map(str::to_owned).to_vec();
            let random = Random(seed * 1_000 + number);
            let start = instant("2024-05-01T00:00:00Z");
            let mut author = Author::new(format!("c{number}"), symbols, random, start);
            for _ in 0..N_STEPS {
                client.write_next(&mut author).await.expect("no contradiction");
            }
            author.into_journal()
        });
    }
    let mut journal = Journal::new();
    for own in writing.join_all().await {
        journal.extend(own);
    }
    for _ in 0..100 {
        let answer = service.get("/prices/latest?symbol=S1").await;
        assert!([200, 503].contains(&answer.status), "{answer:?}");
    }
    // A quick relay carries many events in one call: it goes on, one write at a time, until the
    // pipeline was met by every kind of fault.
    let store = &service.parts.store;
    let client = Client::new(base).expect("a client");
    let start = instant("2024-05-01T00:00:00Z");
    let mut last = Author::new("last".into(), vec!["S1".into()], Random(seed), start);
    eventually(async || {
        client.write_next(&mut last).await.expect("no contradiction");
        eventually(async || store.depth().await.expect("read") == 0).await;
        faults.all_fired(KINDS)
    })
    .await;
    journal.extend(last.into_journal());
    faults.calm();
    service.settle().await;

    let findings = check(store.as_ref(), &journal, &windows).await.expect("read");

    assert!(findings.is_clean(), "seed {seed}: {findings:#?}");
    assert!(findings.n_averages > 1_000, "{findings:?}");
    assert_eq!(store.dead_letters(0, 10).await.expect("read"), []);
    faults.assert_each_fired(KINDS);
    service.stop().await;
}
