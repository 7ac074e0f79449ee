//! Latest prices, lists and their pages.

use std::sync::Arc;

use tickerd::model::{Order, Position, Price, PriceId, TimeRange};
use tickerd::ports::{PriceQuery, Store};

use super::{record, record_all};
use crate::build::{With, instant, observed, provider, second, symbol};

const LATER: &str = "2024-06-02T00:00:00Z";

async fn list(store: &Arc<dyn Store>, query: PriceQuery) -> Vec<Price> {
    store.prices(query).await.expect("listed")
}

fn of(symbol_text: &str) -> PriceQuery {
    PriceQuery { symbol: Some(symbol(symbol_text)), ..PriceQuery::newest(1_000) }
}

/// Three symbols with two prices at each of ten instants, by position.
async fn crowd(store: &Arc<dyn Store>) -> Vec<Price> {
    let mut observations = Vec::new();
    // Recorded from the back, so that ids and times do not run together.
    for secs in (0..10).rev() {
        for symbol in ["MSFT", "AAPL", "BTC-USD"] {
            observations.push(observed(symbol, secs, "1").by("kraken"));
            observations.push(observed(symbol, secs, "2").by("yahoo"));
        }
    }
    let mut prices = record_all(store, observations).await;
    prices.sort_by_key(Price::position);
    prices
}

pub(crate) async fn latest_is_by_observation_time_then_id(store: Arc<dyn Store>) {
    let aapl = symbol("AAPL");
    assert_eq!(store.latest(&aapl, None, None).await.expect("latest"), None);
    let newest = record(&store, observed("AAPL", 9, "1")).await;
    record(&store, observed("AAPL", 3, "2").received(LATER)).await;
    record(&store, observed("MSFT", 99, "3")).await;
    assert_eq!(store.latest(&aapl, None, None).await.expect("latest"), Some(newest.clone()));

    let same_time = record(&store, observed("AAPL", 9, "4").external("2")).await;

    assert!(same_time.id > newest.id);
    assert_eq!(store.latest(&aapl, None, None).await.expect("latest"), Some(same_time));
}

pub(crate) async fn latest_of_a_provider_leaves_out_the_others(store: Arc<dyn Store>) {
    let kraken = record(&store, observed("AAPL", 1, "1").by("kraken")).await;
    let yahoo = record(&store, observed("AAPL", 2, "2").by("yahoo")).await;

    for (name, expected) in [("kraken", Some(kraken)), ("yahoo", Some(yahoo)), ("finnhub", None)] {
        let latest =
            store.latest(&symbol("AAPL"), Some(&provider(name)), None).await.expect("latest");
        assert_eq!(latest, expected, "{name}");
    }
}

pub(crate) async fn latest_skips_deleted_prices(store: Arc<dyn Store>) {
    let aapl = symbol("AAPL");
    let prices = record_all(&store, (0..4).map(|secs| observed("AAPL", secs, "1")).collect()).await;

    for index in (0..4).rev() {
        let latest = store.latest(&aapl, None, None).await.expect("latest");
        assert_eq!(latest.as_ref(), Some(&prices[index]));
        let latest_of_yahoo =
            store.latest(&aapl, Some(&provider("yahoo")), None).await.expect("latest");
        assert_eq!(latest_of_yahoo, latest);
        store.delete(prices[index].id, instant(LATER)).await.expect("deleted");
    }
    assert_eq!(store.latest(&aapl, None, None).await.expect("latest"), None);
    let back = record(&store, observed("AAPL", 2, "5").received(LATER)).await;
    assert_eq!(store.latest(&aapl, None, None).await.expect("latest"), Some(back));
}

pub(crate) async fn an_unknown_symbol_has_no_prices(store: Arc<dyn Store>) {
    record(&store, observed("AAPL", 1, "1")).await;
    // Neither a prefix nor an extension of a known symbol is that symbol.
    for unknown in ["MSFT", "AAP", "AAPLX", "AAPL.L"] {
        assert_eq!(list(&store, of(unknown)).await, [], "{unknown}");
        let latest = store.latest(&symbol(unknown), None, None).await.expect("latest");
        assert_eq!(latest, None, "{unknown}");
    }
}

