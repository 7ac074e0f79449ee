//! What an operator sees of a store, and its end.

use std::sync::Arc;

use tickerd::model::{Mean, MovingAverage, Sequence};
use tickerd::ports::{AverageUpdate, PriceQuery, Store, StoreErrorKind};

use super::dead_letters::letter;
use super::record_all;
use crate::build::{observed, window};

pub(crate) async fn a_fresh_store_is_empty(store: Arc<dyn Store>) {
    store.check().await.expect("it takes writes");
    let status = store.status().await.expect("status");
    assert_eq!(
        (status.n_symbols, status.n_prices, status.n_averages, status.n_dead_letters),
        (0, 0, 0, 0)
    );
    assert_eq!(store.prices(PriceQuery::newest(10)).await.expect("listed"), []);
    assert_eq!(store.log_after(Sequence(0), 10).await.expect("log"), []);
    assert_eq!(store.dead_letters(0, 10).await.expect("letters"), []);
}

pub(crate) async fn status_counts_what_is_there(store: Arc<dyn Store>) {
    let prices = record_all(
        &store,
        vec![observed("AAPL", 1, "1"), observed("AAPL", 2, "1"), observed("MSFT", 1, "1")],
    )
    .await;
    let average = MovingAverage {
        symbol: prices[0].observation.symbol.clone(),
        window: window(1),
        at: prices[0].position(),
        mean: Mean::from_stored(1.into()),
    };
    let update = AverageUpdate { averages: vec![average], ..AverageUpdate::default() };
    store.apply_averages(update).await.expect("applied");
    store.park(letter("x")).await.expect("parked");

    let status = store.status().await.expect("status");

    assert_eq!(
        (status.n_symbols, status.n_prices, status.n_averages, status.n_dead_letters),
        (2, 3, 1, 1)
    );
    assert!(!status.backend.is_empty());
    assert!(status.schema_version >= 1);
    assert!(status.size_bytes > 0);
    store.check().await.expect("it still takes writes");
    assert_eq!(store.status().await.expect("status").n_prices, 3, "a check leaves no trace");
}

pub(crate) async fn a_closed_store_is_unavailable(store: Arc<dyn Store>) {
    record_all(&store, vec![observed("AAPL", 1, "1")]).await;

    store.close().await.expect("closed");

    let error = store.append(vec![observed("AAPL", 2, "1")]).await.expect_err("closed");
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    let error = store.prices(PriceQuery::newest(1)).await.expect_err("closed");
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    let error = store.pending(1).await.expect_err("closed");
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    let error = store.check().await.expect_err("closed");
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
}
