//! How many calls a provider may still get: limits a second, minute, day and month.
//!
//! Seconds and minutes slide, so that no span of a minute, wherever it starts, ever holds more
//! calls than the limit; days and months follow the UTC calendar, as the plans of the providers do.

use super::{QuotaWindow, Timestamp};

/// Slices that a sliding window is remembered in; more would only be more exact.
const SLICES: u32 = 64;

/// Calls that were made close together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallSlice {
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub n_calls: u32,
}

/// What is remembered of one window: plain data that may be stored and read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowUse {
    pub window: QuotaWindow,
    pub slices: Vec<CallSlice>,
}

/// A limit, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetLeft {
    pub window: QuotaWindow,
    pub limit: u32,
    pub left: u32,
    /// When a call that is refused now would be allowed; `now` while there is something left.
    pub next_at: Timestamp,
}

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetSpent {
    pub window: QuotaWindow,
    /// The first instant at which this window has room again.
    pub until: Timestamp,
}

/// The limits of one provider and the calls counted against them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    limits: Vec<(QuotaWindow, u32)>,
    used: Vec<WindowUse>,
}

impl Budget {
    /// Continues from what was stored; windows without a limit are forgotten.
    pub fn new(limits: &[(QuotaWindow, u32)], used: &[WindowUse]) -> Self {
        let of = |window| {
            let stored = used.iter().find(|stored| stored.window == window);
            stored.map(|stored| stored.slices.clone()).unwrap_or_default()
        };
        let used =
            limits.iter().map(|(window, _)| WindowUse { window: *window, slices: of(*window) });
        Self { limits: limits.to_vec(), used: used.collect() }
    }

    /// What [`Budget::new`] needs to continue.
    pub fn used(&self) -> &[WindowUse] {
        &self.used
    }

    /// Takes one call, or says which window refuses it the longest. A refusal takes nothing.
    ///
    /// # Errors
    /// [`BudgetSpent`] when a window has no call left.
    pub fn take(&mut self, now: Timestamp) -> Result<(), BudgetSpent> {
        for used in &mut self.used {
            used.forget_before(now);
        }
        let spent = self.left_in_windows(now).filter(|left| left.left == 0);
        if let Some(longest) = spent.max_by_key(|left| left.next_at) {
            return Err(BudgetSpent { window: longest.window, until: longest.next_at });
        }
        for used in &mut self.used {
            used.count(now);
        }
        Ok(())
    }

    /// What is left of every limit.
    pub fn left(&self, now: Timestamp) -> Vec<BudgetLeft> {
        let mut copy = self.clone();
        for used in &mut copy.used {
            used.forget_before(now);
        }
        copy.left_in_windows(now).collect()
    }

    fn left_in_windows(&self, now: Timestamp) -> impl Iterator<Item = BudgetLeft> {
        self.limits.iter().zip(&self.used).map(move |((window, limit), used)| {
            let n_used: u32 = used.slices.iter().map(|slice| slice.n_calls).sum();
            let left = limit.saturating_sub(n_used);
            let next_at = if left > 0 { now } else { used.room_at(*limit, n_used, now) };
            BudgetLeft { window: *window, limit: *limit, left, next_at }
        })
    }
}

impl WindowUse {
    /// Drops what no longer counts. Calls "after" `now` were counted before the clock was set
    /// back: they count as made now, so that a wrong clock neither frees nor locks the budget.
    fn forget_before(&mut self, now: Timestamp) {
        for slice in &mut self.slices {
            slice.first_at = slice.first_at.min(now);
            slice.last_at = slice.last_at.min(now);
        }
        match self.window.sliding() {
            Some(length) => self.slices.retain(|slice| slice.last_at.plus(length) > now),
            None => {
                let start = self.window.calendar_start(now);
                self.slices.retain(|slice| slice.last_at >= start);
            }
        }
    }

    fn count(&mut self, now: Timestamp) {
        let slice_length = self.window.sliding().map(|length| length / SLICES);
        match self.slices.last_mut() {
            // A slice counts until its last call leaves the window, which errs on the safe side.
            Some(slice) if slice_length.is_none_or(|length| now.since(slice.first_at) < length) => {
                slice.last_at = now;
                slice.n_calls = slice.n_calls.saturating_add(1);
            }
            _ => self.slices.push(CallSlice { first_at: now, last_at: now, n_calls: 1 }),
        }
    }