pub(crate) async fn a_range_is_half_open(store: Arc<dyn Store>) {
    let prices = record_all(&store, (0..5).map(|secs| observed("AAPL", secs, "1")).collect()).await;

    for (from, to, expected) in
        [(1, 3, 1..3), (0, 5, 0..5), (2, 2, 0..0), (3, 1, 0..0), (4, 9, 4..5)]
    {
        let range = TimeRange { from: second(from), to: second(to) };
        for query in [of("AAPL"), PriceQuery::newest(100)] {
            let query = PriceQuery { range, order: Order::OldestFirst, ..query };
            assert_eq!(list(&store, query).await, prices[expected.clone()], "[{from}, {to})");
        }
    }
}

pub(crate) async fn all_symbols_are_merged_in_one_order(store: Arc<dyn Store>) {
    let mut crowd = crowd(&store).await;

    let oldest_first = PriceQuery { order: Order::OldestFirst, ..PriceQuery::newest(1_000) };
    assert_eq!(list(&store, oldest_first.clone()).await, crowd);
    assert_eq!(list(&store, PriceQuery { limit: 7, ..oldest_first }).await, crowd[..7]);
    crowd.reverse();
    assert_eq!(list(&store, PriceQuery::newest(1_000)).await, crowd);
    assert_eq!(list(&store, PriceQuery::newest(5)).await, crowd[..5]);
}

pub(crate) async fn pages_join_without_gap_or_overlap(store: Arc<dyn Store>) {
    let crowd = crowd(&store).await;

    for order in [Order::OldestFirst, Order::NewestFirst] {
        for symbol_text in [None, Some("AAPL")] {
            for limit in [1, 4, 7, 60] {
                let mut expected: Vec<Price> = crowd
                    .iter()
                    .filter(|price| {
                        symbol_text.is_none_or(|text| price.observation.symbol.as_str() == text)
                    })
                    .cloned()
                    .collect();
                if order == Order::NewestFirst {
                    expected.reverse();
                }
                let mut query = PriceQuery {
                    symbol: symbol_text.map(symbol),
                    order,
                    ..PriceQuery::newest(limit)
                };
                let mut paged = Vec::new();
                loop {
                    let page = list(&store, query.clone()).await;
                    assert!(page.len() <= limit);
                    let Some(last) = page.last() else { break };
                    query.after = Some(last.position());
                    paged.extend(page);
                }
                assert_eq!(paged, expected, "{order:?} of {symbol_text:?} by {limit}");
            }
        }
    }
}

pub(crate) async fn skip_counts_from_the_start_or_from_after(store: Arc<dyn Store>) {
    let crowd = crowd(&store).await;
    let oldest_first = PriceQuery { order: Order::OldestFirst, ..PriceQuery::newest(5) };

    let skipped = list(&store, PriceQuery { skip: 13, ..oldest_first.clone() }).await;
    assert_eq!(skipped, crowd[13..18]);
    let after = Some(crowd[20].position());
    let skipped = list(&store, PriceQuery { after, skip: 3, ..oldest_first.clone() }).await;
    assert_eq!(skipped, crowd[24..29]);
    let past_the_end = list(&store, PriceQuery { skip: 60, ..oldest_first }).await;
    assert_eq!(past_the_end, []);

    let mut newest_first = crowd;
    newest_first.reverse();
    let skipped = list(&store, PriceQuery { skip: 58, ..PriceQuery::newest(5) }).await;
    assert_eq!(skipped, newest_first[58..]);
    let after = Some(newest_first[10].position());
    let range = TimeRange { from: second(2), to: second(8) };
    let within: Vec<_> = newest_first[11..]
        .iter()
        .filter(|price| range.contains(price.observation.observed_at))
        .skip(2)
        .take(5)
        .cloned()
        .collect();
    let query = PriceQuery { after, range, skip: 2, ..PriceQuery::newest(5) };
    assert_eq!(list(&store, query).await, within);
}

