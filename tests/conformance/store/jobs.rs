//! Polling jobs: who gets one, and what becomes of it.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use tickerd::model::{JobConfig, JobId, PollJob, Schedule};
use tickerd::ports::{JobChange, JobRun, Store};
use tokio::task::JoinSet;

use crate::build::{second, symbol};

fn config(name: &str) -> JobConfig {
    JobConfig {
        name: Some(name.to_owned()),
        symbols: vec![symbol("AAPL")],
        schedule: Schedule::Interval(Duration::from_secs(60)),
        provider: None,
    }
}

async fn create(store: &Arc<dyn Store>, name: &str, next_run: Option<u64>) -> PollJob {
    store.create_job(config(name), second(1), next_run.map(second)).await.expect("created")
}

fn ids(jobs: &[PollJob]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

pub(crate) async fn jobs_are_listed_and_their_ids_never_used_again(store: Arc<dyn Store>) {
    let (a, b) = (create(&store, "a", Some(10)).await, create(&store, "b", None).await);
    assert_eq!(store.jobs(None, 10).await.expect("jobs"), [a.clone(), b.clone()]);
    assert_eq!(store.jobs(Some(a.id), 10).await.expect("jobs"), from_ref(&b));
    assert_eq!(store.jobs(Some(JobId(u64::MAX)), 10).await.expect("jobs"), []);
    assert_eq!(store.job(b.id).await.expect("a job").as_ref(), Some(&b));
    assert!(store.delete_job(b.id).await.expect("deleted"));
    assert!(!store.delete_job(b.id).await.expect("deleted"));
    assert!(create(&store, "c", None).await.id > b.id);
    assert_eq!(store.delete_jobs().await.expect("deleted"), 2);
    assert_eq!(store.job(a.id).await.expect("no job"), None);
}

pub(crate) async fn the_longest_due_is_claimed_first_and_once(store: Arc<dyn Store>) {
    let late = create(&store, "late", Some(20)).await.id;
    let early = create(&store, "early", Some(10)).await.id;
    create(&store, "not yet", Some(31)).await;
    let paused = create(&store, "paused", Some(5)).await.id;
    let change = JobChange { config: config("p"), paused: true, next_run: Some(second(5)) };
    assert!(store.update_job(paused, change).await.expect("updated").expect("a job").paused);
    let first = store.claim_due("a", second(30), second(90), 1).await.expect("claimed");
    assert_eq!(ids(&first), [early]);
    let rest = store.claim_due("b", second(30), second(90), 10).await.expect("claimed");
    assert_eq!(ids(&rest), [late]);
    assert!(store.claim_due("b", second(30), second(90), 10).await.expect("claimed").is_empty());
    assert_eq!(store.claim_job(late, "a", second(89), second(99)).await.expect("no job"), None);
    // A lease that has run out may be taken by another.
    let again = store.claim_job(late, "a", second(90), second(150)).await.expect("claimed");
    assert_eq!(again.and_then(|job| job.lease).expect("a lease").holder, "a");
    store.release_leases("a").await.expect("released");
    let released = store.claim_due("b", second(30), second(90), 10).await.expect("claimed");
    assert_eq!(ids(&released), [early, late]);
}

pub(crate) async fn concurrent_claims_share_the_jobs(store: Arc<dyn Store>) {
    for n in 0..20 {
        create(&store, "job", Some(n)).await;
    }
    let mut tasks = JoinSet::new();
    for holder in ["a", "b", "c", "d"] {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut claimed = Vec::new();
            for _ in 0..10 {
                let jobs = store.claim_due(holder, second(30), second(90), 3).await;
                claimed.extend(ids(&jobs.expect("claimed")));
            }
            claimed
        });
    }
    let mut claimed = tasks.join_all().await.concat();
    claimed.sort();
    assert_eq!(claimed, ids(&store.jobs(None, 100).await.expect("jobs")));
}

pub(crate) async fn only_the_holder_books_a_run(store: Arc<dyn Store>) {
    let job = create(&store, "job", Some(10)).await;
    let run = JobRun {
        started_at: second(30),
        claimed_next_run: job.next_run,
        error: Some("nobody answered".to_owned()),
        n_points: 2,
        next_run: Some(second(70)),
        stretched: None,
    };
    store.claim_due("a", second(30), second(90), 10).await.expect("claimed");
    assert_eq!(store.finish_run(job.id, "b", run.clone()).await.expect("not booked"), None);
    let booked = store.finish_run(job.id, "a", run.clone()).await.expect("booked").expect("a job");
    assert_eq!((booked.statistics.n_failures, booked.statistics.n_points), (1, 2));
    assert_eq!((booked.next_run, &booked.lease), (Some(second(70)), &None));
    assert_eq!(store.job(job.id).await.expect("a job"), Some(booked));
    assert_eq!(store.finish_run(job.id, "a", run.clone()).await.expect("not booked"), None);
    // What its owner changed during the run stays.
    store.claim_due("a", second(80), second(90), 10).await.expect("claimed");
    let change = JobChange { config: config("x"), paused: false, next_run: Some(second(500)) };
    store.update_job(job.id, change).await.expect("updated").expect("a job");
    let run = JobRun { claimed_next_run: Some(second(70)), error: None, ..run };
    let booked = store.finish_run(job.id, "a", run).await.expect("booked").expect("a job");
    assert_eq!((booked.next_run, booked.statistics.n_runs), (Some(second(500)), 2));
}
