//! Jobs, the planner, the price loop and the asset lists.

use std::sync::Arc;
use std::time::Duration;

use tickerd::model::{AssetClass, JobConfig, JobStatus, Schedule};
use tickerd::ports::provider::{FailureClass, QuotaWindow};
use tickerd::ports::{Clock, ManualClock};
use tickerd::services::assets::AssetLists;
use tickerd::services::fetch::PriceFetch;
use tickerd::services::jobs::{JobFailure, JobOptions, Jobs};
use tickerd::services::plan::Planner;
use tickerd::services::route::RouterOptions;
use tokio_util::sync::CancellationToken;

use super::support::{Does, House, Told, name, noon, options, symbol};

const SECOND: Duration = Duration::from_secs(1);

struct Poller {
    _directory: tempfile::TempDir,
    clock: Arc<ManualClock>,
    told: Arc<Told>,
    house: House,
    planner: Arc<Planner>,
    jobs: Arc<Jobs>,
}

async fn poller(budget: &[(QuotaWindow, u32)], batch_size: usize) -> Poller {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(noon()));
    let told = Told::new("yahoo", budget, batch_size, clock.clone());
    let options: RouterOptions = options(&["yahoo"]);
    let house = House::open(directory.path(), vec![told.clone()], options, clock.clone()).await;
    let planner = Arc::new(Planner::new(house.router.clone()));
    let (store, router) = (house.store.clone(), house.router.clone());
    let jobs = Jobs::new(store, router, planner.clone(), clock.clone(), JobOptions::default());
    Poller { _directory: directory, clock, told, house, planner, jobs: Arc::new(jobs) }
}

fn every(secs: u64, symbols: &[&str]) -> JobConfig {
    let schedule = Schedule::Interval(Duration::from_secs(secs));
    let symbols = symbols.iter().map(|text| symbol(text)).collect();
    JobConfig { name: None, symbols, schedule, provider: None }
}

#[tokio::test]
async fn jobs_that_want_the_same_symbol_share_one_upstream_call() {
    let Poller { jobs, told, .. } = &poller(&[], 10).await;
    for symbols in [&["AAPL", "MSFT"], &["MSFT", "IBM"], &["AAPL", "IBM"]] {
        jobs.create(every(60, symbols)).await.expect("a job");
    }
    assert_eq!(jobs.run_due().await.expect("a store"), 3);
    assert_eq!(told.n_calls(), 1);
    for job in jobs.list(None, 10).await.expect("a store") {
        let statistics = &job.statistics;
        assert_eq!((statistics.n_runs, statistics.n_successes, statistics.n_points), (1, 1, 2));
        assert_eq!(
            (job.next_run, job.status()),
            (Some(noon().plus(60 * SECOND)), JobStatus::Active)
        );
    }
    assert_eq!(jobs.run_due().await.expect("a store"), 0, "not due yet");
}

#[tokio::test]
async fn twenty_five_calls_a_day_last_the_day() {
    let poller = poller(&[(QuotaWindow::Day, 25)], 1).await;
    poller.clock.set(noon().plus(12 * 3_600 * SECOND));
    let job = poller.jobs.create(every(60, &["EUR/USD"])).await.expect("a job");
    let midnight = poller.clock.now();
    let mut gaps = Vec::new();
    let mut last = None;
    while poller.clock.now() < midnight.plus(24 * 3_600 * SECOND) {
        if poller.jobs.run_due().await.expect("a store") > 0 {
            let now = poller.clock.now();
            gaps.extend(last.map(|last| now.since(last)));
            last = Some(now);
        }
        poller.clock.advance(8 * SECOND);
    }
    let job = poller.jobs.job(job.id).await.expect("the job");
    assert_eq!((job.statistics.n_runs, job.statistics.n_failures), (25, 0));
    assert!(gaps.iter().all(|gap| (3_440..3_480).contains(&gap.as_secs())), "{gaps:?}");
    let stretched = job.stretched.expect("it says so");
    assert!(stretched.contains("yahoo allows 25 calls a day"), "{stretched}");
}

#[tokio::test]
async fn a_paused_job_rests_and_a_failing_one_says_so() {
    let Poller { jobs, told, clock, .. } = &poller(&[], 10).await;
    let job = jobs.create(every(60, &["AAPL"])).await.expect("a job");
    assert_eq!(job.status(), JobStatus::Accepted);
    assert_eq!(jobs.pause(job.id).await.expect("the job").status(), JobStatus::Paused);
    clock.advance(600 * SECOND);
    assert_eq!(jobs.run_due().await.expect("a store"), 0);
    let ran = jobs.run_now(job.id).await.expect("the job");
    assert_eq!((ran.statistics.n_runs, ran.next_run), (1, None), "now, and still paused");
    jobs.resume(job.id).await.expect("the job");
    told.does(Does::Fails(FailureClass::NoPrice, None));
    for _ in 0..3 {
        assert_eq!(jobs.run_due().await.expect("a store"), 1);
        clock.advance(60 * SECOND);
    }
    let failing = jobs.job(job.id).await.expect("the job");
    assert_eq!(failing.status(), JobStatus::Failing);
    assert!(failing.statistics.last_error.is_some_and(|error| error.starts_with("AAPL: ")));
    jobs.delete(job.id).await.expect("the job");
    assert!(matches!(jobs.run_now(job.id).await, Err(JobFailure::NotFound(_))));
}

