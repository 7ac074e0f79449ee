//! Dropping what is old.

use std::sync::Arc;

use tickerd::model::{Mean, MovingAverage, Observation, Price, PriceId, TimeRange, Timestamp};
use tickerd::ports::{Appended, AverageUpdate, Dropped, PriceQuery, Store};

use super::{pending, record_all};
use crate::build::{corrected, observed, raw, second, symbol, window};

/// Twenty prices a second apart, from second 1 on; some corrected, with raw payloads or deleted,
/// each with an average.
async fn fill(store: &Arc<dyn Store>) -> Vec<Price> {
    store.set_materialised_windows(&[window(5)]).await.expect("set");
    let given = (1..=20).map(|secs| match secs % 3 {
        0 => Observation { raw: Some(raw("{}")), ..observed("AAPL", secs, "1.5") },
        _ => observed("AAPL", secs, "1.5"),
    });
    let prices = record_all(store, given.collect()).await;
    store.correct(prices[1].id, corrected("2")).await.expect("corrected");
    store.correct(prices[18].id, corrected("2")).await.expect("corrected");
    store.delete(prices[3].id, second(99)).await.expect("deleted");
    let averages = prices.iter().map(|price| MovingAverage {
        symbol: symbol("AAPL"),
        window: window(5),
        at: price.position(),
        mean: Mean::from_stored(2.into()),
    });
    let update = AverageUpdate { averages: averages.collect(), ..AverageUpdate::default() };
    store.apply_averages(update).await.expect("applied");
    prices
}

/// Drops in small portions until nothing more goes.
async fn drop_all(store: &Arc<dyn Store>, cutoff: Timestamp) -> Dropped {
    let mut sum = Dropped::default();
    loop {
        let dropped = store.drop_before(cutoff, 2).await.expect("dropped");
        if dropped.is_nothing() {
            return sum;
        }
        sum.n_prices += dropped.n_prices;
        sum.n_averages += dropped.n_averages;
    }
}

async fn averages_from(store: &Arc<dyn Store>, from: Timestamp) -> Vec<MovingAverage> {
    let range = TimeRange { from, ..TimeRange::ALL };
    store.averages(&symbol("AAPL"), window(5), range, 100).await.expect("read")
}

async fn is_gone(store: &Arc<dyn Store>, id: PriceId) -> bool {
    let gone = store.history(id).await.expect("read").is_empty();
    if gone {
        assert_eq!(store.price(id, None).await.expect("read"), None);
    }
    gone
}

pub(crate) async fn what_is_young_enough_is_kept_as_it_is(store: Arc<dyn Store>) {
    let prices = fill(&store).await;
    let young = PriceQuery {
        range: TimeRange { from: second(11), ..TimeRange::ALL },
        ..PriceQuery::newest(100)
    };
    let listed = store.prices(young.clone()).await.expect("listed");
    assert_eq!(listed.len(), 10);
    let mut histories = Vec::new();
    for price in &prices {
        histories.push(store.history(price.id).await.expect("read"));
    }
    let averages = averages_from(&store, second(11)).await;
    assert_eq!(averages.len(), 10);

    let dropped = drop_all(&store, second(11)).await;

    assert_eq!(store.prices(young).await.expect("listed"), listed);
    assert_eq!(averages_from(&store, second(11)).await, averages);
    let mut n_gone = 0;
    for (price, history) in prices.iter().zip(histories) {
        if is_gone(&store, price.id).await {
            assert!(price.observation.observed_at < second(11), "{price:?}");
            n_gone += 1;
        } else {
            // Whole, or gone.
            assert_eq!(store.history(price.id).await.expect("read"), history);
        }
    }
    assert_eq!(dropped.n_prices, n_gone);
}

pub(crate) async fn dropping_makes_no_event(store: Arc<dyn Store>) {
    fill(&store).await;
    let waiting = pending(&store).await;
    let status = store.status().await.expect("status");
    let dropped = drop_all(&store, second(100)).await;
    assert_eq!(pending(&store).await, waiting);
    let now = store.status().await.expect("status");
    assert!(now.n_prices <= status.n_prices && now.n_averages <= status.n_averages);
    assert_eq!(now.n_averages, status.n_averages - dropped.n_averages);
    assert_eq!(drop_all(&store, second(100)).await, Dropped::default());
}

pub(crate) async fn a_dropped_price_that_comes_again_is_a_new_one(store: Arc<dyn Store>) {
    let prices = fill(&store).await;
    drop_all(&store, second(100)).await;
    let is_gone = is_gone(&store, prices[0].id).await;
    let again = store.append(vec![observed("AAPL", 1, "1.5")]).await.expect("stored");
    match &again[0] {
        Appended::New(price) => {
            assert!(is_gone && price.id > prices[19].id && price.version == 1, "{price:?}");
        }
        Appended::Duplicate(price) => assert!(!is_gone && price.id == prices[0].id, "{price:?}"),
        Appended::Conflict(price) => panic!("{price:?}"),
    }
    let latest = store.latest(&symbol("AAPL"), None, None).await.expect("read");
    let expected = if is_gone { again[0].price().id } else { prices[19].id };
    assert_eq!(latest.map(|price| price.id), Some(expected));
}
