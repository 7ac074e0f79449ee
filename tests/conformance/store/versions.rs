//! Corrections, deletions, histories, and what was known when.

use std::sync::Arc;

use tickerd::model::{EventKind, Order, PriceId};
use tickerd::ports::{Appended, PriceQuery, Store};

use super::{append, pending, record};
use crate::build::{
    With, amount, corrected, corrected_at, currency, instant, observed, raw, second, symbol,
};

const DAY_1: &str = "2024-06-01T00:00:00Z";
const DAY_2: &str = "2024-06-02T00:00:00Z";
const DAY_3: &str = "2024-06-03T00:00:00Z";
const DAY_4: &str = "2024-06-04T00:00:00Z";
const NEVER: PriceId = PriceId::MAX;

pub(crate) async fn a_correction_is_the_next_version_of_the_same_price(store: Arc<dyn Store>) {
    let first = record(&store, observed("AAPL", 1, "10").external("x").volume("5")).await;
    let mut correction = corrected_at("11", DAY_2);
    correction.raw = Some(raw("{\"fixed\":true}"));
    correction.currency = currency("EUR");

    let second = store.correct(first.id, correction).await.expect("corrected").expect("known");

    assert_eq!((second.id, second.version), (first.id, 2));
    let mut expected = first.observation.clone();
    expected.price = amount("11");
    expected.volume = None;
    expected.currency = currency("EUR");
    expected.received_at = instant(DAY_2);
    expected.raw = Some(raw("{\"fixed\":true}"));
    assert_eq!(second.observation, expected);
    assert_eq!(store.price(first.id, None).await.expect("read"), Some(second.clone()));
    assert_eq!(append(&store, second.observation.clone()).await, Appended::Duplicate(second));
    let event = pending(&store).await.pop().expect("an event");
    assert_eq!((event.kind, event.version), (EventKind::Corrected, 2));
    assert_eq!(event.raw_response_id, Some(format!("{}.2", first.id)));
}

pub(crate) async fn a_correction_to_the_same_value_makes_no_version(store: Arc<dyn Store>) {
    let first = record(&store, observed("AAPL", 1, "10.50")).await;

    let answer = store.correct(first.id, corrected_at("10.5", DAY_2)).await.expect("corrected");

    assert_eq!(answer, Some(first.clone()));
    assert_eq!(store.history(first.id).await.expect("history").len(), 1);
    assert_eq!(pending(&store).await.len(), 1);
}

pub(crate) async fn a_correction_of_volume_or_currency_alone_counts(store: Arc<dyn Store>) {
    let first = record(&store, observed("AAPL", 1, "10")).await;
    let mut with_volume = corrected("10");
    with_volume.volume = Some(amount("3"));
    let mut in_euro = with_volume.clone();
    in_euro.currency = currency("EUR");

    let second = store.correct(first.id, with_volume).await.expect("corrected").expect("known");
    let third = store.correct(first.id, in_euro).await.expect("corrected").expect("known");

    assert_eq!((second.version, second.observation.volume), (2, Some(amount("3"))));
    assert_eq!((third.version, third.observation.currency), (3, currency("EUR")));
}

pub(crate) async fn correcting_what_is_unknown_or_deleted_answers_none(store: Arc<dyn Store>) {
    let price = record(&store, observed("AAPL", 1, "10")).await;
    store.delete(price.id, instant(DAY_2)).await.expect("deleted");

    for (label, id) in [("deleted", price.id), ("unknown", NEVER)] {
        let answer = store.correct(id, corrected("11")).await.expect("answered");
        assert_eq!(answer, None, "{label}");
    }
    assert_eq!(store.history(price.id).await.expect("history").len(), 2);
}

