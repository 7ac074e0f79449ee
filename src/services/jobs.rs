//! Polling jobs: what users ask for again and again.
//!
//! Jobs live in the store. A poller leases what is due, asks for all of it at once, so that jobs
//! that want the same symbol share one upstream call, and books the runs. A job never runs twice
//! at once: its lease is given back only when its run is over, and no run outlives its lease.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::plan::Planner;
use super::route::{Quoted, RouteFailure, Router};
use super::schedule;
use crate::model::{
    AuditDraft, Invalid, JobConfig, JobId, PollJob, ProviderName, Symbol, Timestamp,
};
use crate::ports::{Clock, JobChange, JobRun, Store, StoreError};
use crate::telemetry::metrics;

/// Symbols that one job may have.
pub const MAX_SYMBOLS: usize = 1_000;
/// Jobs that there may be.
pub const MAX_JOBS: usize = 10_000;
/// Jobs leased at once.
const BATCH: usize = 256;
/// What a run keeps of its lease to book its outcome in.
const BOOKING_TIME: Duration = Duration::from_secs(10);

/// How jobs are polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOptions {
    /// The name leases are taken under: the same after a restart, another for each poller.
    pub holder: String,
    /// A dead poller's jobs move to another after this long. What a provider has not answered
    /// 10 s, or half of a shorter lease, before that counts as no answer.
    pub lease: Duration,
    /// How often to look for jobs that are due.
    pub tick: Duration,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            holder: "poller".into(),
            lease: Duration::from_secs(180),
            tick: Duration::from_secs(1),
        }
    }
}

