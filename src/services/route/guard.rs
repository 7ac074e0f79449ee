//! What stands between the service and one provider: breaker, budget, time-out, retries.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::check::believable;
use crate::model::{
    AssetClass, Attempt, AttemptOutcome, Breaker, BreakerPolicy, BreakerState, Budget, BudgetLeft,
    CallStatistics, FailureClass, Permit, ProviderLedger, ProviderName, QuotaWindow, Symbol,
    Timestamp,
};
use crate::ports::provider::{Asset, PriceProvider, ProviderError, ProviderProfile, Quote};
use crate::ports::{Clock, Store, StoreError};
use crate::telemetry::metrics;

/// The longest pause a provider may ask for; a month's quota is the longest there is.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(31 * 24 * 3_600);

/// How one provider is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardOptions {
    /// The longest wait for one call, whatever the provider's own client allows.
    pub timeout: Duration,
    /// Calls made again after a failure that allows it.
    pub n_retries: u32,
    /// The middle of the pause before the first retry; it doubles, and each is drawn between half
    /// and one and a half of it.
    pub retry_pause: Duration,
    pub breaker: BreakerPolicy,
    /// How far ahead of our clock a quote may be stamped.
    pub max_future: Duration,
}

impl Default for GuardOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            n_retries: 1,
            retry_pause: Duration::from_millis(200),
            breaker: BreakerPolicy::default(),
            max_future: Duration::from_secs(300),
        }
    }
}

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", outcome.name())]
pub struct Refused {
    pub outcome: AttemptOutcome,
    /// For people; holds no key.
    pub detail: String,
    /// When it may be asked again, where that is known.
    pub until: Option<Timestamp>,
}

/// What asking for one symbol gave.
pub(super) struct Asked {
    pub(super) attempt: Attempt,
    pub(super) quote: Option<Quote>,
}

/// One provider and its account.
pub(super) struct Guard {
    provider: Arc<dyn PriceProvider>,
    options: GuardOptions,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    account: Mutex<Account>,
    /// Held while the account is written, so that an older one never overwrites a newer.
    saving: tokio::sync::Mutex<()>,
}

struct Account {
    budget: Budget,
    breaker: Breaker,
    calls: CallStatistics,
    random: u64,
}

/// What a finished call says about the provider as a whole.
enum Verdict {
    Fine,
    Failed(ProviderError),
}

impl Guard {
    /// Continues from `ledger`, what the store knows of this provider.
    pub(super) fn new(
        provider: Arc<dyn PriceProvider>,
        limits: &[(QuotaWindow, u32)],
        ledger: Option<ProviderLedger>,
        options: GuardOptions,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Self {
        let (used, breaker, calls) = match ledger {
            Some(ledger) => (ledger.used, ledger.breaker, ledger.calls),
            None => (Vec::new(), BreakerState::default(), CallStatistics::default()),
        };
        let account = Account {
            budget: Budget::new(limits, &used),
            breaker: Breaker::new(options.breaker, breaker),
            calls,
            random: seed,
        };
        let account = Mutex::new(account);
        Self { provider, options, store, clock, account, saving: tokio::sync::Mutex::new(()) }
    }

    pub(super) fn profile(&self) -> &ProviderProfile {
        self.provider.profile()
    }

    pub(super) fn name(&self) -> &ProviderName {
        &self.provider.profile().name
    }

    /// Breaker, budgets and statistics as they are now.
    pub(super) fn state(&self) -> (BreakerState, Vec<BudgetLeft>, CallStatistics) {
        let account = self.account.lock();
        let left = account.budget.left(self.clock.now());
        (account.breaker.state(), left, account.calls.clone())
    }

    /// Closes the breaker; what was counted against the budgets stays counted.
    pub(super) async fn reset(&self) -> Result<(), StoreError> {
        self.account.lock().breaker.reset();
        self.save().await
    }

    /// Asks for at most a batch of symbols; every one comes back.
    pub(super) async fn quotes(&self, symbols: &[Symbol]) -> Vec<(Symbol, Asked)> {
        let started_at = self.clock.now();
        let latest = started_at.plus(self.options.timeout + self.options.max_future);
        let ask = || -> BoxFuture<'_, _> {
            Box::pin(async {
                let quotes = self.provider.quotes(symbols).await?;
                let checked = quotes.into_iter().map(|(symbol, quote)| {
                    let quote = quote.and_then(|quote| believable(&symbol, quote, latest));
                    (symbol, quote)
                });
                Ok(checked.collect::<Vec<_>>())
            })
        };
        let answer = self.call(ask, |answers| verdict_of_batch(answers)).await;
        let latency = Some(self.clock.now().since(started_at));
        let attempt = |outcome, detail, until, latency| Attempt {
            provider: self.name().clone(),
            outcome,
            detail,
            latency,
            until,
        };
        match answer {
            Ok(mut answers) => symbols
                .iter()
                .map(|symbol| {
                    let position = answers.iter().position(|(answered, _)| answered == symbol);
                    let answer = position.map(|position| answers.swap_remove(position).1);
                    let asked = match answer {
                        Some(Ok(quote)) => Asked {
                            attempt: attempt(AttemptOutcome::Answered, None, None, latency),
                            quote: Some(quote),
                        },
                        Some(Err(error)) => {
                            let until = error.retry_after.map(|pause| self.clock.now().plus(pause));
                            let outcome = AttemptOutcome::Failed(error.class);
                            Asked {
                                attempt: attempt(outcome, Some(error.detail), until, latency),
                                quote: None,
                            }
                        }
                        // The port promises every symbol; absence means that it is not listed.
                        None => {
                            let outcome = AttemptOutcome::Failed(FailureClass::UnknownSymbol);
                            let detail = Some("it did not come back".to_owned());
                            Asked { attempt: attempt(outcome, detail, None, latency), quote: None }
                        }
                    };
                    (symbol.clone(), asked)
                })
                .collect(),
            Err(refused) => symbols
                .iter()
                .map(|symbol| {
                    let was_asked = matches!(refused.outcome, AttemptOutcome::Failed(_));
                    let (outcome, detail) = (refused.outcome, Some(refused.detail.clone()));
                    let latency = latency.filter(|_| was_asked);
                    let attempt = attempt(outcome, detail, refused.until, latency);
                    (symbol.clone(), Asked { attempt, quote: None })
                })
                .collect(),
        }
    }

