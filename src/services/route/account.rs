//! The account of one provider: what it may still be asked, and whether it is left alone.

use std::time::Duration;

use super::guard::Refused;
use crate::model::{
    AttemptOutcome, Breaker, BreakerPolicy, Budget, CallStatistics, FailureClass, Permit,
    ProviderLedger, ProviderName, QuotaWindow, Timestamp,
};
use crate::ports::provider::ProviderError;

/// The longest pause a provider may ask for; a month's quota is the longest there is.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(31 * 24 * 3_600);

/// Budget, breaker and statistics, as the process knows them.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) revision: u64,
    pub(super) budget: Budget,
    pub(super) breaker: Breaker,
    pub(super) calls: CallStatistics,
    limits: Vec<(QuotaWindow, u32)>,
    policy: BreakerPolicy,
}

impl Account {
    /// Continues from `ledger`, what the store knows.
    pub(super) fn new(
        limits: &[(QuotaWindow, u32)],
        policy: BreakerPolicy,
        ledger: Option<ProviderLedger>,
    ) -> Self {
        let mut account = Self {
            revision: 0,
            budget: Budget::new(limits, &[]),
            breaker: Breaker::new(policy, Default::default()),
            calls: CallStatistics::default(),
            limits: limits.to_vec(),
            policy,
        };
        if let Some(ledger) = ledger {
            account.adopt(ledger);
        }
        account
    }

    /// Forgets what it knew for what is stored.
    pub(super) fn adopt(&mut self, ledger: ProviderLedger) {
        self.revision = ledger.revision;
        self.budget = Budget::new(&self.limits, &ledger.used);
        self.breaker = Breaker::new(self.policy, ledger.breaker);
        self.calls = ledger.calls;
    }

    /// As it is stored.
    pub(super) fn ledger(&self, provider: &ProviderName) -> ProviderLedger {
        ProviderLedger {
            provider: provider.clone(),
            revision: self.revision,
            used: self.budget.used().to_vec(),
            breaker: self.breaker.state(),
            calls: self.calls.clone(),
        }
    }

    /// Latencies and error texts may wait for the next write; calls and breaker may not.
    pub(super) fn must_be_saved_after(&self, before: &Self) -> bool {
        self.calls.n_calls != before.calls.n_calls || self.breaker.state() != before.breaker.state()
    }

    /// Takes the right to make one call.
    ///
    /// # Errors
    /// Who refused; the window that is used up is told beside it, none when it was the breaker.
    pub(super) fn admit(
        &mut self,
        now: Timestamp,
    ) -> Result<Permit, (Refused, Option<QuotaWindow>)> {
        // The breaker first: a call that it refuses must not use up the budget.
        let permit = self.breaker.admit(now).map_err(|until| {
            let outcome = AttemptOutcome::BreakerOpen;
            let detail = format!("left alone until {until}");
            (Refused { outcome, detail, until: Some(until) }, None)
        })?;
        self.budget.take(now).map_err(|spent| {
            let outcome = AttemptOutcome::BudgetSpent;
            let (window, until) = (spent.window.name(), spent.until);
            let detail = format!("the budget a {window} is used up until {until}");
            (Refused { outcome, detail, until: Some(until) }, Some(spent.window))
        })?;
        self.calls.n_calls += 1;
        self.calls.last_call_at = Some(now);
        Ok(permit)
    }

    /// Books a failed call; answers until when the provider is to be left alone.
    pub(super) fn book_failure(
        &mut self,
        permit: Permit,
        error: &ProviderError,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.calls.n_failed_calls += 1;
        self.calls.last_error = Some(error.to_string());
        self.calls.last_error_at = Some(now);
        let asked_for = error.retry_after.filter(|pause| !pause.is_zero());
        let until = match (asked_for, error.class) {
            (Some(pause), _) => Some(now.plus(pause.min(MAX_RETRY_AFTER))),
            (None, FailureClass::RateLimited(window)) => Some(window.full_again(now)),
            (None, _) => None,
        };
        if let Some(until) = until {
            self.breaker.open_until(until);
        } else if error.class.counts_for_breaker() {
            self.breaker.failed(permit, now);
        } else {
            self.breaker.answered(permit);
        }
        until
    }
}
