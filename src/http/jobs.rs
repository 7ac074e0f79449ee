//! `/prices/poll`: polling jobs.

use std::sync::Arc;
use std::time::Duration;

use poem::http::{StatusCode, Uri};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Deserialize;

use super::cursor::{Cursors, List};
use super::doors::Caller;
use super::error::{ApiError, ProblemPart};
use super::params::{CursorParam, JobParam, LimitParam, next_link, printable};
use super::prices::Message;
use super::values::JsonBody;
use super::{ApiSettings, Services, Tag};
use crate::model::{JobConfig, JobId, PollJob, ProviderName, Schedule, Symbol};
use crate::services::draft::FieldError;
use crate::services::jobs::{JobFailure, Jobs, MAX_SYMBOLS};

/// Characters of the name of a job.
const MAX_NAME: usize = 100;

/// What to poll, and how often.
#[derive(Debug, Object, Deserialize)]
#[oai(write_only_all)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// 1 to 1,000 symbols
    pub symbols: Vec<String>,
    /// Seconds between two runs; with neither this nor `cron` what `fetch.job_interval` says
    #[serde(default)]
    pub interval: Option<u64>,
    /// A cron pattern in UTC
    #[serde(default)]
    pub cron: Option<String>,
    /// Only ask this provider
    #[serde(default)]
    pub provider: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
}

/// A change of a job; what is absent stays.
#[derive(Debug, Object, Deserialize)]
#[oai(write_only_all)]
#[serde(deny_unknown_fields)]
pub struct JobPatch {
    /// `paused` or `active`
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub symbols: Option<Vec<String>>,
    #[serde(default)]
    pub interval: Option<u64>,
    #[serde(default)]
    pub cron: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
}

#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct JobConfigRecord {
    pub symbols: Vec<String>,
    /// Seconds between two runs
    pub interval: Option<u64>,
    pub cron: Option<String>,
    pub provider: Option<String>,
    pub name: Option<String>,
}

impl From<&JobConfig> for JobConfigRecord {
    fn from(config: &JobConfig) -> Self {
        let (interval, cron) = match &config.schedule {
            Schedule::Interval(interval) => (Some(interval.as_secs()), None),
            Schedule::Cron(pattern) => (None, Some(pattern.clone())),
        };
        Self {
            symbols: config.symbols.iter().map(ToString::to_string).collect(),
            interval,
            cron,
            provider: config.provider.as_ref().map(ToString::to_string),
            name: config.name.clone(),
        }
    }
}

/// A polling job and how it went so far.
#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct JobRecord {
    pub job_id: String,
    /// The same as `job_id`
    pub id: String,
    pub config: JobConfigRecord,
    /// `accepted` (not run yet), `active`, `paused` or `failing`
    pub status: String,
    pub created_at: String,
    pub runs: u64,
    pub successes: u64,
    pub failures: u64,
    pub last_run: Option<String>,
    pub next_run: Option<String>,
    pub last_error: Option<String>,
    /// Prices stored
    pub points: u64,
    /// Runs are further apart than asked for, because of this
    pub stretched: Option<String>,
}

impl From<&PollJob> for JobRecord {
    fn from(job: &PollJob) -> Self {
        let statistics = &job.statistics;
        Self {
            job_id: job.id.to_string(),
            id: job.id.to_string(),
            config: (&job.config).into(),
            status: job.status().name().into(),
            created_at: job.created_at.to_string(),
            runs: statistics.n_runs,
            successes: statistics.n_successes,
            failures: statistics.n_failures,
            last_run: statistics.last_run.map(|instant| instant.to_string()),
            next_run: job.next_run.map(|instant| instant.to_string()),
            last_error: statistics.last_error.clone(),
            points: statistics.n_points,
            stretched: job.stretched.clone(),
        }
    }
}

#[derive(Debug, Default, Object)]
#[oai(read_only_all)]
pub struct AcceptedJob {
    pub job_id: String,
    pub status: String,
    pub config: JobConfigRecord,
}

