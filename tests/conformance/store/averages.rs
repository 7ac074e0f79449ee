//! Averages, the averager's positions, and the windows that are complete.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use tickerd::model::{Mean, MovingAverage, Position, PriceId, Sequence, TimeRange, Window};
use tickerd::ports::{AverageUpdate, ConsumerPosition, LogEntry, Store};

use crate::build::{second, symbol, window};

fn average(symbol_text: &str, window_size: u64, secs: u64, id: u64, mean: &str) -> MovingAverage {
    MovingAverage {
        symbol: symbol(symbol_text),
        window: window(window_size),
        at: Position { observed_at: second(secs), id: PriceId::new(id).expect("an id") },
        mean: Mean::from_stored(mean.parse::<Decimal>().expect("a decimal")),
    }
}

async fn write(store: &Arc<dyn Store>, averages: &[MovingAverage]) {
    let update = AverageUpdate { averages: averages.to_vec(), ..AverageUpdate::default() };
    store.apply_averages(update).await.expect("applied");
}

async fn all(store: &Arc<dyn Store>, symbol_text: &str, window_size: u64) -> Vec<MovingAverage> {
    store
        .averages(&symbol(symbol_text), window(window_size), TimeRange::ALL, 1_000)
        .await
        .expect("averages")
}

async fn logged(store: &Arc<dyn Store>) -> Vec<MovingAverage> {
    let entries = store.log_after(Sequence(0), 1_000).await.expect("log");
    assert!(entries.is_sorted_by(|one, next| one.sequence() < next.sequence()), "in order");
    entries
        .into_iter()
        .filter_map(|entry| match entry {
            LogEntry::Average { average, .. } => Some(average),
            LogEntry::Price(_) => None,
        })
        .collect()
}

pub(crate) async fn averages_are_written_over(store: Arc<dyn Store>) {
    let first = average("AAPL", 5, 1, 10, "1.5");
    let second = average("AAPL", 5, 2, 20, "2.5");
    write(&store, &[first.clone(), second.clone()]).await;
    let changed = average("AAPL", 5, 1, 10, "1.25");

    write(&store, std::slice::from_ref(&changed)).await;

    assert_eq!(all(&store, "AAPL", 5).await, [second.clone(), changed.clone()]);
    assert_eq!(logged(&store).await, [first, second, changed.clone()]);
    // The last of one update counts.
    let last = average("AAPL", 5, 1, 10, "7");
    write(&store, &[average("AAPL", 5, 1, 10, "6"), last.clone()]).await;
    assert_eq!(all(&store, "AAPL", 5).await[1], last);
    assert_eq!(logged(&store).await.last(), Some(&last));
}

pub(crate) async fn an_unchanged_average_makes_no_log_entry(store: Arc<dyn Store>) {
    let first = average("AAPL", 5, 1, 10, "1.5");
    let second = average("AAPL", 5, 2, 20, "2.5");
    write(&store, std::slice::from_ref(&first)).await;

    write(&store, &[first.clone(), second.clone()]).await;
    write(&store, &[average("AAPL", 5, 1, 10, "1.500"), second.clone()]).await;
    write(&store, &[]).await;

    assert_eq!(logged(&store).await, [first, second]);
}

pub(crate) async fn a_removed_average_is_gone(store: Arc<dyn Store>) {
    let kept = average("AAPL", 5, 1, 10, "1");
    let gone = average("AAPL", 5, 1, 11, "2");
    write(&store, &[kept.clone(), gone.clone(), average("AAPL", 3, 1, 11, "3")]).await;

    let update = AverageUpdate {
        removed: vec![(gone.symbol.clone(), gone.window, gone.at)],
        ..AverageUpdate::default()
    };
    store.apply_averages(update).await.expect("applied");

    assert_eq!(all(&store, "AAPL", 5).await, std::slice::from_ref(&kept));
    assert_eq!(all(&store, "AAPL", 3).await.len(), 1, "another window keeps its average");
    let latest = store.latest_average(&symbol("AAPL"), window(5)).await.expect("latest");
    assert_eq!(latest, Some(kept));
    // Written again it is new, and told so.
    write(&store, std::slice::from_ref(&gone)).await;
    assert_eq!(logged(&store).await.last(), Some(&gone));
}

