//! A provider that says that asking is of no use is not asked again.

use std::sync::Arc;

use tickerd::ports::ManualClock;
use tickerd::ports::provider::FailureClass;
use tickerd::services::route::ProviderState;

use super::support::{Does, House, Told, name, noon, options, symbol};

fn off(house: &House) -> Vec<String> {
    let states = house.router.providers();
    let [ProviderState::On { switched_off, .. }] = states.as_slice() else { panic!("{states:?}") };
    switched_off.iter().map(|(_, why)| why.clone()).collect()
}

#[tokio::test]
async fn a_refused_key_is_not_tried_again_until_a_reset() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::with_key("finnhub", clock.clone());
    let house =
        House::open(directory.path(), vec![told.clone()], options(&["finnhub"]), clock).await;
    told.does(Does::Fails(FailureClass::Auth, None));
    for text in ["AAPL", "MSFT", "BTC-USD"] {
        let failure = house.router.quote(&symbol(text), None).await.expect_err("no price");
        assert!(!failure.to_string().is_empty());
    }
    assert_eq!(told.n_calls(), 1);
    assert_eq!(off(&house).len(), 1);
    let receipt = house.router.receipt(&symbol("MSFT")).await.expect("read").expect("a receipt");
    assert_eq!(receipt.tried[0].outcome.name(), "switched_off");

    told.does(Does::Walks);
    house.router.reset(&name("finnhub"), crate::support::reset_draft()).await.expect("reset");
    assert!(house.router.quote(&symbol("AAPL"), None).await.is_ok());
    assert_eq!(off(&house), Vec::<String>::new());
}

#[tokio::test]
async fn a_plan_that_lacks_an_endpoint_keeps_the_others() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::with_key("finnhub", clock.clone());
    let house =
        House::open(directory.path(), vec![told.clone()], options(&["finnhub"]), clock).await;
    assert!(house.router.quote(&symbol("AAPL"), None).await.is_ok());
    told.does(Does::Fails(FailureClass::Forbidden, None));
    for _ in 0..3 {
        assert!(house.router.quote(&symbol("EUR/USD"), None).await.is_err());
    }
    assert_eq!(told.n_calls(), 2, "forex is asked for once");
    // Stocks were answered before: this refusal concerns the symbol, and the endpoint stays on.
    assert!(house.router.quote(&symbol("VOD.L"), None).await.is_err());
    assert_eq!(off(&house).len(), 1);
    told.does(Does::Walks);
    assert!(house.router.quote(&symbol("AAPL"), None).await.is_ok());
    assert!(house.router.quote(&symbol("EUR/USD"), None).await.is_err());
}
