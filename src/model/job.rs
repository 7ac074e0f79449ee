//! Polling jobs: what is asked for again and again, and how that went.

use std::fmt;
use std::time::Duration;

use super::{Invalid, ProviderName, Symbol, Timestamp};

/// The number of a polling job; callers see it as `poll_7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

impl JobId {
    /// # Errors
    /// When the text is not `poll_` and a number.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let number = text.strip_prefix("poll_").unwrap_or(text);
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        match number.parse() {
            Ok(id) if digits => Ok(Self(id)),
            _ => Err(Invalid("a polling job is called poll_ and a number".into())),
        }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "poll_{}", self.0)
    }
}

/// When a job is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// This long after the start of the run before.
    Interval(Duration),
    /// A cron pattern of five fields, or of six with seconds first, in UTC.
    Cron(String),
}

/// What a job asks for, as its owner set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobConfig {
    pub name: Option<String>,
    pub symbols: Vec<Symbol>,
    pub schedule: Schedule,
    /// Only this one is asked; none means the fallback chain of each symbol.
    pub provider: Option<ProviderName>,
}

/// Who runs a job now. A lease that has run out may be taken by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub holder: String,
    pub until: Timestamp,
}

/// How the runs of a job went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobStatistics {
    pub n_runs: u64,
    /// Runs that gave a price for every symbol.
    pub n_successes: u64,
    /// Runs in which at least one symbol got no price.
    pub n_failures: u64,
    /// Failed runs since the last that succeeded.
    pub n_failures_in_a_row: u32,
    /// Prices stored for the first time.
    pub n_points: u64,
    /// The start of the last run.
    pub last_run: Option<Timestamp>,
    pub last_error: Option<String>,
}

/// Whether a job does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStatus {
    /// Never run yet.
    Accepted,
    Active,
    Paused,
    /// The last runs failed.
    Failing,
}

impl JobStatus {
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Active, Self::Paused, Self::Failing];

    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Failing => "failing",
        }
    }
}

/// A polling job as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollJob {
    pub id: JobId,
    pub config: JobConfig,
    pub created_at: Timestamp,
    pub paused: bool,
    /// None while paused, and for a pattern that never comes again.
    pub next_run: Option<Timestamp>,
    pub lease: Option<Lease>,
    pub statistics: JobStatistics,
    /// Why it runs less often than asked for; none when it runs as asked.
    pub stretched: Option<String>,
}

impl PollJob {
    /// Failed runs in a row from which on a job says that it is failing.
    pub const FAILING_FROM: u32 = 3;

    /// A job that has not run yet.
    pub fn new(
        id: JobId,
        config: JobConfig,
        created_at: Timestamp,
        next_run: Option<Timestamp>,
    ) -> Self {
        Self {
            id,
            config,
            created_at,
            paused: false,
            next_run,
            lease: None,
            statistics: JobStatistics::default(),
            stretched: None,
        }
    }

    pub fn status(&self) -> JobStatus {
        match &self.statistics {
            _ if self.paused => JobStatus::Paused,
            statistics if statistics.n_runs == 0 => JobStatus::Accepted,
            statistics if statistics.n_failures_in_a_row >= Self::FAILING_FROM => {
                JobStatus::Failing
            }
            _ => JobStatus::Active,
        }
    }

    /// Books a run that has ended, and gives the lease back.
    pub fn finish(&mut self, started_at: Timestamp, error: Option<String>, n_points: u64) {
        let statistics = &mut self.statistics;
        statistics.n_runs += 1;
        statistics.n_points += n_points;
        statistics.last_run = Some(started_at);
        match error {
            None => {
                statistics.n_successes += 1;
                statistics.n_failures_in_a_row = 0;
            }
            Some(error) => {
                statistics.n_failures += 1;
                statistics.n_failures_in_a_row = statistics.n_failures_in_a_row.saturating_add(1);
                // It stays after the next success: people ask what went wrong last night.
                statistics.last_error = Some(error);
            }
        }
        self.lease = None;
    }

    /// Whether it may be run at `now`: it is due and nobody is at it.
    pub fn may_run(&self, now: Timestamp) -> bool {
        let due = !self.paused && self.next_run.is_some_and(|next_run| next_run <= now);
        due && self.lease.as_ref().is_none_or(|lease| lease.until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_ids_are_read_as_they_are_printed() {
        for (given, expected) in [
            ("poll_7", Some(7)),
            ("7", Some(7)),
            ("poll_", None),
            ("poll_+7", None),
            ("poll_x", None),
            ("poll_99999999999999999999999", None),
        ] {
            assert_eq!(JobId::parse(given).ok().map(|id| id.0), expected, "{given}");
        }
        assert_eq!(JobId(7).to_string(), "poll_7");
    }
}
