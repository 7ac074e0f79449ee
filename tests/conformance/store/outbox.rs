//! The log of changes: what waits for the bus, and what streams resume from.

use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use tickerd::model::{Mean, MovingAverage, PriceEvent, Sequence};
use tickerd::ports::{AverageUpdate, LogEntry, Store};

use super::{pending, record, record_all};
use crate::build::{corrected, observed, window};

/// How long a wake-up may take; only a broken store needs it.
const DEADLINE: Duration = Duration::from_secs(20);

fn sequences(events: &[PriceEvent]) -> Vec<Sequence> {
    events.iter().map(|event| event.sequence).collect()
}

/// Stores an average at a price, so that the log holds one.
async fn record_average(store: &Arc<dyn Store>, secs: u64) -> MovingAverage {
    let price = record(store, observed("AVG", secs, "4")).await;
    let average = MovingAverage {
        symbol: price.observation.symbol.clone(),
        window: window(1),
        at: price.position(),
        mean: Mean::from_stored(Decimal::from(4)),
    };
    let update = AverageUpdate { averages: vec![average.clone()], ..AverageUpdate::default() };
    store.apply_averages(update).await.expect("applied");
    average
}

pub(crate) async fn pending_events_wait_until_confirmed(store: Arc<dyn Store>) {
    assert_eq!((pending(&store).await, store.depth().await.expect("depth")), (vec![], 0));
    record_all(&store, (0..5).map(|secs| observed("AAPL", secs, "1")).collect()).await;

    let events = pending(&store).await;
    assert_eq!(events.len(), 5);
    assert!(events.is_sorted_by(|one, next| one.sequence < next.sequence));
    assert_eq!(store.pending(2).await.expect("pending"), events[..2]);
    assert_eq!(store.depth().await.expect("depth"), 5);

    store.confirm(&sequences(&events[..2])).await.expect("confirmed");
    assert_eq!(pending(&store).await, events[2..]);
    assert_eq!(store.depth().await.expect("depth"), 3);

    store.confirm(&sequences(&events[2..])).await.expect("confirmed");
    assert_eq!((pending(&store).await, store.depth().await.expect("depth")), (vec![], 0));
}

pub(crate) async fn confirming_twice_or_what_is_unknown_changes_nothing(store: Arc<dyn Store>) {
    record_all(&store, (0..3).map(|secs| observed("AAPL", secs, "1")).collect()).await;
    let events = pending(&store).await;
    let first = sequences(&events[..1]);

    store.confirm(&first).await.expect("confirmed");
    store.confirm(&[first[0], first[0]]).await.expect("confirmed again");
    store.confirm(&[Sequence(1 << 50)]).await.expect("unknown");
    store.confirm(&[]).await.expect("nothing");

    assert_eq!(pending(&store).await, events[1..]);
    assert_eq!(store.depth().await.expect("depth"), 2);
    // A sequence that was confirmed before it existed is not confirmed later.
    record(&store, observed("AAPL", 9, "1")).await;
    assert_eq!(store.depth().await.expect("depth"), 3);
}

pub(crate) async fn events_can_be_confirmed_out_of_order(store: Arc<dyn Store>) {
    let prices = record_all(&store, (0..4).map(|secs| observed("AAPL", secs, "1")).collect()).await;
    let events = pending(&store).await;

    store.confirm(&[events[3].sequence, events[1].sequence]).await.expect("confirmed");
    store.correct(prices[0].id, corrected("2")).await.expect("corrected");

    let left = pending(&store).await;
    assert_eq!(left[..2], [events[0].clone(), events[2].clone()]);
    assert_eq!(left.len(), 3);
    assert!(left[2].sequence > events[3].sequence, "a sequence is never used again");
}

pub(crate) async fn averages_are_not_pending(store: Arc<dyn Store>) {
    record_average(&store, 1).await;

    let events = pending(&store).await;
    assert_eq!(events.len(), 1);
    assert_eq!(store.depth().await.expect("depth"), 1);
    // Confirming the sequence of an average changes nothing either.
    let log = store.log_after(Sequence(0), 10).await.expect("log");
    store.confirm(&[log[1].sequence()]).await.expect("confirmed");
    assert_eq!(store.depth().await.expect("depth"), 1);
}

