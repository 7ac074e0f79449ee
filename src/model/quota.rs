//! The windows in which providers count calls.

use std::time::Duration;

use time::{Date, Month};

use super::Timestamp;

/// A span of time with a limit on calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuotaWindow {
    Second,
    Minute,
    Day,
    Month,
}

impl QuotaWindow {
    pub const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Day, Self::Month];

    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == text)
    }

    /// The length of a window that slides; none for the two that follow the UTC calendar.
    pub fn sliding(self) -> Option<Duration> {
        match self {
            Self::Second => Some(Duration::from_secs(1)),
            Self::Minute => Some(Duration::from_secs(60)),
            Self::Day | Self::Month => None,
        }
    }

    /// When a quota that was used up at `now` is full again: a second or a minute later, at the
    /// next midnight, or on the next first of a month (UTC).
    pub fn full_again(self, now: Timestamp) -> Timestamp {
        match self.sliding() {
            Some(length) => now.plus(length),
            None => self.calendar_end(now),
        }
    }

    /// The first instant of the calendar day or month of `now`.
    pub(super) fn calendar_start(self, now: Timestamp) -> Timestamp {
        let date = now.to_utc().date();
        midnight(if self == Self::Month { date.replace_day(1).unwrap_or(date) } else { date })
    }

    fn calendar_end(self, now: Timestamp) -> Timestamp {
        let date = now.to_utc().date();
        let next = if self == Self::Month {
            let year = date.year() + i32::from(date.month() == Month::December);
            Date::from_calendar_date(year, date.month().next(), 1).ok()
        } else {
            date.next_day()
        };
        next.map_or(Timestamp::MAX, midnight)
    }
}

fn midnight(date: Date) -> Timestamp {
    Timestamp::from_secs(date.midnight().assume_utc().unix_timestamp()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_up_quota_is_full_again_at_the_end_of_its_window() {
        for (now, window, expected) in [
            ("2026-02-28T23:59:59Z", QuotaWindow::Second, "2026-03-01T00:00:00Z"),
            ("2026-02-28T23:59:30Z", QuotaWindow::Minute, "2026-03-01T00:00:30Z"),
            ("2026-02-28T10:00:00Z", QuotaWindow::Day, "2026-03-01T00:00:00Z"),
            ("2026-02-28T10:00:00Z", QuotaWindow::Month, "2026-03-01T00:00:00Z"),
            ("2026-12-31T10:00:00Z", QuotaWindow::Month, "2027-01-01T00:00:00Z"),
            ("2026-12-01T00:00:00Z", QuotaWindow::Day, "2026-12-02T00:00:00Z"),
        ] {
            let now = Timestamp::parse(now).expect("a time");
            assert_eq!(window.full_again(now).to_string(), expected, "{now} {window:?}");
        }
    }
}
