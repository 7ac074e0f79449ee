//! Budgets and breakers on a clock of our own.

use std::sync::Arc;
use std::time::Duration;

use tickerd::model::BreakerState;
use tickerd::ports::provider::{FailureClass, QuotaWindow};
use tickerd::ports::{Clock, ManualClock};
use tickerd::services::route::{ProviderState, RouteFailure};

use super::support::{Does, House, Told, name, noon, options, symbol};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_budget_of_sixty_a_minute_is_never_exceeded_even_over_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::new("yahoo", &[(QuotaWindow::Minute, 60)], 1, clock.clone());
    let open =
        || House::open(directory.path(), vec![told.clone()], options(&["yahoo"]), clock.clone());
    let mut house = open().await;
    // Two questions a second for ten minutes; the process ends in the middle of the fifth.
    for step in 0..1_200 {
        if step == 530 {
            house.close().await;
            house = open().await;
        }
        match house.router.quote(&symbol("AAPL"), None).await {
            Ok(_) => {}
            Err(RouteFailure::Unavailable { retry_after, .. }) => {
                assert!(retry_after <= 60 * SECOND, "{retry_after:?}");
            }
            Err(other) => panic!("{other}"),
        }
        clock.advance(SECOND / 2);
    }
    let calls = told.calls.lock().expect("no test panicked here");
    for (index, (first, _)) in calls.iter().enumerate() {
        let end = first.plus(60 * SECOND);
        let n_in_minute = calls[index..].iter().take_while(|(at, _)| *at < end).count();
        assert!(n_in_minute <= 60, "{n_in_minute} calls in the minute from {first}");
    }
    // It is used as well: a minute is lost to rounding at most.
    assert!(calls.len() > 540, "{} calls", calls.len());
}

#[tokio::test]
async fn a_breaker_opens_probes_once_and_closes() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::new("yahoo", &[], 1, clock.clone());
    let open =
        || House::open(directory.path(), vec![told.clone()], options(&["yahoo"]), clock.clone());
    let mut house = open().await;
    told.does(Does::Fails(FailureClass::UpstreamError, None));
    for _ in 0..20 {
        assert!(house.router.quote(&symbol("AAPL"), None).await.is_err());
    }
    assert_eq!(told.n_calls(), 5, "open after five");

    // It stays open over a restart, and the caller learns for how long.
    house.close().await;
    house = open().await;
    clock.advance(100 * SECOND);
    match house.router.quote(&symbol("AAPL"), None).await {
        Err(RouteFailure::Unavailable { retry_after, .. }) => assert_eq!(retry_after, 200 * SECOND),
        other => panic!("{other:?}"),
    }
    assert_eq!(told.n_calls(), 5);

    // One probe that fails opens it for another five minutes.
    clock.advance(200 * SECOND);
    for _ in 0..3 {
        assert!(house.router.quote(&symbol("AAPL"), None).await.is_err());
    }
    assert_eq!(told.n_calls(), 6, "one probe");

    // While a probe is under way nobody else is sent; its answer closes the breaker.
    clock.advance(300 * SECOND);
    told.does(Does::Walks);
    let (ours, theirs) = (symbol("AAPL"), symbol("MSFT"));
    let (probe, other) =
        tokio::join!(house.router.quote(&ours, None), house.router.quote(&theirs, None));
    assert!(probe.is_ok() ^ other.is_ok(), "one goes, one waits");
    assert_eq!(told.n_calls(), 7);
    assert!(house.router.quote(&symbol("MSFT"), None).await.is_ok());
    let state = house.router.providers();
    let [ProviderState::On { breaker, calls, .. }] = state.as_slice() else { panic!("{state:?}") };
    assert_eq!(*breaker, BreakerState::default());
    assert_eq!((calls.n_calls, calls.n_failed_calls), (8, 6));
}

#[tokio::test]
async fn a_quota_opens_for_exactly_its_window_and_retry_after_is_obeyed() {
    for (class, retry_after, expected) in [
        (FailureClass::RateLimited(QuotaWindow::Minute), None, 60 * SECOND),
        (FailureClass::RateLimited(QuotaWindow::Day), None, 12 * 3_600 * SECOND),
        (FailureClass::RateLimited(QuotaWindow::Minute), Some(17 * SECOND), 17 * SECOND),
        (FailureClass::UpstreamError, Some(90 * SECOND), 90 * SECOND),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at(noon()));
        let told = Told::new("yahoo", &[], 1, clock.clone());
        let house =
            House::open(directory.path(), vec![told.clone()], options(&["yahoo"]), clock.clone());
        let house = house.await;
        told.does(Does::Fails(class, retry_after));
        let failure = house.router.quote(&symbol("AAPL"), None).await.expect_err("a failure");
        let RouteFailure::Unavailable { retry_after, .. } = failure else { panic!("{failure}") };
        assert_eq!(retry_after, expected, "{class:?}");
        told.does(Does::Walks);
        clock.advance(expected - SECOND);
        assert!(house.router.quote(&symbol("AAPL"), None).await.is_err(), "{class:?}");
        clock.advance(SECOND);
        assert!(house.router.quote(&symbol("AAPL"), None).await.is_ok(), "{class:?}");
        assert_eq!(told.n_calls(), 2, "{class:?}");
    }
}

#[tokio::test]
async fn resetting_closes_the_breaker_but_gives_no_calls_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::new("yahoo", &[(QuotaWindow::Day, 2)], 1, clock.clone());
    let house = House::open(directory.path(), vec![told.clone()], options(&["yahoo"]), clock);
    let house = house.await;
    told.does(Does::Fails(FailureClass::RateLimited(QuotaWindow::Minute), None));
    assert!(house.router.quote(&symbol("AAPL"), None).await.is_err());
    told.does(Does::Walks);
    assert!(
        house.router.reset(&name("yahoo"), crate::support::reset_draft()).await.expect("a store")
    );
    assert!(house.router.quote(&symbol("AAPL"), None).await.is_ok());
    assert!(house.router.quote(&symbol("AAPL"), None).await.is_err(), "the day's budget");
    assert!(
        !house.router.reset(&name("nobody"), crate::support::reset_draft()).await.expect("a store")
    );
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up_after_the_timeout() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::new("yahoo", &[], 1, clock.clone());
    let house =
        House::open(directory.path(), vec![told.clone()], options(&["yahoo"]), clock.clone());
    let house = house.await;
    told.does(Does::Hangs);
    let aapl = symbol("AAPL");
    let time_passes = async {
        while told.n_calls() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The router falls asleep on our clock right after its call.
        tokio::time::sleep(Duration::from_millis(20)).await;
        clock.set(clock.now().plus(16 * SECOND));
    };
    let (answer, ()) = tokio::join!(house.router.quote(&aapl, None), time_passes);
    let failure = answer.expect_err("a failure");
    assert_eq!(failure.tried()[0].outcome.name(), "upstream_error");
}