#[tokio::test]
async fn a_job_that_cannot_be_is_refused_with_its_field() {
    let Poller { jobs, .. } = &poller(&[], 10).await;
    let many: Vec<String> = (0..10_000).map(|index| format!("S{index}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let cron = |pattern: &str| JobConfig {
        schedule: Schedule::Cron(pattern.into()),
        ..every(1, &["AAPL"])
    };
    let of = |provider| JobConfig { provider: Some(name(provider)), ..every(1, &["AAPL"]) };
    for (config, expected) in [
        (every(0, &["AAPL"]), "interval"),
        (every(60, &[]), "symbols"),
        (every(60, &many), "symbols"),
        (cron("61 * * * *"), "cron"),
        (of("yahu"), "provider"),
    ] {
        let refused = jobs.create(config).await.expect_err("refused");
        let JobFailure::Invalid { field, .. } = refused else { panic!("{refused}") };
        assert_eq!(field, expected);
    }
    assert!(jobs.list(None, 10).await.expect("a store").is_empty());
}

#[tokio::test]
async fn a_job_under_way_is_not_run_again_and_goes_on_after_a_restart() {
    let Poller { jobs, told, clock, .. } = &poller(&[], 10).await;
    let job = jobs.create(every(60, &["AAPL"])).await.expect("a job");
    told.does(Does::Hangs);
    let cancel = CancellationToken::new();
    let watch = async {
        while told.n_calls() == 0 {
            tokio::time::sleep(SECOND / 1_000).await;
        }
        assert!(matches!(jobs.run_now(job.id).await, Err(JobFailure::Running(_))));
        assert_eq!(jobs.run_due().await.expect("a store"), 0);
        cancel.cancel();
    };
    tokio::join!(jobs.run(cancel.clone()), watch);
    // The next process takes its predecessor's leases back.
    told.does(Does::Walks);
    let cancel = CancellationToken::new();
    let watch = async {
        while jobs.job(job.id).await.expect("the job").statistics.n_successes == 0 {
            tokio::time::sleep(SECOND / 1_000).await;
            clock.advance(SECOND);
        }
        cancel.cancel();
    };
    let both = async { tokio::join!(jobs.run(cancel.clone()), watch) };
    tokio::time::timeout(20 * SECOND, both).await.expect("it runs again");
}

#[tokio::test]
async fn the_price_loop_is_stretched_to_what_the_jobs_leave() {
    let poller = poller(&[(QuotaWindow::Minute, 60)], 1).await;
    let symbols = vec![symbol("AAPL"), symbol("MSFT")];
    let (router, clock) = (poller.house.router.clone(), poller.clock.clone());
    let fetch = PriceFetch::new(router, poller.planner.clone(), clock, symbols, 5 * SECOND);
    assert_eq!(fetch.fetch_once().await.interval, 5 * SECOND, "24 calls a minute fit");
    poller.planner.wants("poll_1", &[symbol("IBM")], None, SECOND);
    let plan = fetch.fetch_once().await;
    assert_eq!(plan.interval, 7 * SECOND, "84 wanted, 60 allowed");
    assert!(plan.stretched.is_some());
    let state = fetch.state();
    assert_eq!((state.interval, state.n_answered, state.n_failed), (Some(7 * SECOND), 2, 0));
}

#[tokio::test]
async fn asset_lists_are_fetched_daily_kept_and_searched() {
    let poller = poller(&[], 10).await;
    let day = 24 * 3_600 * SECOND;
    let lists = || {
        let (store, router) = (poller.house.store.clone(), poller.house.router.clone());
        AssetLists::new(store, router, poller.clock.clone(), day)
    };
    let ours = lists();
    assert_eq!(ours.search(AssetClass::Crypto, "", 0, 10).await.expect("a store").count, 0);
    assert_eq!(ours.refresh().await.expect("a store"), 1);
    assert_eq!(ours.refresh().await.expect("a store"), 0, "fresh");
    for (text, skip, expected) in [
        ("", 0, vec!["BCH-USD", "BTC-USD", "ETH-USD"]),
        ("bit", 0, vec!["BCH-USD", "BTC-USD"]),
        ("bit", 1, vec!["BTC-USD"]),
        ("btc", 0, vec!["BTC-USD"]),
        ("CASH", 0, vec!["BCH-USD"]),
        ("none", 0, vec![]),
    ] {
        let page = lists().search(AssetClass::Crypto, text, skip, 10).await.expect("a store");
        let found: Vec<&str> = page.assets.iter().map(|a| a.asset.symbol.as_str()).collect();
        assert_eq!(found, expected, "{text:?} {skip}");
        assert_eq!(page.updated_at, Some(noon()));
    }
    poller.clock.advance(day);
    assert_eq!(ours.refresh().await.expect("a store"), 1, "a day later");
    // The scheduler starts, rings and stops.
    let cancel = CancellationToken::new();
    cancel.cancel();
    tokio::time::timeout(20 * SECOND, ours.run(cancel)).await.expect("it stops");
}
