//! Storing observations, each at most once by its natural key.

use std::collections::HashSet;
use std::sync::Arc;

use tickerd::model::{Currency, EventKind, TimeSource};
use tickerd::ports::{Appended, PriceQuery, Store};

use super::{append, pending, record, record_all};
use crate::build::{With, amount, corrected, currency, instant, observed, raw};

pub(crate) async fn a_new_observation_is_answered_as_it_was_given(store: Arc<dyn Store>) {
    let mut given = observed("BTC-USD", 1, "67000.5").volume("0.25").external("t-1").by("kraken");
    given.currency = currency("USDT");
    given.time_source = TimeSource::DateOnly;
    given.raw = Some(raw(r#"{"p":67000.50}"#));

    let price = record(&store, given.clone()).await;

    assert_eq!(price.version, 1);
    assert_eq!(price.observation, given);
    assert_eq!(store.price(price.id, None).await.expect("read"), Some(price));
}

pub(crate) async fn appending_twice_stores_once(store: Arc<dyn Store>) {
    let first = record(&store, observed("AAPL", 1, "10.5")).await;

    let again = append(&store, observed("AAPL", 1, "10.50")).await;

    assert_eq!(again, Appended::Duplicate(first.clone()));
    assert_eq!(store.prices(PriceQuery::newest(10)).await.expect("listed"), [first]);
    assert_eq!(pending(&store).await.len(), 1, "a duplicate makes no event");
}

pub(crate) async fn another_payload_or_arrival_of_the_same_value_is_a_duplicate(
    store: Arc<dyn Store>,
) {
    let first = record(&store, observed("AAPL", 1, "10.5")).await;
    let mut again = observed("AAPL", 1, "10.5").received("2024-06-02T00:00:00Z");
    again.raw = Some(raw("{}"));
    again.time_source = TimeSource::Received;

    assert_eq!(append(&store, again).await, Appended::Duplicate(first.clone()));
    assert_eq!(store.price(first.id, None).await.expect("read"), Some(first));
}

pub(crate) async fn another_value_of_the_same_key_is_a_conflict(store: Arc<dyn Store>) {
    let stored = record(&store, observed("AAPL", 1, "10.5").volume("3")).await;
    let mut other_currency = observed("AAPL", 1, "10.5").volume("3");
    other_currency.currency = currency("EUR");

    for (label, other) in [
        ("price", observed("AAPL", 1, "10.6").volume("3")),
        ("volume", observed("AAPL", 1, "10.5").volume("4")),
        ("no volume", observed("AAPL", 1, "10.5")),
        ("currency", other_currency),
    ] {
        let answer = append(&store, other).await;
        assert_eq!(answer, Appended::Conflict(stored.clone()), "another {label}");
    }
    assert_eq!(store.price(stored.id, None).await.expect("read"), Some(stored));
    assert_eq!(pending(&store).await.len(), 1, "a conflict makes no event");
}

pub(crate) async fn duplicates_and_conflicts_within_a_batch_count_like_stored_ones(
    store: Arc<dyn Store>,
) {
    let batch = vec![
        observed("AAPL", 1, "10"),
        observed("AAPL", 1, "10"),
        observed("AAPL", 1, "11"),
        observed("AAPL", 2, "11"),
    ];

    let answers = store.append(batch).await.expect("appended");

    let Appended::New(first) = &answers[0] else { panic!("new: {:?}", answers[0]) };
    assert_eq!(answers[1], Appended::Duplicate(first.clone()));
    assert_eq!(answers[2], Appended::Conflict(first.clone()));
    assert!(matches!(answers[3], Appended::New(_)), "{:?}", answers[3]);
    assert_eq!(answers.len(), 4);
    assert_eq!(pending(&store).await.len(), 2);
}

pub(crate) async fn external_ids_tell_ticks_of_one_instant_apart(store: Arc<dyn Store>) {
    let without = record(&store, observed("AAPL", 1, "10")).await;
    let first = record(&store, observed("AAPL", 1, "10").external("1")).await;
    let second = record(&store, observed("AAPL", 1, "11").external("2")).await;

    let ids: HashSet<_> = [without.id, first.id, second.id].into();
    assert_eq!(ids.len(), 3);
    let again = append(&store, observed("AAPL", 1, "11").external("2")).await;
    assert_eq!(again, Appended::Duplicate(second));
    let other = append(&store, observed("AAPL", 1, "12").external("1")).await;
    assert_eq!(other, Appended::Conflict(first));
    // External ids are compared to the letter.
    record(&store, observed("AAPL", 1, "10").external("a")).await;
    record(&store, observed("AAPL", 1, "10").external("A")).await;
}

pub(crate) async fn two_providers_may_report_one_instant(store: Arc<dyn Store>) {
    let yahoo = record(&store, observed("AAPL", 1, "10").by("yahoo")).await;
    let kraken = record(&store, observed("AAPL", 1, "11").by("kraken")).await;

    assert_ne!(yahoo.id, kraken.id);
    let again = append(&store, observed("AAPL", 1, "10").by("yahoo")).await;
    assert_eq!(again, Appended::Duplicate(yahoo));
}

pub(crate) async fn answers_come_in_the_order_of_the_batch(store: Arc<dyn Store>) {
    let stored = record(&store, observed("M", 5, "5")).await;
    let batch: Vec<_> = [("Z", 9), ("A", 3), ("M", 5), ("A", 1), ("Z", 2)]
        .into_iter()
        .map(|(symbol, secs)| observed(symbol, secs, &secs.to_string()))
        .collect();

    let answers = store.append(batch.clone()).await.expect("appended");

    let observations: Vec<_> =
        answers.iter().map(|answer| answer.price().observation.clone()).collect();
    assert_eq!(observations, batch);
    assert_eq!(answers[2], Appended::Duplicate(stored));
    let events: Vec<_> = pending(&store).await.into_iter().map(|event| event.price_id).collect();
    let stored_in_order: Vec<_> =
        [2, 0, 1, 3, 4].iter().map(|index| answers[*index].price().id).collect();
    assert_eq!(events, stored_in_order, "events come in the order of the batch");
}

pub(crate) async fn ids_grow(store: Arc<dyn Store>) {
    let mut prices = record_all(
        &store,
        vec![observed("B", 9, "1"), observed("A", 8, "1"), observed("A", 7, "1")],
    )
    .await;
    prices.push(record(&store, observed("A", 1, "1")).await);
    prices.push(record(&store, observed("0", 5, "1")).await);

    assert!(prices.is_sorted_by(|one, next| one.id < next.id), "{prices:?}");
}

pub(crate) async fn an_empty_batch_is_answered_with_nothing(store: Arc<dyn Store>) {
    assert_eq!(store.append(Vec::new()).await.expect("appended"), []);
    assert_eq!(pending(&store).await, []);
}

pub(crate) async fn every_change_makes_one_event_and_nothing_else_does(store: Arc<dyn Store>) {
    let price = record(&store, observed("AAPL", 1, "10")).await;
    append(&store, observed("AAPL", 1, "10")).await;
    append(&store, observed("AAPL", 1, "99")).await;
    store.correct(price.id, corrected("11")).await.expect("corrected");
    store.correct(price.id, corrected("11")).await.expect("unchanged");
    let received_at = instant("2024-06-02T00:00:00Z");
    store.delete(price.id, received_at).await.expect("deleted");
    store.delete(price.id, received_at).await.expect("deleted already");
    store.correct(price.id, corrected("12")).await.expect("none");
    append(&store, observed("AAPL", 1, "13")).await;

    let events = pending(&store).await;

    let kinds: Vec<_> =
        events.iter().map(|event| (event.kind, event.version, event.price.to_string())).collect();
    assert_eq!(
        kinds,
        [
            (EventKind::Recorded, 1, "10".to_owned()),
            (EventKind::Corrected, 2, "11".to_owned()),
            (EventKind::Deleted, 3, "11".to_owned()),
            (EventKind::Recorded, 4, "13".to_owned()),
        ]
    );
    assert!(events.is_sorted_by(|one, next| one.sequence < next.sequence), "sequences grow");
    let message_ids: HashSet<_> = events.iter().map(|event| event.message_id).collect();
    assert_eq!(message_ids.len(), 4, "message ids are unique");
    assert_eq!(pending(&store).await, events, "an event is the same at every reading");
}

pub(crate) async fn an_event_says_what_the_price_says(store: Arc<dyn Store>) {
    let mut given = observed("EUR/USD", 7, "1.0825").volume("12.5").by("kraken");
    given.raw = Some(raw("[1]"));
    given.currency = currency("EUR");
    let price = record(&store, given).await;
    record(&store, observed("AAPL", 7, "1")).await;

    let events = pending(&store).await;

    let event = &events[0];
    assert_eq!(event.kind, EventKind::Recorded);
    assert_eq!(event.price_id, price.id);
    assert_eq!(event.version, 1);
    assert_eq!(event.symbol, price.observation.symbol);
    assert_eq!(event.price, amount("1.0825"));
    assert_eq!(event.currency, currency("EUR"));
    assert_eq!(event.volume, Some(amount("12.5")));
    assert_eq!(event.observed_at, price.observation.observed_at);
    assert_eq!(event.received_at, price.observation.received_at);
    assert_eq!(event.provider, price.observation.provider);
    assert_eq!(event.raw_response_id, price.raw_response_id());
    assert!(event.raw_response_id.is_some());
    // A UUIDv7 has its version in the 13th and its variant in the 17th hex digit.
    assert_eq!(event.message_id >> 76 & 0xf, 7, "{:032x}", event.message_id);
    assert_eq!(event.message_id >> 62 & 0b11, 0b10, "{:032x}", event.message_id);
    assert_eq!(events[1].raw_response_id, None);
    assert_eq!(events[1].currency, Currency::USD);
    assert_eq!(events[1].volume, None);
}

pub(crate) async fn concurrent_appends_of_one_key_store_once(store: Arc<dyn Store>) {
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..50 {
        let store = Arc::clone(&store);
        // Every fifth caller disagrees about the value.
        let price = if caller % 5 == 0 { "11" } else { "10" };
        callers.spawn(async move { append(&store, observed("AAPL", 1, price)).await });
    }
    let answers = callers.join_all().await;

    let new: Vec<_> = answers.iter().filter(|answer| matches!(answer, Appended::New(_))).collect();
    assert_eq!(new.len(), 1, "one caller stores");
    let stored = new[0].price();
    assert!(answers.iter().all(|answer| answer.price() == stored), "all are answered the same");
    let n_conflicts =
        answers.iter().filter(|answer| matches!(answer, Appended::Conflict(_))).count();
    let expected = if stored.observation.price == amount("10") { 10 } else { 40 };
    assert_eq!(n_conflicts, expected);
    assert_eq!(pending(&store).await.len(), 1);
}

pub(crate) async fn concurrent_batches_are_all_stored(store: Arc<dyn Store>) {
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..20_u64 {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            // Neighbours overlap in half of their keys, in opposite orders.
            let mut batch: Vec<_> =
                (caller * 5..caller * 5 + 10).map(|secs| observed("AAPL", secs, "1")).collect();
            if caller % 2 == 0 {
                batch.reverse();
            }
            store.append(batch).await.expect("appended")
        });
    }
    let answers: Vec<_> = callers.join_all().await.into_iter().flatten().collect();

    let n_new = answers.iter().filter(|answer| matches!(answer, Appended::New(_))).count();
    assert_eq!((answers.len(), n_new), (200, 105));
    assert_eq!(store.prices(PriceQuery::newest(1_000)).await.expect("listed").len(), 105);
    assert_eq!(pending(&store).await.len(), 105);
}

pub(crate) async fn two_thousand_rows_are_one_batch(store: Arc<dyn Store>) {
    let batch: Vec<_> = (0..2_000)
        .map(|secs| observed(&format!("S{}", secs % 7), secs, &format!("{secs}.25")))
        .collect();

    let prices = record_all(&store, batch.clone()).await;

    let ids: HashSet<_> = prices.iter().map(|price| price.id).collect();
    assert_eq!(ids.len(), 2_000);
    let again = store.append(batch).await.expect("appended again");
    assert!(again.iter().all(|answer| matches!(answer, Appended::Duplicate(_))));
    assert_eq!(
        again.iter().map(Appended::price).collect::<Vec<_>>(),
        prices.iter().collect::<Vec<_>>()
    );
    assert_eq!(store.depth().await.expect("depth"), 2_000);
    let newest = store.prices(PriceQuery::newest(3_000)).await.expect("listed");
    assert!(newest.iter().eq(prices.iter().rev()), "all are listed, newest first");
}