pub(crate) async fn the_log_holds_confirmed_events_and_averages(store: Arc<dyn Store>) {
    let first = record_average(&store, 1).await;
    let events = pending(&store).await;
    store.confirm(&sequences(&events)).await.expect("confirmed");
    let second = record_average(&store, 2).await;
    let mut events = events;
    events.extend(pending(&store).await);

    let log = store.log_after(Sequence(0), 100).await.expect("log");

    assert!(log.is_sorted_by(|one, next| one.sequence() < next.sequence()));
    assert_eq!(log[0], LogEntry::Price(events[0].clone()));
    assert_eq!(log[1], LogEntry::Average { sequence: log[1].sequence(), average: first });
    assert_eq!(log[2], LogEntry::Price(events[1].clone()));
    assert_eq!(log[3], LogEntry::Average { sequence: log[3].sequence(), average: second });
    assert_eq!(log.len(), 4);
}

pub(crate) async fn the_log_is_read_in_portions(store: Arc<dyn Store>) {
    for secs in 0..4 {
        record_average(&store, secs).await;
    }
    let whole = store.log_after(Sequence(0), 100).await.expect("log");
    assert_eq!(whole.len(), 8);

    let mut portions = Vec::new();
    let mut after = Sequence(0);
    loop {
        let portion = store.log_after(after, 3).await.expect("log");
        let Some(last) = portion.last() else { break };
        after = last.sequence();
        portions.extend(portion);
    }
    assert_eq!(portions, whole);
}

pub(crate) async fn the_log_can_be_resumed_from_its_start(store: Arc<dyn Store>) {
    let empty_start = store.log_start().await.expect("start");
    assert_eq!(store.log_after(empty_start, 10).await.expect("log"), []);
    record_all(&store, (0..3).map(|secs| observed("AAPL", secs, "1")).collect()).await;
    let events = pending(&store).await;
    store.confirm(&sequences(&events)).await.expect("confirmed");

    let start = store.log_start().await.expect("start");

    let whole = store.log_after(Sequence(0), 10).await.expect("log");
    assert_eq!(whole.len(), 3, "so few entries are all kept");
    assert!(start <= whole[0].sequence(), "{start} <= {}", whole[0].sequence());
    assert_eq!(store.log_after(empty_start, 10).await.expect("log"), whole);
}

pub(crate) async fn committed_wakes_its_watchers(store: Arc<dyn Store>) {
    let mut committed = store.committed();
    let before = *committed.borrow_and_update();

    record_average(&store, 1).await;

    let log = store.log_after(Sequence(0), 10).await.expect("log");
    let last = log.last().expect("an entry").sequence();
    tokio::time::timeout(DEADLINE, committed.wait_for(|sequence| *sequence >= last))
        .await
        .expect("woken in time")
        .expect("the store is open");
    assert!(before < last);
    assert_eq!(*store.committed().borrow(), last, "a new watcher knows at once");
}

pub(crate) async fn nothing_appears_behind_what_was_read(store: Arc<dyn Store>) {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for secs in 0..25 {
                record(&store, observed(&format!("S{writer}"), secs, "1")).await;
            }
        });
    }

    // Reads as a stream does: whenever something is committed, what is behind the last read.
    let mut committed = store.committed();
    let mut read: Vec<Sequence> = Vec::new();
    let mut relayed: Vec<Sequence> = Vec::new();
    while read.len() < 200 {
        let known = *committed.borrow_and_update();
        let after = read.last().copied().unwrap_or_default();
        let portion = store.log_after(after, 7).await.expect("log");
        if portion.is_empty() {
            assert!(known <= after, "{known} is said to be committed but not in the log");
            tokio::time::timeout(DEADLINE, committed.changed())
                .await
                .expect("woken in time")
                .expect("the store is open");
        }
        read.extend(portion.iter().map(LogEntry::sequence));
        let waiting = sequences(&store.pending(5).await.expect("pending"));
        store.confirm(&waiting).await.expect("confirmed");
        relayed.extend(waiting);
    }
    writers.join_all().await;
    relayed.extend(sequences(&pending(&store).await));

    let whole: Vec<_> = store
        .log_after(Sequence(0), 1_000)
        .await
        .expect("log")
        .iter()
        .map(LogEntry::sequence)
        .collect();
    assert_eq!(whole.len(), 200);
    assert_eq!(read, whole, "a reader that only goes forward has seen everything");
    assert_eq!(relayed, whole, "and so has a relay, in order");
}