pub(crate) async fn removing_what_is_not_there_changes_nothing(store: Arc<dyn Store>) {
    let kept = average("AAPL", 5, 1, 10, "1");
    write(&store, std::slice::from_ref(&kept)).await;

    let other = Position { observed_at: second(1), id: PriceId::new(11).expect("an id") };
    let update = AverageUpdate {
        removed: vec![
            (symbol("AAPL"), window(5), other),
            (symbol("AAPL"), window(6), kept.at),
            (symbol("MSFT"), window(5), kept.at),
        ],
        ..AverageUpdate::default()
    };
    store.apply_averages(update).await.expect("applied");

    assert_eq!(all(&store, "AAPL", 5).await, [kept]);
    assert_eq!(logged(&store).await.len(), 1);
}

pub(crate) async fn the_latest_average_has_the_greatest_position(store: Arc<dyn Store>) {
    let newest = average("AAPL", 5, 9, 7, "3");
    write(&store, &[average("AAPL", 5, 9, 6, "2"), newest.clone()]).await;
    write(&store, &[average("AAPL", 5, 1, 99, "1"), average("AAPL", 6, 99, 99, "4")]).await;

    let latest = store.latest_average(&symbol("AAPL"), window(5)).await.expect("latest");
    assert_eq!(latest, Some(newest));
    let none = store.latest_average(&symbol("AAPL"), window(7)).await.expect("latest");
    assert_eq!(none, None);
    let none = store.latest_average(&symbol("AAP"), window(5)).await.expect("latest");
    assert_eq!(none, None);
}

pub(crate) async fn a_range_of_averages_is_half_open_and_newest_first(store: Arc<dyn Store>) {
    let averages: Vec<_> =
        (0..6).map(|secs| average("AAPL", 5, secs / 2, 10 + secs, &secs.to_string())).collect();
    write(&store, &averages).await;
    let mut newest_first = averages;
    newest_first.reverse();

    for (from, to, limit, expected) in
        [(0, 3, 100, 0..6), (1, 2, 100, 2..4), (0, 2, 3, 2..5), (2, 2, 9, 0..0), (1, 9, 1, 0..1)]
    {
        let range = TimeRange { from: second(from), to: second(to) };
        let answer =
            store.averages(&symbol("AAPL"), window(5), range, limit).await.expect("averages");
        assert_eq!(answer, newest_first[expected], "[{from}, {to}) up to {limit}");
    }
}

pub(crate) async fn windows_and_symbols_do_not_mix(store: Arc<dyn Store>) {
    let averages = [
        average("AAPL", 5, 1, 10, "1"),
        average("AAPL", 50, 1, 10, "2"),
        average("AAP", 5, 1, 10, "3"),
        average("AAPL", 1_000, 1, 10, "4"),
    ];
    write(&store, &averages).await;

    for expected in averages {
        let symbol_text = expected.symbol.as_str().to_owned();
        let window_size = u64::from(expected.window.get());
        assert_eq!(all(&store, &symbol_text, window_size).await, [expected]);
    }
}

pub(crate) async fn positions_are_kept_by_group_and_partition(store: Arc<dyn Store>) {
    let at = |group: &str, partition, offset| ConsumerPosition {
        group: group.to_owned(),
        partition,
        offset,
    };
    assert_eq!(store.consumer_position("averager", 0).await.expect("position"), None);
    let update = AverageUpdate {
        averages: vec![average("AAPL", 5, 1, 10, "1")],
        removed: Vec::new(),
        positions: vec![at("averager", 0, 0), at("averager", 7, 42), at("other", 0, 9)],
    };
    store.apply_averages(update).await.expect("applied");
    let far = 1 << 62;
    let update = AverageUpdate { positions: vec![at("averager", 7, far)], ..Default::default() };
    store.apply_averages(update).await.expect("applied");

    for (group, partition, expected) in [
        ("averager", 0, Some(0)),
        ("averager", 7, Some(far)),
        ("averager", 1, None),
        ("other", 0, Some(9)),
        ("others", 0, None),
    ] {
        let offset = store.consumer_position(group, partition).await.expect("position");
        assert_eq!(offset, expected, "{group} {partition}");
    }
    assert_eq!(logged(&store).await.len(), 1, "positions make no log entries");
}

