//! What the store keeps of providers and jobs.

use std::sync::Arc;
use std::time::Duration;

use tickerd::model::{JobConfig, JobId, Schedule, Timestamp};
use tickerd::ports::{JobChange, JobRun, ManualClock, Store};

use super::support::{House, noon, options, symbol};

async fn store(directory: &std::path::Path) -> Arc<dyn Store> {
    let clock = Arc::new(ManualClock::at(noon()));
    House::open(directory, Vec::new(), options(&[]), clock).await.store
}

fn config() -> JobConfig {
    let schedule = Schedule::Interval(Duration::from_secs(60));
    JobConfig { name: None, symbols: vec![symbol("AAPL")], schedule, provider: None }
}

fn after(secs: u64) -> Timestamp {
    noon().plus(Duration::from_secs(secs))
}

fn run(claimed: Option<Timestamp>, next: Timestamp) -> JobRun {
    JobRun {
        started_at: noon(),
        claimed_next_run: claimed,
        error: None,
        n_points: 2,
        next_run: Some(next),
        stretched: None,
    }
}

#[tokio::test]
async fn of_two_pollers_only_one_gets_a_job_until_its_lease_runs_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = store(directory.path()).await;
    let job = store.create_job(config(), noon(), Some(noon())).await.expect("a job");
    let claim = |holder: &'static str, at| {
        let store = Arc::clone(&store);
        async move {
            let until = at;
            let jobs =
                store.claim_due(holder, at, Timestamp::plus(until, Duration::from_secs(30)), 10);
            jobs.await.expect("a store").len()
        }
    };
    let (ours, theirs) = tokio::join!(claim("a", noon()), claim("b", noon()));
    assert_eq!(ours + theirs, 1);
    assert_eq!(claim("c", after(29)).await, 0);
    assert_eq!(claim("c", after(30)).await, 1, "the poller died");
    let late = store.finish_run(job.id, "a", run(Some(noon()), after(90))).await;
    assert_eq!(late.expect("a store"), None, "the lease is another's");
    let done = store.finish_run(job.id, "c", run(Some(noon()), after(90))).await;
    let done = done.expect("a store").expect("the job");
    assert_eq!((done.lease, done.next_run), (None, Some(after(90))));
    assert_eq!((done.statistics.n_runs, done.statistics.n_points), (1, 2));
}

#[tokio::test]
async fn what_the_owner_changed_during_a_run_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = store(directory.path()).await;
    let job = store.create_job(config(), noon(), Some(noon())).await.expect("a job");
    let claimed = store.claim_due("a", noon(), after(30), 10).await.expect("a store");
    assert_eq!(claimed.len(), 1);
    let change = JobChange { config: config(), paused: true, next_run: None };
    store.update_job(job.id, change).await.expect("a store").expect("the job");
    let done = store.finish_run(job.id, "a", run(Some(noon()), after(60))).await;
    let done = done.expect("a store").expect("the job");
    assert!(done.paused && done.next_run.is_none());
}

#[tokio::test]
async fn job_ids_are_not_used_twice_and_survive_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = store(directory.path()).await;
    for expected in 1..=3 {
        let job = open.create_job(config(), noon(), None).await.expect("a job");
        assert_eq!(job.id, JobId(expected));
    }
    assert!(open.delete_job(JobId(3)).await.expect("a store"));
    assert!(!open.delete_job(JobId(3)).await.expect("a store"));
    open.close().await.expect("closed");
    drop(open);
    let open = store(directory.path()).await;
    assert_eq!(open.create_job(config(), noon(), None).await.expect("a job").id, JobId(4));
    let ids: Vec<u64> =
        open.jobs(Some(JobId(1)), 10).await.expect("a store").iter().map(|job| job.id.0).collect();
    assert_eq!(ids, [2, 4]);
    assert_eq!(open.delete_jobs().await.expect("a store"), 3);
}