    /// Asks for everything of an asset class.
    pub(super) async fn assets(&self, class: AssetClass) -> Result<Vec<Asset>, Refused> {
        self.call(|| self.provider.assets(class), |_| Verdict::Fine).await
    }

    /// Makes a call with everything around it, and makes it again where its failure allows.
    async fn call<'a, T>(
        &self,
        make: impl Fn() -> BoxFuture<'a, Result<T, ProviderError>> + Sync,
        judge: impl Fn(&T) -> Verdict + Sync,
    ) -> Result<T, Refused>
    where
        T: Send,
    {
        let mut n_retries = 0;
        loop {
            let permit = match self.admit().await {
                Ok(permit) => permit,
                Err(refused) => {
                    metrics::provider_refused(self.name().as_str(), refused.outcome.name());
                    return Err(refused);
                }
            };
            let started_at = self.clock.now();
            let answer = tokio::select! {
                answer = make() => answer,
                () = self.clock.sleep(self.options.timeout) => Err(ProviderError::new(
                    FailureClass::UpstreamError,
                    format!("no answer within {:?}", self.options.timeout),
                )),
            };
            let latency = self.clock.now().since(started_at);
            let verdict = match &answer {
                Ok(answer) => judge(answer),
                Err(error) => Verdict::Failed(error.clone()),
            };
            let until = self.settle(permit, &verdict, latency).await;
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // After `Retry-After` the breaker is open, and a retry would only be refused.
            if !error.class.may_retry() || until.is_some() || n_retries >= self.options.n_retries {
                let outcome = AttemptOutcome::Failed(error.class);
                return Err(Refused { outcome, detail: error.detail, until });
            }
            self.clock.sleep(self.jittered(n_retries)).await;
            n_retries += 1;
        }
    }

    /// Takes the right to make one call and books it, durably, before it goes on the wire.
    async fn admit(&self) -> Result<Permit, Refused> {
        // A second's budget is worth waiting for: the wait is shorter than most calls.
        const MAX_WAITS: u32 = 3;
        let mut n_waits = 0;
        let permit = loop {
            match self.try_admit() {
                Ok(permit) => break permit,
                Err((refused, Some(QuotaWindow::Second))) if n_waits < MAX_WAITS => {
                    n_waits += 1;
                    let until = refused.until.unwrap_or(Timestamp::MAX);
                    let pause = until.since(self.clock.now()).min(Duration::from_secs(1));
                    self.clock.sleep(pause).await;
                }
                Err((refused, _)) => return Err(refused),
            }
        };
        if let Err(error) = self.save().await {
            // Not counted durably means not made: a restart must not forget a call.
            self.account.lock().breaker.not_made(permit, self.clock.now());
            tracing::error!(provider = %self.name(), %error, "a call cannot be counted");
            let outcome = AttemptOutcome::NotCounted;
            return Err(Refused { outcome, detail: error.to_string(), until: None });
        }
        Ok(permit)
    }

    /// The budget that refused is told beside the refusal; none when it was the breaker.
    fn try_admit(&self) -> Result<Permit, (Refused, Option<QuotaWindow>)> {
        let now = self.clock.now();
        let mut account = self.account.lock();
        // The breaker first: a call that it refuses must not use up the budget.
        let permit = account.breaker.admit(now).map_err(|until| {
            let outcome = AttemptOutcome::BreakerOpen;
            let detail = format!("left alone until {until}");
            (Refused { outcome, detail, until: Some(until) }, None)
        })?;
        if let Err(spent) = account.budget.take(now) {
            account.breaker.not_made(permit, now);
            let outcome = AttemptOutcome::BudgetSpent;
            let detail =
                format!("the budget a {} is used up until {}", spent.window.name(), spent.until);
            let refused = Refused { outcome, detail, until: Some(spent.until) };
            return Err((refused, Some(spent.window)));
        }
        account.calls.n_calls += 1;
        account.calls.last_call_at = Some(now);
        Ok(permit)
    }

    /// Books how a call ended; answers until when the provider asked to be left alone.
    async fn settle(
        &self,
        permit: Permit,
        verdict: &Verdict,
        latency: Duration,
    ) -> Option<Timestamp> {
        let now = self.clock.now();
        let (until, before, after) = {
            let mut account = self.account.lock();
            let before = account.breaker.state();
            account.calls.last_latency = Some(latency);
            let until = match verdict {
                Verdict::Fine => {
                    account.breaker.answered(permit);
                    None
                }
                Verdict::Failed(error) => account.book_failure(permit, error, now),
            };
            (until, before, account.breaker.state())
        };
        let outcome = match verdict {
            Verdict::Fine => "answered",
            Verdict::Failed(error) => error.class.name(),
        };
        let name = self.name().as_str();
        metrics::provider_call(name, outcome, latency);
        metrics::provider_breaker(name, !matches!(after, BreakerState::Closed { .. }));
        if before.name() != after.name() {
            tracing::warn!(provider = name, outcome, "the breaker is now {}", after.name());
        }
        if before != after
            && let Err(error) = self.save().await
        {
            // The next call saves it again, or is not made.
            tracing::warn!(provider = name, %error, "the breaker's state is not saved");
        }
        until
    }

    async fn save(&self) -> Result<(), StoreError> {
        let _turn = self.saving.lock().await;
        let ledger = {
            let account = self.account.lock();
            ProviderLedger {
                provider: self.name().clone(),
                used: account.budget.used().to_vec(),
                breaker: account.breaker.state(),
                calls: account.calls.clone(),
            }
        };
        self.store.save_ledger(ledger).await
    }

    fn jittered(&self, n_retries: u32) -> Duration {
        let mut account = self.account.lock();
        // Knuth's MMIX generator: spreading retries needs no better one.
        account.random = account
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let permille = u32::try_from((account.random >> 33) % 1_000).unwrap_or(500);
        self.options.retry_pause * (1 << n_retries.min(6)) * (500 + permille) / 1_000
    }
}

impl Account {
    fn book_failure(
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

/// A batch speaks for the provider when no symbol got a quote and one failure is the provider's.
/// A quota that is used up in the middle of a batch speaks for it in any case.
fn verdict_of_batch(answers: &[(Symbol, Result<Quote, ProviderError>)]) -> Verdict {
    let failures = || answers.iter().filter_map(|(_, answer)| answer.as_ref().err());
    let is_quota = |error: &&ProviderError| {
        matches!(error.class, FailureClass::RateLimited(_)) || error.retry_after.is_some()
    };
    if let Some(error) = failures().find(is_quota) {
        return Verdict::Failed(error.clone());
    }
    let any_quote = answers.iter().any(|(_, answer)| answer.is_ok());
    match failures().find(|error| error.class.counts_for_breaker()) {
        Some(error) if !any_quote => Verdict::Failed(error.clone()),
        _ => Verdict::Fine,
    }
}
