//! The values around a position, which the averager computes from.

use std::sync::Arc;

use tickerd::model::{Amount, Position, Price, PriceId};
use tickerd::ports::Store;

use super::{record, record_all};
use crate::build::{With, corrected, instant, observed, second, symbol};

fn value(price: &Price) -> (Position, Amount) {
    (price.position(), price.observation.price)
}

async fn around(
    store: &Arc<dyn Store>,
    from: Position,
    n_before: usize,
    n_from: usize,
) -> Vec<(Position, Amount)> {
    store.values_around(&symbol("AAPL"), from, n_before, n_from).await.expect("values")
}

pub(crate) async fn values_around_are_the_neighbours_oldest_first(store: Arc<dyn Store>) {
    let observations = (0..10).map(|secs| observed("AAPL", secs, &secs.to_string())).collect();
    let values: Vec<_> = record_all(&store, observations).await.iter().map(value).collect();
    record(&store, observed("MSFT", 4, "99")).await;
    let from = values[5].0;

    for (n_before, n_from, expected) in
        [(2, 3, 3..8), (0, 1, 5..6), (2, 0, 3..5), (0, 0, 0..0), (99, 99, 0..10), (99, 1, 0..6)]
    {
        let answer = around(&store, from, n_before, n_from).await;
        assert_eq!(answer, values[expected], "{n_before} before and {n_from} from");
    }
    let between = Position { observed_at: second(5), id: PriceId::MAX };
    assert_eq!(around(&store, between, 1, 1).await, values[5..7]);
    let unknown = store.values_around(&symbol("NONE"), from, 5, 5).await.expect("values");
    assert_eq!(unknown, []);
}

pub(crate) async fn values_around_skip_deleted_and_show_corrected_prices(store: Arc<dyn Store>) {
    let prices = record_all(&store, (0..7).map(|secs| observed("AAPL", secs, "1")).collect()).await;
    for index in [2, 3, 5] {
        store.delete(prices[index].id, instant("2024-06-02T00:00:00Z")).await.expect("deleted");
    }
    let fixed = store.correct(prices[4].id, corrected("9")).await.expect("ok").expect("known");

    // From the place of a deleted price: its neighbours close up.
    let answer = around(&store, prices[3].position(), 2, 2).await;
    assert_eq!(answer, [&prices[0], &prices[1], &fixed, &prices[6]].map(value));
}

pub(crate) async fn values_around_the_ends_of_time_reach_everything(store: Arc<dyn Store>) {
    let prices = record_all(
        &store,
        vec![
            observed("AAPL", 0, "1").at("0001-01-01T00:00:00Z"),
            observed("AAPL", 0, "2"),
            observed("AAPL", 0, "3").at("9999-12-31T23:59:59.999999Z"),
        ],
    )
    .await;
    let values: Vec<_> = prices.iter().map(value).collect();

    assert_eq!(around(&store, Position::MIN, 5, 5).await, values);
    assert_eq!(around(&store, Position::MAX, 5, 5).await, values);
    assert_eq!(around(&store, Position::MAX, 2, 0).await, values[1..]);
}

pub(crate) async fn values_around_compare_ids_at_equal_times(store: Arc<dyn Store>) {
    let observations = (0..6)
        .map(|tick| observed("AAPL", 1, &tick.to_string()).external(&tick.to_string()))
        .collect();
    let values: Vec<_> = record_all(&store, observations).await.iter().map(value).collect();

    assert_eq!(around(&store, values[3].0, 2, 2).await, values[1..5]);
    assert_eq!(around(&store, values[0].0, 2, 1).await, values[..1]);
}