pub(crate) async fn deleting_answers_the_deleted_version_once(store: Arc<dyn Store>) {
    let price = record(&store, observed("AAPL", 1, "10")).await;

    let deleted = store.delete(price.id, instant(DAY_2)).await.expect("deleted").expect("known");

    assert_eq!((deleted.id, deleted.version), (price.id, 2));
    assert_eq!(deleted.observation.price, amount("10"), "the last value is kept");
    assert_eq!(deleted.observation.received_at, instant(DAY_2));
    assert_eq!(store.delete(price.id, instant(DAY_3)).await.expect("again"), None);
    assert_eq!(store.delete(NEVER, instant(DAY_3)).await.expect("unknown"), None);
    assert_eq!(store.price(price.id, None).await.expect("read"), None);
}

pub(crate) async fn a_deleted_key_is_recorded_again_as_the_next_version(store: Arc<dyn Store>) {
    let price = record(&store, observed("AAPL", 1, "10")).await;
    store.delete(price.id, instant(DAY_2)).await.expect("deleted");

    let again = record(&store, observed("AAPL", 1, "12").received(DAY_3)).await;

    assert_eq!((again.id, again.version), (price.id, 3));
    assert_eq!(again.observation, observed("AAPL", 1, "12").received(DAY_3));
    assert_eq!(store.price(price.id, None).await.expect("read"), Some(again.clone()));
    assert_eq!(
        store.latest(&symbol("AAPL"), None, None).await.expect("latest"),
        Some(again.clone())
    );
    let answers = store
        .append(vec![observed("AAPL", 1, "12"), observed("AAPL", 1, "10")])
        .await
        .expect("appended");
    assert_eq!(answers, [Appended::Duplicate(again.clone()), Appended::Conflict(again)]);
    let event = pending(&store).await.pop().expect("an event");
    assert_eq!((event.kind, event.version), (EventKind::Recorded, 3));
}

pub(crate) async fn a_deleted_key_with_the_old_value_is_recorded_again_too(store: Arc<dyn Store>) {
    let price = record(&store, observed("AAPL", 1, "10")).await;
    store.delete(price.id, instant(DAY_2)).await.expect("deleted");

    // Within one batch the second counts as a duplicate of the first.
    let again = observed("AAPL", 1, "10").received(DAY_3);
    let answers = store.append(vec![again.clone(), again]).await.expect("appended");

    let Appended::New(recorded) = &answers[0] else { panic!("new: {:?}", answers[0]) };
    assert_eq!((recorded.id, recorded.version), (price.id, 3));
    assert_eq!(answers[1], Appended::Duplicate(recorded.clone()));
}

pub(crate) async fn a_history_tells_when_each_version_was_known(store: Arc<dyn Store>) {
    let first = record(&store, observed("AAPL", 1, "10").received(DAY_1)).await;
    let second =
        store.correct(first.id, corrected_at("11", DAY_2)).await.expect("ok").expect("known");
    let third = store.delete(first.id, instant(DAY_3)).await.expect("ok").expect("known");
    let fourth = record(&store, observed("AAPL", 1, "12").received(DAY_4)).await;

    let history = store.history(first.id).await.expect("history");

    let told: Vec<_> = history
        .iter()
        .map(|version| (version.price.clone(), version.superseded_at, version.deleted))
        .collect();
    assert_eq!(
        told,
        [
            (first, Some(instant(DAY_2)), false),
            (second, Some(instant(DAY_3)), false),
            (third, Some(instant(DAY_4)), true),
            (fourth, None, false),
        ]
    );
    let known: Vec<Vec<u32>> = [DAY_1, DAY_2, DAY_3, DAY_4, "2023-01-01T00:00:00Z"]
        .iter()
        .map(|day| history.iter().filter(|version| version.known_at(instant(day))))
        .map(|versions| versions.map(|version| version.price.version).collect())
        .collect();
    assert_eq!(known, [vec![1], vec![2], vec![3], vec![4], vec![]]);
}

pub(crate) async fn the_history_of_an_unknown_price_is_empty(store: Arc<dyn Store>) {
    record(&store, observed("AAPL", 1, "10")).await;
    assert_eq!(store.history(NEVER).await.expect("history"), []);
}