#[derive(ApiResponse)]
pub enum AcceptedAnswer {
    /// The job is stored and will run
    #[oai(status = 202)]
    Accepted(
        Json<AcceptedJob>,
        /// Where the job is
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
pub enum JobsAnswer {
    /// One page
    #[oai(status = 200)]
    Page(
        Json<Vec<JobRecord>>,
        /// The next page, if there is one
        #[oai(header = "Link")]
        Option<String>,
    ),
}

pub struct JobsApi {
    jobs: Arc<Jobs>,
    cursors: Cursors,
    /// Of jobs that name neither an interval nor a pattern.
    interval: Duration,
}

impl JobsApi {
    pub fn new(services: &Services, settings: &ApiSettings) -> Self {
        Self {
            jobs: Arc::clone(&services.jobs),
            cursors: services.cursors.clone(),
            interval: settings.job_interval,
        }
    }
}

#[OpenApi(prefix_path = "/prices", tag = "Tag::Jobs")]
impl JobsApi {
    /// Start a polling job
    #[oai(path = "/poll", method = "post", operation_id = "create_job")]
    async fn create(
        &self,
        caller: Data<&Caller>,
        body: JsonBody<NewJob>,
    ) -> Result<AcceptedAnswer, ApiError> {
        let body = body.0;
        let mut errors = Vec::new();
        let symbols = parse_symbols(&body.symbols, &mut errors);
        let schedule = match (body.interval, body.cron) {
            (None, None) => Some(Schedule::Interval(self.interval)),
            (interval, cron) => parse_schedule(interval, cron, &mut errors),
        };
        let provider = body.provider.as_deref().and_then(|text| {
            let invalid = |detail: String| FieldError { field: "provider", detail };
            ProviderName::parse(text).map_err(|error| errors.push(invalid(error.to_string()))).ok()
        });
        check_name(body.name.as_deref(), &mut errors);
        let (Some(schedule), true) = (schedule, errors.is_empty()) else {
            return Err(errors.into());
        };
        let config = JobConfig { name: body.name, symbols, schedule, provider };
        let job = self.jobs.audited(caller.draft("job.create", "")).create(config).await?;
        let accepted = AcceptedJob {
            job_id: job.id.to_string(),
            status: "accepted".into(),
            config: (&job.config).into(),
        };
        Ok(AcceptedAnswer::Accepted(Json(accepted), format!("/prices/poll/{}", job.id)))
    }

    /// All polling jobs
    #[oai(path = "/poll", method = "get", operation_id = "list_jobs")]
    async fn list(
        &self,
        uri: &Uri,
        limit: Query<Option<LimitParam>>,
        cursor: Query<Option<CursorParam>>,
    ) -> Result<JobsAnswer, ApiError> {
        let limit = limit.0.map(|limit| limit.0).unwrap_or_default().get();
        let after = cursor.0.map(|cursor| self.cursors.open_number(List::Jobs, &cursor.0));
        // One more tells whether there is another page.
        let mut jobs = self.jobs.list(after.transpose()?.map(JobId), limit + 1).await?;
        let more = jobs.len() > limit;
        jobs.truncate(limit);
        let next = jobs
            .last()
            .filter(|_| more)
            .map(|last| next_link(uri, &self.cursors.seal_number(List::Jobs, last.id.0)));
        Ok(JobsAnswer::Page(Json(jobs.iter().map(JobRecord::from).collect()), next))
    }

    /// One polling job
    #[oai(path = "/poll/:job_id", method = "get", operation_id = "get_job")]
    async fn get(&self, job_id: Path<JobParam>) -> Result<Json<JobRecord>, ApiError> {
        Ok(Json((&self.jobs.job(job_id.0.0).await?).into()))
    }

    /// Change, pause or resume a polling job
    #[oai(path = "/poll/:job_id", method = "patch", operation_id = "change_job")]
    async fn change(
        &self,
        caller: Data<&Caller>,
        job_id: Path<JobParam>,
        body: JsonBody<JobPatch>,
    ) -> Result<Json<JobRecord>, ApiError> {
        let id = job_id.0.0;
        let patch = body.0;
        let mut job = self.jobs.job(id).await?;
        let mut errors = Vec::new();
        let mut config = job.config.clone();
        if let Some(symbols) = &patch.symbols {
            config.symbols = parse_symbols(symbols, &mut errors);
        }
        if patch.interval.is_some() || patch.cron.is_some() {
            let schedule = parse_schedule(patch.interval, patch.cron, &mut errors);
            config.schedule = schedule.unwrap_or(config.schedule);
        }
        check_name(patch.name.as_deref(), &mut errors);
        if patch.name.is_some() {
            config.name = patch.name;
        }
        let paused = match patch.status.as_deref() {
            None => None,
            Some("paused") => Some(true),
            Some("active") => Some(false),
            Some(_) => {
                let detail = "is `paused` or `active`".into();
                errors.push(FieldError { field: "status", detail });
                None
            }
        };
        if !errors.is_empty() {
            return Err(errors.into());
        }
        let jobs = |action| self.jobs.audited(caller.draft(action, id.to_string()));
        if config != job.config {
            job = jobs("job.change").update(id, config).await?;
        }
        if let Some(paused) = paused {
            job = match paused {
                true => jobs("job.pause").pause(id).await?,
                false => jobs("job.resume").resume(id).await?,
            };
        }
        Ok(Json((&job).into()))
    }

    /// Delete a polling job
    #[oai(path = "/poll/:job_id", method = "delete", operation_id = "delete_job")]
    async fn delete(
        &self,
        caller: Data<&Caller>,
        job_id: Path<JobParam>,
    ) -> Result<Json<Message>, ApiError> {
        let id = job_id.0.0;
        self.jobs.audited(caller.draft("job.delete", id.to_string())).delete(id).await?;
        Ok(Json(Message { message: format!("{id} is deleted") }))
    }

    /// Delete all polling jobs
    #[oai(path = "/delete-all-polling-jobs", method = "post", operation_id = "delete_all_jobs")]
    async fn delete_all(&self, caller: Data<&Caller>) -> Result<Json<Message>, ApiError> {
        let jobs = self.jobs.audited(caller.draft("job.delete", "all"));
        let n_deleted = jobs.delete_all().await?;
        Ok(Json(Message { message: format!("{n_deleted} polling jobs are deleted") }))
    }
}

fn parse_symbols(texts: &[String], errors: &mut Vec<FieldError>) -> Vec<Symbol> {
    let mut refuse = |detail: String| errors.push(FieldError { field: "symbols", detail });
    if texts.is_empty() || texts.len() > MAX_SYMBOLS {
        refuse(format!("a job has 1 to {MAX_SYMBOLS} symbols"));
        return Vec::new();
    }
    let mut symbols = Vec::new();
    for text in texts {
        match Symbol::parse(text) {
            Ok(symbol) if symbols.contains(&symbol) => {}
            Ok(symbol) => symbols.push(symbol),
            Err(error) => refuse(error.to_string()),
        }
    }
    symbols
}

fn check_name(name: Option<&str>, errors: &mut Vec<FieldError>) {
    if let Some(Err(error)) = name.map(|name| printable(name, MAX_NAME)) {
        errors.push(FieldError { field: "name", detail: error.to_string() });
    }
}

fn parse_schedule(
    interval: Option<u64>,
    cron: Option<String>,
    errors: &mut Vec<FieldError>,
) -> Option<Schedule> {
    match (interval, cron) {
        (Some(secs), None) => Some(Schedule::Interval(Duration::from_secs(secs))),
        (None, Some(pattern)) => Some(Schedule::Cron(pattern)),
        _ => {
            let detail = "give either `interval` or `cron`".into();
            errors.push(FieldError { field: "interval", detail });
            None
        }
    }
}

impl From<JobFailure> for ApiError {
    fn from(failure: JobFailure) -> Self {
        match failure {
            JobFailure::Invalid { field, detail } => {
                Self::invalid(vec![ProblemPart { pointer: format!("#/{field}"), detail }])
            }
            JobFailure::TooMany => Self::conflict("too-many-jobs", failure.to_string()),
            JobFailure::NotFound(_) => Self::not_found("unknown-job", failure.to_string()),
            JobFailure::Running(_) => {
                Self::new(StatusCode::CONFLICT, "job-running", failure.to_string())
            }
            JobFailure::Store(error) => error.into(),
        }
    }
}
