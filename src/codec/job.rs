//! Polling jobs as stored: JSON with a version, the id being the key.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::json::{self, optional_timestamp, timestamp};
use crate::model::{
    JobConfig, JobId, JobStatistics, Lease, PollJob, ProviderName, Schedule, Symbol, Timestamp,
};

const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
struct JobV1 {
    name: Option<String>,
    symbols: Vec<String>,
    interval_ms: Option<u64>,
    cron: Option<String>,
    provider: Option<String>,
    created_at: i64,
    paused: bool,
    next_run: Option<i64>,
    lease: Option<(String, i64)>,
    n_runs: u64,
    n_successes: u64,
    n_failures: u64,
    n_failures_in_a_row: u32,
    n_points: u64,
    last_run: Option<i64>,
    last_error: Option<String>,
    stretched: Option<String>,
}

/// Encodes a job without its id.
pub fn encode(job: &PollJob) -> Vec<u8> {
    let (interval_ms, cron) = match &job.config.schedule {
        Schedule::Interval(interval) => {
            (Some(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX)), None)
        }
        Schedule::Cron(pattern) => (None, Some(pattern.clone())),
    };
    let micros = |instant: Option<Timestamp>| instant.map(Timestamp::as_micros);
    let statistics = &job.statistics;
    let row = JobV1 {
        name: job.config.name.clone(),
        symbols: job.config.symbols.iter().map(Symbol::to_string).collect(),
        interval_ms,
        cron,
        provider: job.config.provider.as_ref().map(ProviderName::to_string),
        created_at: job.created_at.as_micros(),
        paused: job.paused,
        next_run: micros(job.next_run),
        lease: job.lease.as_ref().map(|lease| (lease.holder.clone(), lease.until.as_micros())),
        n_runs: statistics.n_runs,
        n_successes: statistics.n_successes,
        n_failures: statistics.n_failures,
        n_failures_in_a_row: statistics.n_failures_in_a_row,
        n_points: statistics.n_points,
        last_run: micros(statistics.last_run),
        last_error: statistics.last_error.clone(),
        stretched: job.stretched.clone(),
    };
    json::encode(VERSION, &row)
}

/// # Errors
/// When the bytes are no job of a known version.
pub fn decode(id: JobId, bytes: &[u8]) -> Result<PollJob, DecodeError> {
    let row: JobV1 = json::decode(VERSION, bytes)?;
    let schedule = match (row.interval_ms, row.cron) {
        (Some(interval_ms), None) => Schedule::Interval(Duration::from_millis(interval_ms)),
        (None, Some(pattern)) => Schedule::Cron(pattern),
        _ => return Err(DecodeError::invalid("a job has either an interval or a cron pattern")),
    };
    let symbols: Result<Vec<Symbol>, _> = row.symbols.iter().map(|s| Symbol::parse(s)).collect();
    let provider = row.provider.as_deref().map(ProviderName::parse).transpose();
    let lease = row.lease.map(|(holder, until)| Ok(Lease { holder, until: timestamp(until)? }));
    Ok(PollJob {
        id,
        config: JobConfig {
            name: row.name,
            symbols: symbols.map_err(DecodeError::invalid)?,
            schedule,
            provider: provider.map_err(DecodeError::invalid)?,
        },
        created_at: timestamp(row.created_at)?,
        paused: row.paused,
        next_run: optional_timestamp(row.next_run)?,
        lease: lease.transpose()?,
        statistics: JobStatistics {
            n_runs: row.n_runs,
            n_successes: row.n_successes,
            n_failures: row.n_failures,
            n_failures_in_a_row: row.n_failures_in_a_row,
            n_points: row.n_points,
            last_run: optional_timestamp(row.last_run)?,
            last_error: row.last_error,
        },
        stretched: row.stretched,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(schedule: Schedule) -> PollJob {
        let at = |secs| Timestamp::from_secs(secs).expect("a time");
        PollJob {
            id: JobId(7),
            config: JobConfig {
                name: Some("coins \"daily\"".into()),
                symbols: vec![Symbol::parse("BTC-USD").expect("a symbol")],
                schedule,
                provider: Some(ProviderName::parse("kraken").expect("a name")),
            },
            created_at: at(1),
            paused: false,
            next_run: Some(at(2)),
            lease: Some(Lease { holder: "a".into(), until: at(3) }),
            statistics: JobStatistics { n_runs: 3, last_run: Some(at(4)), ..Default::default() },
            stretched: Some("why".into()),
        }
    }

    #[test]
    fn a_job_comes_back_as_it_was_stored() {
        for schedule in
            [Schedule::Interval(Duration::from_millis(1_500)), Schedule::Cron("*/5 * * * *".into())]
        {
            let job = job(schedule);
            assert_eq!(decode(JobId(7), &encode(&job)), Ok(job));
        }
    }

    #[test]
    fn what_is_no_job_says_why() {
        let text = String::from_utf8(encode(&job(Schedule::Cron("x".into())))).expect("UTF-8");
        let newer = text.replace(r#""v":1"#, r#""v":2"#);
        assert_eq!(decode(JobId(1), newer.as_bytes()), Err(DecodeError::UnknownVersion(2)));
        for broken in ["", "{}", "[]", &text.replace("BTC-USD", "B C"), &text.replace("cron", "c")]
        {
            assert!(decode(JobId(1), broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
