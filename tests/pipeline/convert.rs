//! A store file of schema 1, written by the last release that had it, with what that release said
//! was in it: `schema-1.ndjson` is its backup, `schema-1.log` its log, what waited for the bus and
//! its averages.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use tickerd::adapters::store::redb::{RedbOptions, RedbStore};
use tickerd::codec::snapshot::{Line, decode, encode};
use tickerd::model::{Sequence, SnapshotRecord, Symbol, TimeRange, Window};
use tickerd::ports::{Appended, AverageStore, Outbox, PriceStore, Snapshots, Store};

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new("tests/fixtures/store").join(name);
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).expect("a fixture"))
        .read_to_end(&mut bytes)
        .expect("unpacked");
    bytes
}

fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).expect("text")
}

async fn backup(store: &RedbStore) -> Vec<String> {
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    let mut lines = Vec::new();
    loop {
        let records = snapshot.next(97).await.expect("records");
        if records.is_empty() {
            return lines;
        }
        for record in records {
            lines.push(String::from_utf8(encode(&Line::Record(record))).expect("text"));
        }
    }
}

async fn log(store: &RedbStore) -> String {
    let mut text = String::new();
    for entry in store.log_after(Sequence(0), 100_000).await.expect("log") {
        writeln!(text, "{entry:?}").expect("written");
    }
    for event in store.pending(100_000).await.expect("pending") {
        writeln!(text, "pending {}", event.sequence).expect("written");
    }
    for name in ["AAPL", "BTC-USD", "EUR/USD"] {
        let symbol = Symbol::parse(name).expect("a symbol");
        let window = Window::new(3).expect("a window");
        let averages = store.averages(&symbol, window, TimeRange::ALL, 10_000).await;
        for average in averages.expect("averages") {
            writeln!(text, "{average:?}").expect("written");
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_schema_1_is_converted_at_start_and_says_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("old.redb");
    std::fs::write(&file, fixture("schema-1.redb.gz")).expect("written");
    let expected: Vec<String> = text("schema-1.ndjson.gz").lines().map(str::to_owned).collect();
    let expected_log = text("schema-1.log.gz");

    // The second opening reads what the first made.
    for opening in ["converting", "reopening"] {
        let store = RedbStore::open(&file, &RedbOptions::default()).expect("opened");
        // Counters come first; the sequence moves on at each start.
        assert_eq!(backup(&store).await[1..], expected[1..], "{opening}");
        assert_eq!(log(&store).await, expected_log, "{opening}");
        assert_eq!(store.status().await.expect("status").schema_version, 2);
        store.close().await.expect("closed");
    }

    let store = RedbStore::open(&file, &RedbOptions::default()).expect("opened");
    let (mut n_prices, mut again, mut known) = (0, Vec::new(), Vec::new());
    for line in &expected[1..] {
        let Ok(Line::Record(SnapshotRecord::History(versions))) = decode(line.as_bytes()) else {
            continue;
        };
        n_prices += 1;
        let current = versions.last().expect("a version");
        assert_eq!(store.history(current.price.id).await.expect("history"), versions);
        if !current.deleted {
            again.push(current.price.observation.clone());
            known.push(Appended::Duplicate(current.price.clone()));
        }
    }
    assert_eq!(store.append(again).await.expect("appended"), known);
    assert_eq!(store.status().await.expect("status").n_prices, n_prices);
    store.close().await.expect("closed");
}
