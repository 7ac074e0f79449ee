//! Polling jobs.
//!
//! A job is changed by the transaction that locked its row. Whoever locks several rows locks them
//! by id, or skips those that are locked, so that no two wait for each other.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use time::OffsetDateTime;

use crate::codec::job as codec;
use crate::model::{JobConfig, JobId, Lease, PollJob, Timestamp};
use crate::ports::{JobChange, JobRun, JobStore};

use super::error::{Result, corrupt, translate};
use super::rows::{bigint, count, get, unsigned};
use super::store::PostgresStore;

/// All jobs, as a snapshot carries them.
pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<PollJob>> {
    let rows = sqlx::query("select id, job from jobs order by id")
        .fetch_all(connection)
        .await
        .map_err(translate)?;
    rows.iter().map(|row| Ok(PollJob { lease: None, ..job(row)? })).collect()
}

/// Takes over a job whose id is free.
pub(super) async fn load(connection: &mut PgConnection, job: &PollJob) -> Result<()> {
    sqlx::query(
        "insert into jobs (id, job, due_at) overriding system value values ($1, $2, $3) \
         on conflict (id) do nothing",
    )
    .bind(bigint(job.id.0))
    .bind(codec::encode(job))
    .bind(due_at(job))
    .execute(&mut *connection)
    .await
    .map_err(translate)?;
    // No id is given out twice, not even that of a job which was deleted here.
    sqlx::query(
        "select setval(id, greatest(nextval(id), $1)) \
           from (select pg_get_serial_sequence('jobs', 'id')::regclass) as sequence (id)",
    )
    .bind(bigint(job.id.0))
    .execute(connection)
    .await
    .map_err(translate)?;
    Ok(())
}

#[async_trait]
impl JobStore for PostgresStore {
    async fn create_job(
        &self,
        config: JobConfig,
        created_at: Timestamp,
        next_run: Option<Timestamp>,
    ) -> Result<PollJob> {
        let mut job = PollJob::new(JobId(0), config, created_at, next_run);
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                let id: i64 = sqlx::query_scalar(
                    "insert into jobs (job, due_at) values ($1, $2) returning id",
                )
                .bind(codec::encode(&job))
                .bind(due_at(&job))
                .fetch_one(&mut *transaction)
                .await
                .map_err(translate)?;
                job.id = JobId(unsigned(id)?);
                self.conclude(&mut transaction, &job).await?;
                transaction.commit().await.map_err(translate)?;
                Ok(job)
            })
            .await
    }

    async fn jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<PollJob>> {
        self.db
            .within(async {
                let rows =
                    sqlx::query("select id, job from jobs where id > $1 order by id limit $2")
                        .bind(after.map_or(-1, |after| bigint(after.0)))
                        .bind(count(limit))
                        .fetch_all(&self.db.pool)
                        .await
                        .map_err(translate)?;
                rows.iter().map(job).collect()
            })
            .await
    }

    async fn job(&self, id: JobId) -> Result<Option<PollJob>> {
        self.db
            .within(async {
                let row = sqlx::query("select id, job from jobs where id = $1")
                    .bind(bigint(id.0))
                    .fetch_optional(&self.db.pool)
                    .await
                    .map_err(translate)?;
                row.as_ref().map(job).transpose()
            })
            .await
    }

    async fn update_job(&self, id: JobId, change: JobChange) -> Result<Option<PollJob>> {
        self.change_job(id, |job| {
            job.config = change.config;
            job.paused = change.paused;
            job.next_run = change.next_run;
            job.stretched = None;
            true
        })
        .await
    }

    async fn delete_job(&self, id: JobId) -> Result<bool> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                let deleted = sqlx::query("delete from jobs where id = $1")
                    .bind(bigint(id.0))
                    .execute(&mut *transaction)
                    .await
                    .map_err(translate)?;
                let is_deleted = deleted.rows_affected() > 0;
                self.conclude(&mut transaction, &is_deleted).await?;
                transaction.commit().await.map_err(translate)?;
                Ok(is_deleted)
            })
            .await
    }

    async fn delete_jobs(&self) -> Result<u64> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                let deleted = sqlx::query(
                    "with locked as materialized (select id from jobs order by id for update) \
                     delete from jobs where id in (select id from locked)",
                )
                .execute(&mut *transaction)
                .await
                .map_err(translate)?;
                let n_deleted = deleted.rows_affected();
                self.conclude(&mut transaction, &n_deleted).await?;
                transaction.commit().await.map_err(translate)?;
                Ok(n_deleted)
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
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                let rows = sqlx::query(
                    "select id, job from jobs \
                      where due_at <= $1 and (lease_until is null or lease_until <= $1) \
                      order by due_at, id limit $2 for update skip locked",
                )
                .bind(now.to_utc())
                .bind(count(limit))
                .fetch_all(&mut *transaction)
                .await
                .map_err(translate)?;
                let mut due = rows.iter().map(job).collect::<Result<Vec<_>>>()?;
                // A row that was changed between its look-up and its lock may be out of order.
                due.sort_by_key(|job| (job.next_run, job.id));
                for job in &mut due {
                    job.lease = Some(Lease { holder: holder.to_owned(), until });
                    put(&mut transaction, job).await?;
                }
                transaction.commit().await.map_err(translate)?;
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
        self.change_job(id, |job| {
            let is_free = job.lease.as_ref().is_none_or(|lease| lease.until <= now);
            if is_free {
                job.lease = Some(Lease { holder: holder.to_owned(), until });
            }
            is_free
        })
        .await
    }

    async fn release_leases(&self, holder: &str) -> Result<()> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                let rows = sqlx::query(
                    "select id, job from jobs where lease_holder = $1 order by id for update",
                )
                .bind(holder)
                .fetch_all(&mut *transaction)
                .await
                .map_err(translate)?;
                for row in &rows {
                    let mut job = job(row)?;
                    job.lease = None;
                    put(&mut transaction, &job).await?;
                }
                transaction.commit().await.map_err(translate)
            })
            .await
    }

    async fn finish_run(&self, id: JobId, holder: &str, run: JobRun) -> Result<Option<PollJob>> {
        self.change_job(id, |job| {
            if job.lease.as_ref().is_none_or(|lease| lease.holder != holder) {
                return false;
            }
            job.finish(run.started_at, run.error, run.n_points);
            if !job.paused && job.next_run == run.claimed_next_run {
                job.next_run = run.next_run;
                job.stretched = run.stretched;
            }
            true
        })
        .await
    }
}