/// Why something with jobs did not work.
#[derive(Debug, thiserror::Error)]
pub enum JobFailure {
    /// `field` of the configuration: `symbols`, `interval`, `cron` or `provider`.
    #[error("{field}: {detail}")]
    Invalid { field: &'static str, detail: String },
    #[error("there are {MAX_JOBS} jobs already")]
    TooMany,
    #[error("there is no job {0}")]
    NotFound(JobId),
    #[error("{0} is running right now")]
    Running(JobId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates, changes and runs polling jobs.
#[derive(Clone)]
pub struct Jobs {
    store: Arc<dyn Store>,
    router: Arc<Router>,
    planner: Arc<Planner>,
    clock: Arc<dyn Clock>,
    options: JobOptions,
    changed: Arc<Notify>,
}

impl Jobs {
    pub fn new(
        store: Arc<dyn Store>,
        router: Arc<Router>,
        planner: Arc<Planner>,
        clock: Arc<dyn Clock>,
        options: JobOptions,
    ) -> Self {
        Self { store, router, planner, clock, options, changed: Arc::default() }
    }

    /// The same, putting an entry into the trail with each change.
    pub fn audited(&self, draft: AuditDraft) -> Self {
        Self { store: self.store.audited(draft), ..self.clone() }
    }

    /// Stores a new job; its first run is due at once, or at the first occurrence of its pattern.
    ///
    /// # Errors
    /// [`JobFailure::Invalid`], [`JobFailure::TooMany`] or a failure of the store.
    pub async fn create(&self, config: JobConfig) -> Result<PollJob, JobFailure> {
        let config = self.checked(config)?;
        if self.store.jobs(None, MAX_JOBS).await?.len() >= MAX_JOBS {
            return Err(JobFailure::TooMany);
        }
        let now = self.clock.now();
        let job = self.store.create_job(config.clone(), now, first_run(&config, now)).await?;
        self.changed.notify_one();
        Ok(job)
    }

    /// Jobs with an id greater than `after`, by id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(
        &self,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<Vec<PollJob>, JobFailure> {
        Ok(self.store.jobs(after, limit).await?)
    }

    /// # Errors
    /// [`JobFailure::NotFound`] or a failure of the store.
    pub async fn job(&self, id: JobId) -> Result<PollJob, JobFailure> {
        self.store.job(id).await?.ok_or(JobFailure::NotFound(id))
    }

    /// Gives a job another configuration; its statistics stay.
    ///
    /// # Errors
    /// As [`Jobs::create`], and [`JobFailure::NotFound`].
    pub async fn update(&self, id: JobId, config: JobConfig) -> Result<PollJob, JobFailure> {
        let config = self.checked(config)?;
        let paused = self.job(id).await?.paused;
        self.change(id, config, paused).await
    }

    /// Stops a job from becoming due. A run under way finishes.
    ///
    /// # Errors
    /// [`JobFailure::NotFound`] or a failure of the store.
    pub async fn pause(&self, id: JobId) -> Result<PollJob, JobFailure> {
        let config = self.job(id).await?.config;
        self.change(id, config, true).await
    }

    /// Lets a paused job go on, as if it were new; a job that is not paused stays as it is.
    ///
    /// # Errors
    /// [`JobFailure::NotFound`] or a failure of the store.
    pub async fn resume(&self, id: JobId) -> Result<PollJob, JobFailure> {
        let job = self.job(id).await?;
        if job.paused { self.change(id, job.config, false).await } else { Ok(job) }
    }

    /// # Errors
    /// [`JobFailure::NotFound`] or a failure of the store.
    pub async fn delete(&self, id: JobId) -> Result<(), JobFailure> {
        if self.store.delete_job(id).await? { Ok(()) } else { Err(JobFailure::NotFound(id)) }
    }

    /// Deletes every job and answers how many there were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete_all(&self) -> Result<u64, JobFailure> {
        Ok(self.store.delete_jobs().await?)
    }

    /// Runs a job now, due or not, paused or not, and answers it with the run booked.
    ///
    /// # Errors
    /// [`JobFailure::Running`] when it runs already, [`JobFailure::NotFound`], or a failure of
    /// the store.
    pub async fn run_now(&self, id: JobId) -> Result<PollJob, JobFailure> {
        self.job(id).await?;
        let now = self.clock.now();
        let until = now.plus(self.options.lease);
        let holder = &self.options.holder;
        let claimed = self.store.claim_job(id, holder, now, until).await?;
        let job = claimed.ok_or(JobFailure::Running(id))?;
        self.plan_all().await?;
        self.run_leased(vec![job], until).await;
        self.job(id).await
    }

    /// Runs due jobs until cancelled. What is under way then is due again after a restart.
    pub async fn run(&self, cancel: CancellationToken) {
        let _ = cancel.run_until_cancelled(self.run_for_ever()).await;
    }

    async fn run_for_ever(&self) {
        while let Err(error) = self.store.release_leases(&self.options.holder).await {
            tracing::warn!(%error, "the leases of the last run are not given back yet");
            self.clock.sleep(self.options.tick).await;
        }
        let mut under_way = FuturesUnordered::new();
        loop {
            match self.claim().await {
                Ok((jobs, until)) if !jobs.is_empty() => {
                    under_way.push(self.run_leased(jobs, until));
                    continue;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "no jobs can be leased"),
            }
            tokio::select! {
                () = self.clock.sleep(self.options.tick) => {}
                () = self.changed.notified() => {}
                Some(()) = under_way.next() => {}
            }
        }
    }

    /// Runs everything that is due now and answers how many jobs that were. For tests and for
    /// callers with a clock of their own; [`Jobs::run`] does it for ever.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run_due(&self) -> Result<usize, JobFailure> {
        let (jobs, until) = self.claim().await?;
        let n_jobs = jobs.len();
        self.run_leased(jobs, until).await;
        Ok(n_jobs)
    }

    async fn claim(&self) -> Result<(Vec<PollJob>, Timestamp), StoreError> {
        let now = self.clock.now();
        let until = now.plus(self.options.lease);
        let jobs = self.store.claim_due(&self.options.holder, now, until, BATCH).await?;
        if !jobs.is_empty() {
            self.plan_all().await?;
        }
        Ok((jobs, until))
    }

    /// Tells the planner about every job that runs.
    async fn plan_all(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut running = BTreeSet::new();
        for job in self.store.jobs(None, MAX_JOBS).await? {
            if job.paused {
                continue;
            }
            let (who, config) = (job.id.to_string(), &job.config);
            let pace = schedule::pace(&config.schedule, now);
            self.planner.wants(&who, &config.symbols, config.provider.as_ref(), pace);
            running.insert(who);
        }
        self.planner.retain("poll_", |who| running.contains(who));
        Ok(())
    }

    /// Asks for what leased jobs want, each symbol once, and books every run.
    async fn run_leased(&self, jobs: Vec<PollJob>, until: Timestamp) {
        let started_at = self.clock.now();
        let mut wanted: BTreeMap<Option<ProviderName>, BTreeSet<Symbol>> = BTreeMap::new();
        for job in &jobs {
            let symbols = job.config.symbols.iter().cloned();
            wanted.entry(job.config.provider.clone()).or_default().extend(symbols);
        }
        let questions = wanted.into_iter().map(|(provider, symbols)| async move {
            let symbols: Vec<Symbol> = symbols.into_iter().collect();
            let quotes = match &provider {
                Some(provider) => self.router.quotes_of(&symbols, provider).await,
                None => self.router.quotes(&symbols).await,
            };
            (provider, quotes.into_iter().collect::<BTreeMap<_, _>>())
        });
        let answers = futures_util::future::join_all(questions);
        let lease = until.since(started_at);
        let time_left = lease.saturating_sub(BOOKING_TIME.min(lease / 2));
        let answers = tokio::select! {
            answers = answers => answers,
            () = self.clock.sleep(time_left) => Vec::new(),
        };
        let answers: BTreeMap<_, _> = answers.into_iter().collect();
        for job in jobs {
            self.book(job, started_at, &answers).await;
        }
    }

    async fn book(
        &self,
        job: PollJob,
        started_at: Timestamp,
        answers: &BTreeMap<Option<ProviderName>, BTreeMap<Symbol, Result<Quoted, RouteFailure>>>,
    ) {
        let answers = answers.get(&job.config.provider);
        let mut run = JobRun {
            started_at,
            claimed_next_run: job.next_run,
            error: None,
            n_points: 0,
            next_run: None,
            stretched: None,
        };
        for symbol in &job.config.symbols {
            match answers.and_then(|answers| answers.get(symbol)) {
                Some(Ok(quoted)) => run.n_points += u64::from(quoted.is_new),
                Some(Err(failure)) => run.error = Some(format!("{symbol}: {failure}")),
                None => run.error = Some(format!("{symbol}: no answer within the lease")),
            }
        }
        let plan = self.planner.plan(&job.id.to_string());
        let at_least = plan.as_ref().map_or(Duration::ZERO, |plan| plan.interval);
        let due = job.next_run.unwrap_or(started_at);
        run.next_run = schedule::next_run(&job.config.schedule, due, started_at, at_least);
        run.stretched = plan.and_then(|plan| plan.stretched);
        if run.stretched.is_some() && run.stretched != job.stretched {
            tracing::info!(job.id = %job.id, "{}", run.stretched.as_deref().unwrap_or_default());
        }
        metrics::job_run(run.error.is_none());
        if let Err(error) = self.store.finish_run(job.id, &self.options.holder, run).await {
            // The lease runs out and the job is due again.
            tracing::warn!(job.id = %job.id, %error, "a run is not booked");
        }
    }

    async fn change(
        &self,
        id: JobId,
        config: JobConfig,
        paused: bool,
    ) -> Result<PollJob, JobFailure> {
        let next_run = if paused { None } else { first_run(&config, self.clock.now()) };
        let change = JobChange { config, paused, next_run };
        let job = self.store.update_job(id, change).await?.ok_or(JobFailure::NotFound(id))?;
        self.changed.notify_one();
        Ok(job)
    }

    fn checked(&self, mut config: JobConfig) -> Result<JobConfig, JobFailure> {
        let invalid = |field, detail: String| JobFailure::Invalid { field, detail };
        let mut known = BTreeSet::new();
        config.symbols.retain(|symbol| known.insert(symbol.clone()));
        if config.symbols.is_empty() || config.symbols.len() > MAX_SYMBOLS {
            let detail = format!("a job has 1 to {MAX_SYMBOLS} symbols");
            return Err(invalid("symbols", detail));
        }
        let field = match &config.schedule {
            crate::model::Schedule::Interval(_) => "interval",
            crate::model::Schedule::Cron(_) => "cron",
        };
        schedule::check(&config.schedule, self.clock.now())
            .map_err(|Invalid(detail)| invalid(field, detail))?;
        if let Some(provider) = &config.provider {
            self.router
                .check_provider(provider)
                .map_err(|failure| invalid("provider", failure.to_string()))?;
        }
        Ok(config)
    }
}

fn first_run(config: &JobConfig, now: Timestamp) -> Option<Timestamp> {
    match &config.schedule {
        crate::model::Schedule::Interval(_) => Some(now),
        crate::model::Schedule::Cron(pattern) => schedule::next_cron(pattern, now).ok().flatten(),
    }
}
