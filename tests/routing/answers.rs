//! What is believed, stored and remembered.

use std::sync::Arc;
use std::time::Duration;

use tickerd::ports::ManualClock;
use tickerd::ports::provider::FailureClass;
use tickerd::services::route::RouteFailure;

use super::support::{Does, House, Told, name, noon, options, symbol};

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[tokio::test]
async fn an_unknown_symbol_is_remembered_for_a_day_and_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::new("yahoo", &[], 1, clock.clone());
    let open =
        || House::open(directory.path(), vec![told.clone()], options(&["yahoo"]), clock.clone());
    let mut house = open().await;
    told.does(Does::Fails(FailureClass::UnknownSymbol, None));
    for _ in 0..3 {
        let failure = house.router.quote(&symbol("NOPE"), None).await.expect_err("unknown");
        assert!(matches!(failure, RouteFailure::UnknownSymbol { .. }), "{failure:?}");
    }
    house.close().await;
    house = open().await;
    clock.advance(DAY - Duration::from_secs(1));
    let failure = house.router.quote(&symbol("NOPE"), None).await.expect_err("unknown");
    assert_eq!(failure.tried()[0].outcome.name(), "known_unknown");
    assert_eq!(told.n_calls(), 1);
    told.does(Does::Walks);
    assert!(house.router.quote(&symbol("AAPL"), None).await.is_ok(), "others are asked for");
    clock.advance(Duration::from_secs(2));
    assert!(house.router.quote(&symbol("NOPE"), None).await.is_ok(), "listed since");
}

#[tokio::test]
async fn a_symbol_is_only_unknown_when_everyone_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let first = Told::new("yahoo", &[], 1, clock.clone());
    let second = Told::new("finnhub", &[], 1, clock.clone());
    let providers: Vec<Arc<dyn tickerd::ports::PriceProvider>> =
        vec![first.clone(), second.clone()];
    let options = options(&["yahoo", "finnhub"]);
    let house = House::open(directory.path(), providers, options, clock).await;
    first.does(Does::Fails(FailureClass::UnknownSymbol, None));
    second.does(Does::Fails(FailureClass::NoPrice, None));
    let failure = house.router.quote(&symbol("AAPL"), None).await.expect_err("no price");
    assert!(matches!(failure, RouteFailure::Unavailable { .. }), "{failure:?}");
    second.does(Does::Walks);
    let quoted = house.router.quote(&symbol("AAPL"), None).await.expect("a price");
    let tried: Vec<(&str, &str)> = quoted
        .receipt
        .tried
        .iter()
        .map(|attempt| (attempt.provider.as_str(), attempt.outcome.name()))
        .collect();
    assert_eq!(tried, [("yahoo", "known_unknown"), ("finnhub", "answered")]);
    let kept = house.router.receipt(&symbol("AAPL")).await.expect("a store");
    assert_eq!(kept, Some(quoted.receipt));
}

#[tokio::test]
async fn a_closed_market_repeats_and_a_revision_corrects() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::new("yahoo", &[], 1, clock.clone());
    let house =
        House::open(directory.path(), vec![told.clone()], options(&["yahoo"]), clock.clone());
    let house = house.await;
    let (aapl, friday) = (symbol("AAPL"), "2026-03-27T20:00:00Z");
    told.does(Does::Stands("150.25", friday));
    let first = house.router.quote(&aapl, None).await.expect("a price");
    clock.advance(Duration::from_secs(120));
    let again = house.router.quote(&aapl, None).await.expect("a price");
    assert!(first.is_new && !again.is_new);
    assert_eq!(first.price, again.price);
    told.does(Does::Stands("150.30", friday));
    let revised = house.router.quote(&aapl, None).await.expect("a price");
    assert_eq!((revised.price.id, revised.price.version), (first.price.id, 2));
    assert_eq!(revised.price.observation.price.to_string(), "150.3");
    assert_eq!(house.store.history(first.price.id).await.expect("a store").len(), 2);

    // Within the age that a reader accepts, nobody asks upstream again.
    let n_calls = told.n_calls();
    for _ in 0..10 {
        let minute = Duration::from_secs(60);
        assert!(house.router.quote_within(&aapl, None, minute).await.is_ok());
    }
    assert_eq!(told.n_calls(), n_calls);
}

#[tokio::test]
async fn nonsense_is_never_stored_and_the_next_provider_answers() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let liar = Told::new("yahoo", &[], 10, clock.clone());
    let honest = Told::new("finnhub", &[], 10, clock.clone());
    let providers: Vec<Arc<dyn tickerd::ports::PriceProvider>> = vec![liar.clone(), honest];
    let house =
        House::open(directory.path(), providers, options(&["yahoo", "finnhub"]), clock).await;
    for (price, at) in [("0", "2026-03-31T11:00:00Z"), ("1", "2027-01-01T00:00:00Z")] {
        liar.does(Does::Stands(price, at));
        let quoted = house.router.quote(&symbol("BTC-USD"), None).await.expect("a price");
        assert_eq!(quoted.price.observation.provider, name("finnhub"));
        assert_eq!(quoted.receipt.tried[0].outcome.name(), "bad_payload");
    }
}

#[tokio::test]
async fn only_providers_that_are_on_can_be_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::new("simulated", &[], 10, clock.clone());
    let mut options = options(&["yahoo"]);
    options.off = vec![(name("yahoo"), "disabled".into())];
    let house = House::open(directory.path(), vec![told], options, clock).await;
    let aapl = symbol("AAPL");
    let ask = |provider: Option<&'static str>| {
        let (router, aapl) = (house.router.clone(), aapl.clone());
        async move { router.quote(&aapl, provider.map(name).as_ref()).await }
    };
    assert!(ask(Some("simulated")).await.is_ok());
    assert_eq!(ask(None).await.expect_err("nobody"), RouteFailure::NobodyToAsk);
    assert!(matches!(ask(Some("yahoo")).await, Err(RouteFailure::ProviderOff { .. })));
    assert!(matches!(ask(Some("yahu")).await, Err(RouteFailure::UnknownProvider { .. })));
    assert_eq!(house.router.providers().len(), 2);
}

#[tokio::test]
async fn batches_hold_one_quote_currency_and_no_more_than_a_call_may_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::new("coingecko", &[], 3, clock.clone());
    let house = House::open(directory.path(), vec![told.clone()], options(&["coingecko"]), clock);
    let house = house.await;
    let symbols: Vec<_> =
        ["BTC-USD", "ETH-EUR", "ETH-USD", "BTC-EUR", "SOL-USD", "ADA-USD", "BTC-USD"]
            .map(symbol)
            .to_vec();
    let quotes = house.router.quotes(&symbols).await;
    assert_eq!(quotes.len(), 6, "each symbol once");
    assert!(quotes.iter().all(|(_, outcome)| outcome.is_ok()));
    assert!(quotes.iter().map(|(asked, _)| asked).eq(symbols[..6].iter()), "in the order asked");
    let mut sizes: Vec<usize> =
        told.calls.lock().expect("no test panicked here").iter().map(|(_, s)| s.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2, 3]);
}