pub(crate) async fn materialised_windows_are_replaced_and_others_forgotten(store: Arc<dyn Store>) {
    let windows = async || -> BTreeSet<Window> {
        store.materialised_windows().await.expect("windows").into_iter().collect()
    };
    assert_eq!(windows().await, BTreeSet::new());
    let kept = average("AAPL", 5, 1, 10, "1");
    write(&store, &[kept.clone(), average("AAPL", 20, 1, 10, "2"), average("B", 20, 1, 11, "3")])
        .await;

    store.set_materialised_windows(&[window(5), window(20)]).await.expect("set");
    assert_eq!(windows().await, [window(5), window(20)].into());
    assert_eq!(all(&store, "AAPL", 20).await.len(), 1);

    store.set_materialised_windows(&[window(7), window(5)]).await.expect("set");
    assert_eq!(windows().await, [window(5), window(7)].into());
    assert_eq!(all(&store, "AAPL", 5).await, std::slice::from_ref(&kept));
    assert_eq!(all(&store, "AAPL", 20).await, []);
    assert_eq!(all(&store, "B", 20).await, []);
    let latest = store.latest_average(&symbol("B"), window(20)).await.expect("latest");
    assert_eq!(latest, None);

    store.set_materialised_windows(&[]).await.expect("set");
    assert_eq!(windows().await, BTreeSet::new());
    assert_eq!(all(&store, "AAPL", 5).await, []);
    write(&store, std::slice::from_ref(&kept)).await;
    assert_eq!(all(&store, "AAPL", 5).await, [kept], "what was forgotten can be written again");
}

pub(crate) async fn means_keep_all_their_digits(store: Arc<dyn Store>) {
    for (id, mean) in [
        "1.3333333333333333333333333333",
        "79228162514264.337593543950335",
        "7.9228162514264337593543950335",
        "999999999999999.9999999999999",
        "0.0000000000000000000000000001",
        "0.00000000000000000001",
        "0",
        "100000",
    ]
    .iter()
    .enumerate()
    {
        let given = average("AAPL", 3, id as u64, id as u64, mean);
        write(&store, std::slice::from_ref(&given)).await;
        let read = store.latest_average(&symbol("AAPL"), window(3)).await.expect("latest");
        assert_eq!(read.as_ref().map(|average| average.mean.to_string()).as_deref(), Some(*mean));
        assert_eq!(read, Some(given.clone()));
        assert_eq!(logged(&store).await.last(), Some(&given));
    }
}

pub(crate) async fn a_turn_is_had_by_one_at_a_time(store: Arc<dyn Store>) {
    let (apple, banana) = (symbol("AAPL"), symbol("B"));
    let first = store.average_turn(&[banana.clone(), apple.clone()]).await.expect("a turn");
    let mut second = Box::pin(store.average_turn(std::slice::from_ref(&apple)));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
    assert!(early.is_err(), "the second waits for the first");
    let update = |mean| AverageUpdate {
        averages: vec![average("AAPL", 5, 1, 10, mean)],
        ..AverageUpdate::default()
    };
    first.apply(update("1")).await.expect("applied");
    second.await.expect("a turn").apply(update("2")).await.expect("applied");
    assert_eq!(all(&store, "AAPL", 5).await, [average("AAPL", 5, 1, 10, "2")]);

    drop(store.average_turn(&[apple.clone(), banana]).await.expect("a turn"));
    store.average_turn(&[apple]).await.expect("a turn that was given up is free");
    store.average_turn(&[]).await.expect("a turn").apply(update("3")).await.expect("applied");
}
