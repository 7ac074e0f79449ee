//! When a job is due next: intervals that do not drift, and cron patterns in UTC.
//!
//! Patterns are read by croner, the parser inside tokio-cron-scheduler. That scheduler itself does
//! not drive polling jobs: it keeps its own clock and its own tasks and remembers nothing, while
//! jobs have leases, survive restarts and are tested on a clock that stands still. It rings the
//! bell where none of that matters: see [`super::assets`].

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;

use crate::model::{Invalid, Schedule, Timestamp};

/// The shortest and the longest interval of a job.
pub const MIN_INTERVAL: Duration = Duration::from_secs(1);
pub const MAX_INTERVAL: Duration = Duration::from_secs(366 * 24 * 3_600);

/// Checks a schedule when it comes in.
///
/// # Errors
/// When the interval is out of bounds, or the pattern is none or never comes.
pub fn check(schedule: &Schedule, now: Timestamp) -> Result<(), Invalid> {
    match schedule {
        Schedule::Interval(interval) if !(MIN_INTERVAL..=MAX_INTERVAL).contains(interval) => {
            Err(Invalid("an interval is 1 second to 366 days".into()))
        }
        Schedule::Interval(_) => Ok(()),
        Schedule::Cron(pattern) => match next_cron(pattern, now)? {
            Some(_) => Ok(()),
            None => Err(Invalid(format!("the pattern `{pattern}` never comes"))),
        },
    }
}

/// The run after one that was due at `due` and started at `started_at`, at least `at_least` after
/// that start; none when the pattern never comes again.
pub fn next_run(
    schedule: &Schedule,
    due: Timestamp,
    started_at: Timestamp,
    at_least: Duration,
) -> Option<Timestamp> {
    match schedule {
        Schedule::Interval(interval) => {
            let step = at_least.max(*interval);
            // From the due time, so that small delays do not add up; from the start after a
            // pause, so that what was missed is not made up for.
            let base = if started_at.since(due) < step { due.min(started_at) } else { started_at };
            Some(base.plus(step))
        }
        Schedule::Cron(pattern) => {
            // One second off, so that a pattern whose pace just fits is not halved.
            let pause = at_least.saturating_sub(Duration::from_secs(1));
            next_cron(pattern, started_at.plus(pause)).ok().flatten()
        }
    }
}

/// The pace a schedule asks for: the interval, or the pause between the next two occurrences.
pub fn pace(schedule: &Schedule, now: Timestamp) -> Duration {
    match schedule {
        Schedule::Interval(interval) => *interval,
        Schedule::Cron(pattern) => {
            let next = |after| next_cron(pattern, after).ok().flatten();
            let pause = next(now).and_then(|first| Some(next(first)?.since(first)));
            pause.unwrap_or(MAX_INTERVAL)
        }
    }
}

/// The first occurrence after `after`.
///
/// # Errors
/// When the text is no cron pattern.
pub fn next_cron(pattern: &str, after: Timestamp) -> Result<Option<Timestamp>, Invalid> {
    // Longer than any pattern a person writes; croner would read megabytes.
    if pattern.len() > 200 {
        return Err(Invalid("a cron pattern has at most 200 characters".into()));
    }
    let cron = Cron::from_str(pattern)
        .map_err(|error| Invalid(format!("`{pattern}` is no cron pattern: {error}")))?;
    let Some(after) = DateTime::<Utc>::from_timestamp_micros(after.as_micros()) else {
        return Ok(None);
    };
    let next = cron.find_next_occurrence(&after, false).ok();
    Ok(next.and_then(|next| Timestamp::from_micros(next.timestamp_micros()).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    #[test]
    fn bad_schedules_say_why() {
        for (schedule, fine) in [
            (Schedule::Interval(Duration::ZERO), false),
            (Schedule::Interval(Duration::from_millis(999)), false),
            (Schedule::Interval(MIN_INTERVAL), true),
            (Schedule::Interval(MAX_INTERVAL * 2), false),
            (Schedule::Cron("*/5 * * * *".into()), true),
            (Schedule::Cron("*/10 * * * * *".into()), true),
            (Schedule::Cron("@daily".into()), true),
            (Schedule::Cron(String::new()), false),
            (Schedule::Cron("61 * * * *".into()), false),
            (Schedule::Cron("every day".into()), false),
            (Schedule::Cron("0 0 30 2 *".into()), false),
            (Schedule::Cron("* ".repeat(500)), false),
        ] {
            let checked = check(&schedule, at("2026-03-31T12:00:00Z"));
            assert_eq!(checked.is_ok(), fine, "{schedule:?} {checked:?}");
        }
    }

    #[test]
    fn the_next_run_neither_drifts_nor_makes_up_for_what_was_missed() {
        let minute = Schedule::Interval(Duration::from_secs(60));
        let hourly = Schedule::Cron("0 * * * *".into());
        let (zero, ninety) = (Duration::ZERO, Duration::from_secs(90));
        let two_hours = Duration::from_secs(7_200);
        for (schedule, started, at_least, expected) in [
            (&minute, "12:00:00", zero, "12:01:00"),
            (&minute, "12:00:03", zero, "12:01:00"),
            (&minute, "12:10:03", zero, "12:11:03"),
            (&minute, "12:00:03", ninety, "12:01:30"),
            (&hourly, "12:00:03", zero, "13:00:00"),
            (&hourly, "12:00:00", two_hours, "14:00:00"),
        ] {
            let started = at(&format!("2026-03-31T{started}Z"));
            let next = next_run(schedule, at("2026-03-31T12:00:00Z"), started, at_least);
            assert_eq!(next, Some(at(&format!("2026-03-31T{expected}Z"))), "{schedule:?}");
        }
        assert_eq!(pace(&hourly, at("2026-03-31T12:00:00Z")), Duration::from_secs(3_600));
    }
}
