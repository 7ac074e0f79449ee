//! Polling jobs. Claims and bookings read and write in one transaction of the writer.

use async_trait::async_trait;
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::tables::{Schema, Tables};
use super::{RedbStore, Result, corrupt, storage};
use crate::codec::job;
use crate::model::{JobConfig, JobId, Lease, PollJob, Timestamp};
use crate::ports::{JobChange, JobRun, JobStore, SnapshotRecord};

const JOBS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("jobs");
/// The one row is the last id given out, so that none is used twice.
const LAST_JOB: TableDefinition<'_, (), u64> = TableDefinition::new("last_job");

type JobTable<'t> = Table<'t, u64, &'static [u8]>;

pub(super) fn create(transaction: &WriteTransaction) -> Result<()> {
    transaction.open_table(JOBS).map_err(storage)?;
    transaction.open_table(LAST_JOB).map_err(storage)?;
    Ok(())
}

fn open<'t>(tables: &Tables<'t>) -> Result<JobTable<'t>> {
    tables.transaction.open_table(JOBS).map_err(storage)
}

fn put(table: &mut JobTable<'_>, job: &PollJob) -> Result<()> {
    table.insert(job.id.0, job::encode(job).as_slice()).map_err(storage)?;
    Ok(())
}

fn get(table: &impl ReadableTable<u64, &'static [u8]>, id: JobId) -> Result<Option<PollJob>> {
    let bytes = table.get(id.0).map_err(storage)?;
    bytes.map(|bytes| job::decode(id, bytes.value())).transpose().map_err(corrupt)
}

fn all(
    table: &impl ReadableTable<u64, &'static [u8]>,
    from: u64,
    limit: usize,
) -> Result<Vec<PollJob>> {
    let mut jobs = Vec::new();
    for entry in table.range(from..).map_err(storage)?.take(limit) {
        let (id, bytes) = entry.map_err(storage)?;
        jobs.push(job::decode(JobId(id.value()), bytes.value()).map_err(corrupt)?);
    }
    Ok(jobs)
}

/// All jobs, as a snapshot carries them.
pub(super) fn records(schema: &Schema) -> Result<Vec<SnapshotRecord>> {
    let jobs = all(&schema.0.open_table(JOBS).map_err(storage)?, 0, usize::MAX)?;
    let free = |job| SnapshotRecord::Job(PollJob { lease: None, ..job });
    Ok(jobs.into_iter().map(free).collect())
}

/// Takes over a job whose id is free.
pub(super) fn load(tables: &Tables<'_>, job: &PollJob) -> Result<()> {
    let mut last = tables.transaction.open_table(LAST_JOB).map_err(storage)?;
    let last_id = last.get(()).map_err(storage)?.map_or(0, |id| id.value());
    last.insert((), last_id.max(job.id.0)).map_err(storage)?;
    let mut table = open(tables)?;
    if get(&table, job.id)?.is_none() {
        put(&mut table, job)?;
    }
    Ok(())
}

#[async_trait]
impl JobStore for RedbStore {
    async fn create_job(
        &self,
        config: JobConfig,
        created_at: Timestamp,
        next_run: Option<Timestamp>,
    ) -> Result<PollJob> {
        self.change(1, move |tables| {
            let id = {
                let mut last = tables.transaction.open_table(LAST_JOB).map_err(storage)?;
                let id = last.get(()).map_err(storage)?.map_or(0, |id| id.value()) + 1;
                last.insert((), id).map_err(storage)?;
                JobId(id)
            };
            let job = PollJob::new(id, config, created_at, next_run);
            put(&mut open(tables)?, &job)?;
            Ok(job)
        })
        .await
    }

    async fn jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<PollJob>> {
        self.read(|schema, _| {
            let table = schema.0.open_table(JOBS).map_err(storage)?;
            match after.map_or(Some(0), |after| after.0.checked_add(1)) {
                Some(from) => all(&table, from, limit),
                None => Ok(Vec::new()),
            }
        })
    }

    async fn job(&self, id: JobId) -> Result<Option<PollJob>> {
        self.read(|schema, _| get(&schema.0.open_table(JOBS).map_err(storage)?, id))
    }

    async fn update_job(&self, id: JobId, change: JobChange) -> Result<Option<PollJob>> {
        self.change(1, move |tables| {
            let mut table = open(tables)?;
            let Some(mut job) = get(&table, id)? else { return Ok(None) };
            job.config = change.config;
            job.paused = change.paused;
            job.next_run = change.next_run;
            job.stretched = None;
            put(&mut table, &job)?;
            Ok(Some(job))
        })
        .await
    }

    async fn delete_job(&self, id: JobId) -> Result<bool> {
        self.change(1, move |tables| Ok(open(tables)?.remove(id.0).map_err(storage)?.is_some()))
            .await
    }

    async fn delete_jobs(&self) -> Result<u64> {
        self.change(1, move |tables| {
            let mut table = open(tables)?;
            let mut n_jobs = 0;
            while table.pop_first().map_err(storage)?.is_some() {
                n_jobs += 1;
            }
            Ok(n_jobs)
        })
        .await
    }

    async fn claim_due(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<PollJob>> {
        // Most ticks find nothing: those need no turn in the writer's queue.
        let any_due = self.read(|schema, _| {
            let table = schema.0.open_table(JOBS).map_err(storage)?;
            Ok(all(&table, 0, usize::MAX)?.iter().any(|job| job.may_run(now)))
        })?;
        if !any_due {
            return Ok(Vec::new());
        }
        let holder = holder.to_owned();
        self.writer
            .durable(1, move |tables| {
                let mut table = open(tables)?;
                let mut due = all(&table, 0, usize::MAX)?;
                due.retain(|job| job.may_run(now));
                due.sort_by_key(|job| (job.next_run, job.id));
                due.truncate(limit);
                for job in &mut due {
                    job.lease = Some(Lease { holder: holder.clone(), until });
                    put(&mut table, job)?;
                }
                Ok(due)
            })
            .await
    }

    async fn claim_job(
        &self,
        id: JobId,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<PollJob>> {
        let holder = holder.to_owned();
        self.writer
            .durable(1, move |tables| {
                let mut table = open(tables)?;
                let Some(mut job) = get(&table, id)? else { return Ok(None) };
                if job.lease.as_ref().is_some_and(|lease| lease.until > now) {
                    return Ok(None);
                }
                job.lease = Some(Lease { holder, until });
                put(&mut table, &job)?;
                Ok(Some(job))
            })
            .await
    }

    async fn release_leases(&self, holder: &str) -> Result<()> {
        let holder = holder.to_owned();
        self.writer
            .durable(1, move |tables| {
                let mut table = open(tables)?;
                for mut job in all(&table, 0, usize::MAX)? {
                    if job.lease.as_ref().is_some_and(|lease| lease.holder == holder) {
                        job.lease = None;
                        put(&mut table, &job)?;
                    }
                }
                Ok(())
            })
            .await
    }

    async fn finish_run(&self, id: JobId, holder: &str, run: JobRun) -> Result<Option<PollJob>> {
        let holder = holder.to_owned();
        self.writer
            .durable(1, move |tables| {
                let mut table = open(tables)?;
                let Some(mut job) = get(&table, id)? else { return Ok(None) };
                if job.lease.as_ref().is_none_or(|lease| lease.holder != holder) {
                    return Ok(None);
                }
                job.finish(run.started_at, run.error, run.n_points);
                if !job.paused && job.next_run == run.claimed_next_run {
                    job.next_run = run.next_run;
                    job.stretched = run.stretched;
                }
                put(&mut table, &job)?;
                Ok(Some(job))
            })
            .await
    }
}
