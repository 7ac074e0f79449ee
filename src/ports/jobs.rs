//! Where polling jobs are kept, and who runs them.

use async_trait::async_trait;

use super::store::StoreError;
use crate::model::{JobConfig, JobId, PollJob, Timestamp};

type Result<T> = std::result::Result<T, StoreError>;

/// What a run changes of its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    pub started_at: Timestamp,
    /// `next_run` as it was when the job was claimed: shows whether the owner changed it since.
    pub claimed_next_run: Option<Timestamp>,
    /// None when every symbol got a price.
    pub error: Option<String>,
    /// Prices stored for the first time.
    pub n_points: u64,
    pub next_run: Option<Timestamp>,
    pub stretched: Option<String>,
}

/// What an owner changes of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobChange {
    pub config: JobConfig,
    pub paused: bool,
    pub next_run: Option<Timestamp>,
}

/// Polling jobs. Every change is durable when it returns.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Stores a new job under an id that was never used before, and answers it.
    async fn create_job(
        &self,
        config: JobConfig,
        created_at: Timestamp,
        next_run: Option<Timestamp>,
    ) -> Result<PollJob>;

    /// Jobs with an id greater than `after`, by id.
    async fn jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<PollJob>>;

    async fn job(&self, id: JobId) -> Result<Option<PollJob>>;

    /// Gives a job another configuration; its statistics and its lease stay. None when there is
    /// no such job.
    async fn update_job(&self, id: JobId, change: JobChange) -> Result<Option<PollJob>>;

    /// False when there is no such job. A run under way finishes, and its outcome is dropped.
    async fn delete_job(&self, id: JobId) -> Result<bool>;

    /// Deletes every job and answers how many there were.
    async fn delete_jobs(&self) -> Result<u64>;

    /// Takes up to `limit` jobs that are due at `now` and that nobody has a lease on, the longest
    /// due first, and leases them to `holder` until then, in one transaction: of two callers only
    /// one gets a job.
    async fn claim_due(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<PollJob>>;

    /// Takes one job whether it is due or not; none when there is no such job or somebody is at it.
    async fn claim_job(
        &self,
        id: JobId,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<PollJob>>;

    /// Gives back every lease of `holder`: what a poller that died under this name had under way
    /// is due again at once.
    async fn release_leases(&self, holder: &str) -> Result<()>;

    /// Books a run and gives the lease back. Changes nothing and answers none when the job is gone
    /// or the lease is no longer the holder's. A job that was paused or changed meanwhile keeps
    /// the next run that its owner gave it.
    async fn finish_run(&self, id: JobId, holder: &str, run: JobRun) -> Result<Option<PollJob>>;
}
