//! The bounds of every value, kept exactly.

use std::sync::Arc;

use tickerd::model::{Order, TimeRange, TimeSource, Timestamp};
use tickerd::ports::{Appended, PriceQuery, Store};

use super::{append, pending, record, record_all};
use crate::build::{With, observed, raw, symbol};

pub(crate) async fn the_largest_and_smallest_amounts_are_exact(store: Arc<dyn Store>) {
    for (secs, text) in [
        "0",
        "0.00000000000000000001",
        "0.12345678901234567891",
        "12345678.12345678901234567891",
        "999999999999999",
        "999999999999999.9999999999999",
        "9999999.99999999999999999999",
        "100000000000000",
        "0.1",
        "1e-10",
    ]
    .into_iter()
    .enumerate()
    {
        let given = observed("AAPL", secs as u64, text).volume(text);
        let price = record(&store, given.clone()).await;
        assert_eq!(price.observation, given, "{text}");
        let read = store.price(price.id, None).await.expect("read").expect("known");
        assert_eq!(read, price, "{text}");
        assert_eq!(read.observation.price.to_string(), given.price.to_string());
        let event = pending(&store).await.pop().expect("an event");
        assert_eq!((event.price, event.volume), (given.price, given.volume), "{text}");
        assert_eq!(append(&store, given).await, Appended::Duplicate(price.clone()), "{text}");
        let values =
            store.values_around(&symbol("AAPL"), price.position(), 0, 1).await.expect("values");
        assert_eq!(values, [(price.position(), price.observation.price)], "{text}");
    }
}

pub(crate) async fn the_first_and_last_instants_are_kept(store: Arc<dyn Store>) {
    let first = "0001-01-01T00:00:00Z";
    let last = "9999-12-31T23:59:59.999999Z";
    let prices = record_all(
        &store,
        vec![
            observed("OLD", 0, "1").at(first).received(first),
            observed("OLD", 0, "2").at("1969-12-31T23:59:59.999999Z"),
            observed("OLD", 0, "3").at("9999-12-31T00:00:00Z"),
            observed("OLD", 0, "4").at(last).received(last),
        ],
    )
    .await;

    for price in &prices {
        assert_eq!(store.price(price.id, None).await.expect("read").as_ref(), Some(price));
    }
    let latest = store.latest(&symbol("OLD"), None, None).await.expect("latest");
    assert_eq!(latest.as_ref(), prices.last());
    let known_at_last =
        store.latest(&symbol("OLD"), None, Some(Timestamp::MAX)).await.expect("latest");
    assert_eq!(known_at_last.as_ref(), prices.last());
    let known_at_first =
        store.latest(&symbol("OLD"), None, Some(Timestamp::MIN)).await.expect("latest");
    assert_eq!(known_at_first.as_ref(), prices.first());
    let query = PriceQuery {
        order: Order::OldestFirst,
        range: TimeRange { from: Timestamp::MIN, to: Timestamp::MAX },
        ..PriceQuery::newest(10)
    };
    // Every range is half-open, so the very last microsecond is in none.
    assert_eq!(store.prices(query).await.expect("listed"), prices[..3]);
    let events = pending(&store).await;
    assert_eq!(events[0].observed_at, Timestamp::MIN);
    assert_eq!(events[3].received_at, Timestamp::MAX);
}

pub(crate) async fn long_keys_and_payloads_are_kept_to_the_byte(store: Arc<dyn Store>) {
    let long = "~".repeat(127);
    let mut given =
        observed(&"W".repeat(32), 1, "1").by(&"p".repeat(32)).external(&format!("{long}a"));
    given.raw = Some(raw(&format!(
        "{{\"näme\" : \"💶 \\u0000 \\\"quoted\\\" 'single' \\\\\",\n\"big\":\"{}\"}}",
        "é".repeat(40_000)
    )));

    let price = record(&store, given.clone()).await;

    assert_eq!(price.observation, given);
    assert_eq!(store.price(price.id, None).await.expect("read"), Some(price.clone()));
    let other = record(&store, given.external(&format!("{long}b"))).await;
    assert_ne!(other.id, price.id, "external ids differ in their last character");
}

pub(crate) async fn every_kind_of_symbol_and_time_source_is_kept(store: Arc<dyn Store>) {
    for text in ["A", "BRK.B", "BTC-USD", "EUR/USD", "^GSPC", "EURUSD=X", "7203.T"] {
        for source in [TimeSource::Provider, TimeSource::DateOnly, TimeSource::Received] {
            let mut given = observed(text, 1, "1").external(&format!("{source:?}"));
            given.time_source = source;
            let price = record(&store, given.clone()).await;
            let read = store.price(price.id, None).await.expect("read").expect("known");
            assert_eq!(read.observation, given);
        }
        let latest = store.latest(&symbol(text), None, None).await.expect("latest");
        assert!(latest.is_some_and(|price| price.observation.symbol == symbol(text)), "{text}");
    }
}

pub(crate) async fn microseconds_tell_observations_apart(store: Arc<dyn Store>) {
    let prices = record_all(
        &store,
        vec![
            observed("AAPL", 0, "1").at("2024-05-01T00:00:00.000001Z"),
            observed("AAPL", 0, "2").at("2024-05-01T00:00:00.000002Z"),
        ],
    )
    .await;
    assert_eq!(
        store.prices(PriceQuery::newest(10)).await.expect("listed"),
        [prices[1].clone(), prices[0].clone()]
    );
}