impl PostgresStore {
    /// Changes a job while nobody else does. None when there is no such job, or when `change` says
    /// that it is to be left alone.
    async fn change_job(
        &self,
        id: JobId,
        change: impl FnOnce(&mut PollJob) -> bool + Send,
    ) -> Result<Option<PollJob>> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                let row = sqlx::query("select id, job from jobs where id = $1 for update")
                    .bind(bigint(id.0))
                    .fetch_optional(&mut *transaction)
                    .await
                    .map_err(translate)?;
                let Some(mut job) = row.as_ref().map(job).transpose()? else { return Ok(None) };
                if !change(&mut job) {
                    // Dropping it would give the row free only later, and a claim skips it until then.
                    transaction.rollback().await.map_err(translate)?;
                    return Ok(None);
                }
                put(&mut transaction, &job).await?;
                let changed = Some(job);
                self.conclude(&mut transaction, &changed).await?;
                transaction.commit().await.map_err(translate)?;
                Ok(changed)
            })
            .await
    }
}

/// Writes a job over what is there, and the columns that repeat it.
async fn put(connection: &mut PgConnection, job: &PollJob) -> Result<()> {
    sqlx::query(
        "update jobs set job = $2, due_at = $3, lease_holder = $4, lease_until = $5 where id = $1",
    )
    .bind(bigint(job.id.0))
    .bind(codec::encode(job))
    .bind(due_at(job))
    .bind(job.lease.as_ref().map(|lease| lease.holder.as_str()))
    .bind(job.lease.as_ref().map(|lease| lease.until.to_utc()))
    .execute(connection)
    .await
    .map_err(translate)?;
    Ok(())
}

fn due_at(job: &PollJob) -> Option<OffsetDateTime> {
    job.next_run.filter(|_| !job.paused).map(Timestamp::to_utc)
}

fn job(row: &PgRow) -> Result<PollJob> {
    codec::decode(JobId(unsigned(get(row, 0)?)?), get(row, 1)?).map_err(corrupt)
}