pub(crate) async fn a_list_can_be_of_one_provider(store: Arc<dyn Store>) {
    let crowd = crowd(&store).await;

    for symbol_text in [None, Some("BTC-USD")] {
        let expected: Vec<_> = crowd
            .iter()
            .filter(|price| price.observation.provider.as_str() == "kraken")
            .filter(|price| {
                symbol_text.is_none_or(|text| price.observation.symbol.as_str() == text)
            })
            .skip(3)
            .take(6)
            .cloned()
            .collect();
        let query = PriceQuery {
            symbol: symbol_text.map(symbol),
            provider: Some(provider("kraken")),
            order: Order::OldestFirst,
            skip: 3,
            ..PriceQuery::newest(6)
        };
        assert_eq!(list(&store, query).await, expected, "{symbol_text:?}");
    }
}

pub(crate) async fn deleted_prices_are_not_listed(store: Arc<dyn Store>) {
    let prices = record_all(&store, (0..6).map(|secs| observed("AAPL", secs, "1")).collect()).await;
    for index in [0, 2, 5] {
        store.delete(prices[index].id, instant(LATER)).await.expect("deleted");
    }

    let left: Vec<_> = [4, 3, 1].map(|index| prices[index].clone()).into();
    assert_eq!(list(&store, of("AAPL")).await, left);
    assert_eq!(list(&store, PriceQuery::newest(2)).await, left[..2]);
    assert_eq!(list(&store, PriceQuery { skip: 1, ..of("AAPL") }).await, left[1..]);
    // A page can start behind a price that was deleted since.
    let after = Some(prices[2].position());
    assert_eq!(list(&store, PriceQuery { after, ..of("AAPL") }).await, left[2..]);
}

pub(crate) async fn a_position_between_prices_can_be_paged_from(store: Arc<dyn Store>) {
    let prices =
        record_all(&store, (0..4).map(|secs| observed("AAPL", secs * 2, "1")).collect()).await;

    for (observed_at, id, newest_first, oldest_first) in [
        (3, PriceId::MIN, vec![1, 0], vec![2, 3]),
        (4, PriceId::MIN, vec![1, 0], vec![2, 3]),
        (4, PriceId::MAX, vec![2, 1, 0], vec![3]),
        (99, PriceId::MIN, vec![3, 2, 1, 0], vec![]),
    ] {
        let after = Some(Position { observed_at: second(observed_at), id });
        for (order, expected) in
            [(Order::NewestFirst, newest_first), (Order::OldestFirst, oldest_first)]
        {
            let expected: Vec<_> = expected.into_iter().map(|i: usize| prices[i].clone()).collect();
            let listed = list(&store, PriceQuery { after, order, ..of("AAPL") }).await;
            assert_eq!(listed, expected, "{order:?} behind {after:?}");
        }
    }
}

pub(crate) async fn symbols_are_alphabetical_and_paged(store: Arc<dyn Store>) {
    assert_eq!(store.symbols(None, 10).await.expect("symbols"), []);
    // In the order of their bytes, whatever the server's language thinks of punctuation.
    let alphabetical = ["/ES", "0700.HK", "=F", "A", "AA-B", "AA.B", "AAB", "B", "^GSPC"];
    let mut prices = Vec::new();
    for (secs, name) in alphabetical.iter().rev().enumerate() {
        prices.push(record(&store, observed(name, secs as u64, "1")).await);
        record(&store, observed(name, 100, "1")).await;
    }
    store.delete(prices[0].id, instant(LATER)).await.expect("deleted");

    let all = store.symbols(None, 100).await.expect("symbols");
    assert_eq!(all, alphabetical.map(symbol));
    assert_eq!(store.symbols(None, 2).await.expect("symbols"), all[..2]);
    assert_eq!(store.symbols(Some(&all[1]), 3).await.expect("symbols"), all[2..5]);
    assert_eq!(store.symbols(Some(&symbol("AA")), 2).await.expect("symbols"), all[4..6]);
    assert_eq!(store.symbols(Some(&all[8]), 3).await.expect("symbols"), []);

    let only = record(&store, observed("ZZZ", 1, "1")).await;
    store.delete(only.id, instant(LATER)).await.expect("deleted");
    let had = store.symbols(Some(&all[8]), 3).await.expect("symbols");
    assert_eq!(had, [], "^ sorts behind Z");
    let had = store.symbols(Some(&symbol("Z")), 1).await.expect("symbols");
    assert_eq!(had, [symbol("ZZZ")], "a symbol that had a price is still known");
}