pub(crate) async fn received_at_never_runs_backwards(store: Arc<dyn Store>) {
    let price = record(&store, observed("AAPL", 1, "10").received(DAY_3)).await;

    let corrected =
        store.correct(price.id, corrected_at("11", DAY_2)).await.expect("ok").expect("known");
    let deleted = store.delete(price.id, instant(DAY_1)).await.expect("ok").expect("known");
    let again = record(&store, observed("AAPL", 1, "12").received(DAY_2)).await;

    for (label, version) in [("corrected", &corrected), ("deleted", &deleted), ("again", &again)] {
        assert_eq!(version.observation.received_at, instant(DAY_3), "{label}");
    }
    let history = store.history(price.id).await.expect("history");
    assert_eq!(history.last().map(|version| &version.price), Some(&again));
    let events = pending(&store).await;
    assert!(events.iter().all(|event| event.received_at == instant(DAY_3)), "{events:?}");
}

pub(crate) async fn a_version_replaced_at_once_was_never_known(store: Arc<dyn Store>) {
    let price = record(&store, observed("AAPL", 1, "10").received(DAY_2)).await;
    let corrected =
        store.correct(price.id, corrected_at("11", DAY_2)).await.expect("ok").expect("known");

    let then = Some(instant(DAY_2));
    assert_eq!(store.price(price.id, then).await.expect("read"), Some(corrected.clone()));
    let latest = store.latest(&symbol("AAPL"), None, then).await.expect("latest");
    assert_eq!(latest, Some(corrected.clone()));
    let listed =
        store.prices(PriceQuery { as_of: then, ..PriceQuery::newest(10) }).await.expect("listed");
    assert_eq!(listed, [corrected]);
}

pub(crate) async fn price_as_of_sees_what_was_known_then(store: Arc<dyn Store>) {
    let first = record(&store, observed("AAPL", 1, "10").received(DAY_1)).await;
    let second =
        store.correct(first.id, corrected_at("11", DAY_2)).await.expect("ok").expect("known");
    store.delete(first.id, instant(DAY_3)).await.expect("deleted");
    let fourth = record(&store, observed("AAPL", 1, "12").received(DAY_4)).await;

    for (as_of, expected) in [
        ("2024-05-31T23:59:59.999999Z", None),
        (DAY_1, Some(&first)),
        ("2024-06-01T23:59:59.999999Z", Some(&first)),
        (DAY_2, Some(&second)),
        (DAY_3, None),
        (DAY_4, Some(&fourth)),
        ("2030-01-01T00:00:00Z", Some(&fourth)),
    ] {
        let answer = store.price(first.id, Some(instant(as_of))).await.expect("read");
        assert_eq!(answer.as_ref(), expected, "as of {as_of}");
    }
    assert_eq!(store.price(NEVER, Some(instant(DAY_1))).await.expect("read"), None);
}

pub(crate) async fn latest_as_of_sees_what_was_known_then(store: Arc<dyn Store>) {
    let early = record(&store, observed("AAPL", 1, "10").received(DAY_1)).await;
    let late = record(&store, observed("AAPL", 2, "20").received(DAY_2).by("kraken")).await;
    let fixed =
        store.correct(late.id, corrected_at("21", DAY_3)).await.expect("ok").expect("known");
    store.delete(late.id, instant(DAY_4)).await.expect("deleted");

    for (as_of, expected) in [
        ("2024-05-31T00:00:00Z", None),
        (DAY_1, Some(&early)),
        (DAY_2, Some(&late)),
        (DAY_3, Some(&fixed)),
        (DAY_4, Some(&early)),
    ] {
        let answer =
            store.latest(&symbol("AAPL"), None, Some(instant(as_of))).await.expect("latest");
        assert_eq!(answer.as_ref(), expected, "as of {as_of}");
    }
    let kraken = crate::build::provider("kraken");
    for (as_of, expected) in [(DAY_1, None), (DAY_3, Some(&fixed)), (DAY_4, None)] {
        let answer = store
            .latest(&symbol("AAPL"), Some(&kraken), Some(instant(as_of)))
            .await
            .expect("latest");
        assert_eq!(answer.as_ref(), expected, "of kraken as of {as_of}");
    }
}