    /// When fewer than `limit` of the `n_used` calls still count.
    fn room_at(&self, limit: u32, n_used: u32, now: Timestamp) -> Timestamp {
        let Some(length) = self.window.sliding() else { return self.window.full_again(now) };
        let mut n_left = n_used;
        for slice in &self.slices {
            n_left -= slice.n_calls;
            if n_left < limit {
                return slice.last_at.plus(length);
            }
        }
        // A limit of zero never has room.
        Timestamp::MAX
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    #[test]
    fn each_window_refuses_until_it_has_room_again() {
        for (limits, calls, now, refused_by) in [
            (vec![(QuotaWindow::Second, 1)], vec![], "2026-01-31T10:00:00Z", None),
            (
                vec![(QuotaWindow::Second, 1)],
                vec!["2026-01-31T10:00:00Z"],
                "2026-01-31T10:00:00.5Z",
                Some((QuotaWindow::Second, "2026-01-31T10:00:01Z")),
            ),
            (
                vec![(QuotaWindow::Second, 1)],
                vec!["2026-01-31T10:00:00Z"],
                "2026-01-31T10:00:01Z",
                None,
            ),
            (
                vec![(QuotaWindow::Second, 5), (QuotaWindow::Day, 2)],
                vec!["2026-01-31T10:00:00Z", "2026-01-31T11:00:00Z"],
                "2026-01-31T23:59:59Z",
                Some((QuotaWindow::Day, "2026-02-01T00:00:00Z")),
            ),
            (
                vec![(QuotaWindow::Day, 2)],
                vec!["2026-01-31T10:00:00Z", "2026-01-31T11:00:00Z"],
                "2026-02-01T00:00:00Z",
                None,
            ),
            (
                vec![(QuotaWindow::Month, 1)],
                vec!["2026-01-01T10:00:00Z"],
                "2026-01-31T23:59:59Z",
                Some((QuotaWindow::Month, "2026-02-01T00:00:00Z")),
            ),
            (
                vec![(QuotaWindow::Minute, 0)],
                vec![],
                "2026-01-31T23:59:59Z",
                Some((QuotaWindow::Minute, "9999-12-31T23:59:59.999999Z")),
            ),
        ] {
            let mut budget = Budget::new(&limits, &[]);
            for call in &calls {
                budget.take(at(call)).expect("room");
            }
            let answer = budget.take(at(now)).err();
            let expected =
                refused_by.map(|(window, until)| BudgetSpent { window, until: at(until) });
            assert_eq!(answer, expected, "{limits:?} after {calls:?} at {now}");
        }
    }

    #[test]
    fn what_is_left_is_told_and_a_refusal_takes_nothing() {
        let mut budget = Budget::new(&[(QuotaWindow::Minute, 2), (QuotaWindow::Day, 3)], &[]);
        let now = at("2026-01-31T10:00:00Z");
        budget.take(now).expect("room");
        budget.take(now).expect("room");
        assert!(budget.take(now).is_err() && budget.take(now).is_err());
        let left: Vec<u32> = budget.left(now).iter().map(|left| left.left).collect();
        assert_eq!(left, [0, 1]);
    }

    #[test]
    fn a_clock_that_is_set_back_neither_frees_nor_locks_the_budget() {
        let mut budget = Budget::new(&[(QuotaWindow::Minute, 1)], &[]);
        budget.take(at("2030-01-01T00:00:00Z")).expect("room");
        let now = at("2026-01-01T00:00:00Z");
        assert_eq!(budget.take(now).map_err(|spent| spent.until), Err(at("2026-01-01T00:01:00Z")));
        assert_eq!(budget.take(now.plus(Duration::from_secs(60))), Ok(()));
    }

    proptest! {
        /// Ten minutes of callers that never rest, restarted somewhere in the middle.
        #[test]
        fn no_minute_ever_holds_more_calls_than_its_limit(
            pauses in proptest::collection::vec(1_u64..3_000, 1_500),
            limit in 1_u32..80,
            restart_at in 0_usize..1_500,
        ) {
            let limits = [(QuotaWindow::Minute, limit)];
            let mut budget = Budget::new(&limits, &[]);
            let mut now = at("2026-01-31T23:55:00Z");
            let mut made: Vec<Timestamp> = Vec::new();
            for (step, pause) in pauses.iter().enumerate() {
                if step == restart_at {
                    let stored = budget.used().to_vec();
                    budget = Budget::new(&limits, &stored);
                }
                now = now.plus(Duration::from_millis(*pause));
                match budget.take(now) {
                    Ok(()) => made.push(now),
                    Err(spent) => {
                        // The promise is kept: at `until` there is room.
                        prop_assert_eq!(budget.clone().take(spent.until), Ok(()));
                    }
                }
                prop_assert!(budget.used()[0].slices.len() <= 65);
            }
            for (index, first) in made.iter().enumerate() {
                let end = first.plus(Duration::from_secs(60));
                let n_in_minute = made[index..].iter().take_while(|call| **call < end).count();
                prop_assert!(n_in_minute <= limit as usize);
            }
        }
    }
}
