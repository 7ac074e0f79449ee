//! The circuit breaker of one provider, as a pure state machine: the time is passed in.
//!
//! Closed lets everything through; enough failures in a row open it; when the pause is over one
//! single call, the probe, decides whether it closes or opens again.

use std::time::Duration;

use super::Timestamp;

/// When a breaker opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Counted failures in a row that open it; at least 1.
    pub failures_to_open: u32,
    pub open_for: Duration,
    /// A probe that has not come back by then is given up, and another may go.
    pub probe_timeout: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures_to_open: 5,
            open_for: Duration::from_secs(300),
            probe_timeout: Duration::from_secs(60),
        }
    }
}

/// Plain data that may be stored and read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    Closed {
        n_failures: u32,
    },
    Open {
        until: Timestamp,
    },
    /// One probe is under way and is waited for until then.
    HalfOpen {
        probe_until: Timestamp,
    },
}

impl Default for BreakerState {
    fn default() -> Self {
        Self::Closed { n_failures: 0 }
    }
}

impl BreakerState {
    /// `closed`, `open` or `half-open`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half-open",
        }
    }

    /// When the next call may go; none while all may.
    pub fn until(self) -> Option<Timestamp> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { until } => Some(until),
            Self::HalfOpen { probe_until } => Some(probe_until),
        }
    }
}

/// The right to make one call; its outcome is reported with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the outcome of the call is reported with it"]
pub struct Permit {
    /// The deadline of the probe that this call is.
    probe: Option<Timestamp>,
}

impl Permit {
    pub fn is_probe(self) -> bool {
        self.probe.is_some()
    }
}

/// A breaker: its policy and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: BreakerState,
}

impl Breaker {
    /// Continues from what was stored.
    pub fn new(policy: BreakerPolicy, state: BreakerState) -> Self {
        Self { policy, state }
    }

    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Lets a call through, or says until when not. Past the pause, the call is the probe.
    ///
    /// # Errors
    /// The instant from which it is worth asking again.
    pub fn admit(&mut self, now: Timestamp) -> Result<Permit, Timestamp> {
        match self.state {
            BreakerState::Closed { .. } => Ok(Permit { probe: None }),
            BreakerState::Open { until } | BreakerState::HalfOpen { probe_until: until }
                if now < until =>
            {
                Err(until)
            }
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => {
                let probe_until = now.plus(self.policy.probe_timeout);
                self.state = BreakerState::HalfOpen { probe_until };
                Ok(Permit { probe: Some(probe_until) })
            }
        }
    }

    /// The provider answered, be it with news that nobody likes (an unknown symbol).
    pub fn answered(&mut self, permit: Permit) {
        // Only the probe under way closes: a call from before the trouble proves nothing.
        if self.decides(permit) {
            self.state = BreakerState::default();
        }
    }

    /// The provider failed in a way that counts.
    pub fn failed(&mut self, permit: Permit, now: Timestamp) {
        if !self.decides(permit) {
            return;
        }
        let n_failures = match self.state {
            BreakerState::Closed { n_failures } => n_failures.saturating_add(1),
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => u32::MAX,
        };
        self.state = if n_failures >= self.policy.failures_to_open {
            BreakerState::Open { until: now.plus(self.policy.open_for) }
        } else {
            BreakerState::Closed { n_failures }
        };
    }

    /// The provider asked to be left alone until then; a longer pause stays.
    pub fn open_until(&mut self, until: Timestamp) {
        let until = match self.state {
            BreakerState::Open { until: earlier } => until.max(earlier),
            BreakerState::Closed { .. } | BreakerState::HalfOpen { .. } => until,
        };
        self.state = BreakerState::Open { until };
    }

    /// The call was never made: a probe that did not happen may be made by another at once.
    pub fn not_made(&mut self, permit: Permit, now: Timestamp) {
        if permit.is_probe() && self.decides(permit) {
            self.state = BreakerState::Open { until: now };
        }
    }

    /// An operator says that all is well.
    pub fn reset(&mut self) {
        self.state = BreakerState::default();
    }