pub(crate) async fn a_list_as_of_sees_what_was_known_then(store: Arc<dyn Store>) {
    let kept = record(&store, observed("AAPL", 1, "10").received(DAY_1)).await;
    let old = record(&store, observed("AAPL", 2, "20").received(DAY_1)).await;
    let gone = record(&store, observed("MSFT", 3, "30").received(DAY_1)).await;
    let fixed = store.correct(old.id, corrected_at("21", DAY_2)).await.expect("ok").expect("known");
    store.delete(gone.id, instant(DAY_2)).await.expect("deleted");
    let later = record(&store, observed("AAPL", 0, "5").received(DAY_3)).await;

    for (as_of, expected) in [
        (Some("2024-05-31T00:00:00Z"), vec![]),
        (Some(DAY_1), vec![&gone, &old, &kept]),
        (Some(DAY_2), vec![&fixed, &kept]),
        (Some(DAY_3), vec![&fixed, &kept, &later]),
        (None, vec![&fixed, &kept, &later]),
    ] {
        let query = PriceQuery { as_of: as_of.map(instant), ..PriceQuery::newest(10) };
        let mut listed = store.prices(query.clone()).await.expect("listed");
        assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "as of {as_of:?}");
        listed.reverse();
        let oldest_first = PriceQuery { order: Order::OldestFirst, ..query };
        let reversed = store.prices(oldest_first).await.expect("listed");
        assert_eq!(reversed, listed, "oldest first as of {as_of:?}");
    }
}

pub(crate) async fn a_list_as_of_pages_over_old_and_current_versions(store: Arc<dyn Store>) {
    let mut known_then = Vec::new();
    for secs in 0..20 {
        let price =
            record(&store, observed("AAPL", secs / 2, "1").external(&secs.to_string())).await;
        if secs % 3 == 0 {
            store.correct(price.id, corrected_at("2", DAY_3)).await.expect("corrected");
        }
        if secs % 5 == 0 {
            store.delete(price.id, instant(DAY_4)).await.expect("deleted");
        }
        known_then.push(price);
    }

    let mut paged = Vec::new();
    let mut query = PriceQuery {
        symbol: Some(symbol("AAPL")),
        order: Order::OldestFirst,
        as_of: Some(instant(DAY_2)),
        ..PriceQuery::newest(3)
    };
    loop {
        let page = store.prices(query.clone()).await.expect("listed");
        let Some(last) = page.last() else { break };
        query.after = Some(last.position());
        paged.extend(page);
    }
    assert_eq!(paged, known_then);
    let skipped = PriceQuery { skip: 18, after: None, limit: 10, ..query };
    assert_eq!(store.prices(skipped).await.expect("listed"), known_then[18..]);
}

pub(crate) async fn concurrent_corrections_are_all_kept(store: Arc<dyn Store>) {
    let price = record(&store, observed("AAPL", 1, "1000")).await;
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..20 {
        let store = Arc::clone(&store);
        let id = price.id;
        callers.spawn(async move { store.correct(id, corrected(&caller.to_string())).await });
    }
    for answer in callers.join_all().await {
        answer.expect("corrected").expect("known");
    }

    let history = store.history(price.id).await.expect("history");

    let versions: Vec<_> = history.iter().map(|version| version.price.version).collect();
    assert_eq!(versions, (1..=21).collect::<Vec<_>>());
    assert_eq!(pending(&store).await.len(), 21);
    assert_eq!(history[0].price.position().observed_at, second(1));
}
