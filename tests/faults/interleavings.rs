//! Random interleavings of new, repeated, late, corrected and deleted prices: whatever the order,
//! the stored averages equal the ones computed at once from what was acknowledged.

use std::sync::Arc;

use rust_decimal::Decimal;
use tickerd::app::backends::Parts;
use tickerd::app::run::App;
use tickerd::app::selftest::author::{Author, Journal, PROVIDER, Random, Reply, Step};
use tickerd::app::selftest::check::check;
use tickerd::model::{Observation, PriceId};
use tickerd::ports::{Appended, Store, SystemClock};
use tokio::task::JoinSet;

use crate::build::{With, amount, corrected, instant, observed, window};
use crate::service::config;

/// Clients that write one symbol at the same time, and the steps of each.
const N_CLIENTS: u64 = 2;
const N_STEPS: u64 = 9;
/// Symbols written at the same time.
const AT_ONCE: u64 = 100;

/// `TICKERD_TEST_INTERLEAVINGS=10000` for the figure in docs/faults.md.
fn n_interleavings() -> u64 {
    std::env::var("TICKERD_TEST_INTERLEAVINGS").map_or(300, |text| text.parse().expect("a count"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_interleaving_ends_with_the_averages_of_a_batch_computation() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = config(directory.path());
    let windows = [1, 2, 5].map(window);
    config.averages.windows = windows.to_vec();
    let parts = Parts::open(&config, Arc::new(SystemClock)).await.expect("the backends open");
    let store = Arc::clone(&parts.store);
    let app = App::build(&config, parts, false).await.expect("built");
    let n_interleavings = n_interleavings();
    let findings = app
        .work(async |_| {
            let mut journal = Journal::new();
            for first in (0..n_interleavings).step_by(AT_ONCE as usize) {
                let mut writing = JoinSet::new();
                for number in first..(first + AT_ONCE).min(n_interleavings) {
                    for client in 0..N_CLIENTS {
                        writing.spawn(write(Arc::clone(&store), number, client));
                    }
                }
                journal.extend(writing.join_all().await.into_iter().flatten());
            }
            crate::service::eventually(async || store.depth().await.expect("read") == 0).await;
            check(store.as_ref(), &journal, &windows).await.expect("read")
        })
        .await
        .expect("closed");
    assert!(findings.is_clean(), "{findings:#?}");
    assert!(findings.n_averages > n_interleavings, "{findings:?}");
    println!("{n_interleavings} interleavings: {findings:?}");
}

/// One client of one symbol. Its number decides what it writes.
async fn write(store: Arc<dyn Store>, number: u64, client: u64) -> Journal {
    let random = Random(number * N_CLIENTS + client);
    let start = instant("2024-05-01T00:00:00Z");
    let symbols = vec![format!("I-{number}")];
    let mut author = Author::new(format!("c{client}"), symbols, random, start);
    for _ in 0..N_STEPS {
        let step = author.next_step();
        let reply = act(store.as_ref(), &step).await;
        author.told(&step, &reply, false).expect("no contradiction");
    }
    author.into_journal()
}

async fn act(store: &dyn Store, step: &Step) -> Reply {
    let text = |price: &Decimal| price.to_string();
    match step {
        Step::Record { key, price } | Step::Repeat { key, price } => {
            let observation = Observation {
                observed_at: key.observed_at,
                ..observed(&key.symbol, 0, &text(price)).by(PROVIDER).external(&key.external_id)
            };
            let outcomes = store.append(vec![observation]).await.expect("stored");
            let price = outcomes[0].price();
            let (id, version) = (price.id.get(), price.version);
            match &outcomes[0] {
                Appended::New(_) => Reply::Stored { id, version },
                Appended::Duplicate(_) => Reply::Duplicate { id, version },
                Appended::Conflict(_) => Reply::Conflict,
            }
        }
        Step::Correct { id, price } => {
            let id = PriceId::new(*id).expect("an id");
            debug_assert_eq!(amount(&text(price)).decimal(), *price);
            match store.correct(id, corrected(&text(price))).await.expect("corrected") {
                Some(price) => Reply::Corrected { version: price.version },
                None => Reply::Unknown,
            }
        }
        Step::Delete { id } => {
            let id = PriceId::new(*id).expect("an id");
            let received_at = instant(crate::build::RECEIVED_AT);
            match store.delete(id, received_at).await.expect("deleted") {
                Some(_) => Reply::Deleted,
                None => Reply::Unknown,
            }
        }
    }
}