    fn decides(&self, permit: Permit) -> bool {
        match self.state {
            BreakerState::Closed { .. } => permit.probe.is_none(),
            BreakerState::Open { .. } => false,
            BreakerState::HalfOpen { probe_until } => permit.probe == Some(probe_until),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy {
        failures_to_open: 5,
        open_for: Duration::from_secs(300),
        probe_timeout: Duration::from_secs(60),
    };

    fn second(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + secs).expect("a time")
    }

    fn breaker() -> Breaker {
        Breaker::new(POLICY, BreakerState::default())
    }

    fn opened_at(secs: i64) -> Breaker {
        let mut breaker = breaker();
        for _ in 0..5 {
            let permit = breaker.admit(second(secs)).expect("closed");
            breaker.failed(permit, second(secs));
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_an_answer_between_starts_anew() {
        let mut breaker = breaker();
        for round in 0..3 {
            for _ in 0..4 {
                let permit = breaker.admit(second(round)).expect("closed");
                breaker.failed(permit, second(round));
            }
            let permit = breaker.admit(second(round)).expect("closed");
            breaker.answered(permit);
        }
        assert_eq!(breaker.state(), BreakerState::default());
        assert_eq!(opened_at(0).admit(second(1)), Err(second(300)));
    }

    #[test]
    fn one_probe_goes_after_the_pause_and_decides() {
        for (answers, expected) in [
            (true, BreakerState::default()),
            (false, BreakerState::Open { until: second(301 + 300) }),
        ] {
            let mut breaker = opened_at(0);
            let probe = breaker.admit(second(300)).expect("the probe");
            assert!(probe.is_probe());
            assert_eq!(breaker.admit(second(301)), Err(second(360)), "only one");
            if answers {
                breaker.answered(probe);
            } else {
                breaker.failed(probe, second(301));
            }
            assert_eq!(breaker.state(), expected);
        }
    }

    #[test]
    fn a_probe_that_never_comes_back_is_replaced_and_no_longer_decides() {
        let mut breaker = opened_at(0);
        let lost = breaker.admit(second(300)).expect("the probe");
        let next = breaker.admit(second(360)).expect("another probe");
        breaker.answered(lost);
        assert_eq!(breaker.state().name(), "half-open");
        breaker.answered(next);
        assert_eq!(breaker.state().name(), "closed");
    }

    #[test]
    fn calls_from_before_it_opened_change_nothing() {
        let mut breaker = breaker();
        let early = breaker.admit(second(0)).expect("closed");
        breaker.open_until(second(60));
        breaker.answered(early);
        breaker.failed(early, second(1));
        assert_eq!(breaker.state(), BreakerState::Open { until: second(60) });
    }

    #[test]
    fn a_quota_opens_for_exactly_its_window_and_never_shortens_a_pause() {
        let mut breaker = breaker();
        breaker.open_until(second(60));
        assert_eq!(breaker.admit(second(59)), Err(second(60)));
        breaker.open_until(second(30));
        assert_eq!(breaker.admit(second(59)), Err(second(60)));
        assert!(breaker.admit(second(60)).is_ok_and(Permit::is_probe));
    }

    #[test]
    fn a_probe_that_was_not_made_is_left_to_the_next_caller() {
        let mut breaker = opened_at(0);
        let probe = breaker.admit(second(300)).expect("the probe");
        breaker.not_made(probe, second(300));
        assert!(breaker.admit(second(300)).is_ok_and(Permit::is_probe));
    }

    proptest! {
        #[test]
        fn at_most_one_probe_is_under_way_and_it_never_stays_open_for_ever(
            steps in proptest::collection::vec((0_u8..4, 0_i64..200), 1..200)
        ) {
            let mut breaker = breaker();
            let (mut now, mut permits) = (second(0), Vec::new());
            let mut last_probe: Option<Timestamp> = None;
            for (step, pause) in steps {
                now = now.plus(Duration::from_secs(pause.unsigned_abs()));
                match step {
                    0 => if let Ok(permit) = breaker.admit(now) {
                        if let Some(probe_until) = permit.probe {
                            let free = last_probe.is_none_or(|earlier| now >= earlier);
                            prop_assert!(free, "two probes at once");
                            last_probe = Some(probe_until);
                        }
                        permits.push(permit);
                    },
                    1 => if let Some(permit) = permits.pop() {
                        if breaker.decides(permit) { last_probe = None; }
                        breaker.answered(permit);
                    },
                    2 => if let Some(permit) = permits.pop() {
                        if breaker.decides(permit) { last_probe = None; }
                        breaker.failed(permit, now);
                    },
                    _ => {}
                }
            }
            let later = now.plus(Duration::from_secs(301));
            prop_assert!(breaker.admit(later).is_ok());
        }
    }
}
