//! Several processes that ask one provider: two routers on one store.

use std::sync::Arc;
use std::time::Duration;

use tickerd::model::BreakerState;
use tickerd::ports::ManualClock;
use tickerd::ports::provider::{FailureClass, QuotaWindow};
use tickerd::services::route::ProviderState;

use super::support::{Does, House, Told, name, noon, options, symbol};

async fn two_processes(
    directory: &std::path::Path,
    told: &Arc<Told>,
    clock: &Arc<ManualClock>,
) -> [House; 2] {
    let options = options(&["yahoo"]);
    let first = House::open(directory, vec![told.clone()], options.clone(), clock.clone()).await;
    let store = Arc::clone(&first.store);
    let second = House::on(store, vec![told.clone()], options, clock.clone()).await;
    [first, second]
}

#[tokio::test]
async fn processes_share_one_budget() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::new("yahoo", &[(QuotaWindow::Day, 25)], 1, clock.clone());
    let houses = two_processes(directory.path(), &told, &clock).await;
    let asked = symbol("AAPL");
    for _ in 0..20 {
        let (first, second) = tokio::join!(
            houses[0].router.quote(&asked, None),
            houses[1].router.quote(&asked, None)
        );
        drop((first, second));
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(told.n_calls(), 25, "exactly the budget, whoever asked");
}

#[tokio::test]
async fn a_breaker_that_one_opens_is_open_for_the_other_and_a_reset_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::new("yahoo", &[], 1, clock.clone());
    let [poller, api] = two_processes(directory.path(), &told, &clock).await;
    told.does(Does::Fails(FailureClass::UpstreamError, None));
    for _ in 0..5 {
        assert!(poller.router.quote(&symbol("AAPL"), None).await.is_err());
    }
    assert!(api.router.quote(&symbol("AAPL"), None).await.is_err());
    assert_eq!(told.n_calls(), 5, "the other does not ask");
    api.router.refresh().await.expect("refreshed");
    let state = api.router.providers();
    let [ProviderState::On { breaker, .. }] = state.as_slice() else { panic!("{state:?}") };
    assert_eq!(breaker.name(), "open");

    told.does(Does::Walks);
    assert!(api.router.reset(&name("yahoo"), crate::support::reset_draft()).await.expect("reset"));
    assert!(poller.router.quote(&symbol("AAPL"), None).await.is_ok(), "the poller goes on");
    poller.router.refresh().await.expect("refreshed");
    let state = poller.router.providers();
    let [ProviderState::On { breaker, .. }] = state.as_slice() else { panic!("{state:?}") };
    assert_eq!(*breaker, BreakerState::default());
}
