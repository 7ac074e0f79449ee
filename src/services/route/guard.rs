//! What stands between the service and one provider: breaker, budget, time-out, retries.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::account::Account;
use super::check::believable;
use super::switches::{Endpoint, Switches};
use crate::model::{
    AssetClass, Attempt, AttemptOutcome, AuditDraft, BreakerPolicy, BreakerState, BudgetLeft,
    CallStatistics, FailureClass, Permit, ProviderLedger, ProviderName, QuotaWindow, Symbol,
    Timestamp,
};
use crate::ports::provider::{Asset, PriceProvider, ProviderError, ProviderProfile, Quote};
use crate::ports::{Clock, LedgerSaved, Store, StoreError};
use crate::telemetry::metrics;

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
    /// Held while the account is changed, so that an older one never overwrites a newer.
    booking: tokio::sync::Mutex<()>,
    switches: Mutex<Switches>,
    /// Spreads retries.
    random: Mutex<u64>,
}

/// What a finished call says about the provider as a whole.
pub(super) enum Verdict {
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
        let account = Account::new(limits, options.breaker, ledger);
        Self {
            provider,
            options,
            store,
            clock,
            account: Mutex::new(account),
            booking: tokio::sync::Mutex::new(()),
            switches: Mutex::default(),
            random: Mutex::new(seed),
        }
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

    /// What is switched off, and why; without an endpoint, all is.
    pub(super) fn switched_off(&self) -> Vec<(Option<Endpoint>, String)> {
        self.switches.lock().off()
    }

    /// Takes over what other processes that ask this provider have booked since.
    pub(super) fn adopt(&self, ledger: ProviderLedger) {
        let mut account = self.account.lock();
        if ledger.revision > account.revision {
            account.adopt(ledger);
        }
    }

    /// Closes the breaker, switches everything on again and forgets which symbols are not listed;
    /// what was counted against the budgets stays counted. `draft` goes into the trail with it.
    pub(super) async fn reset(&self, draft: AuditDraft) -> Result<(), StoreError> {
        let store = self.store.audited(draft);
        let _turn = self.booking.lock().await;
        loop {
            let mut after = self.account.lock().clone();
            after.breaker.reset();
            match store.reset_provider(after.ledger(self.name())).await? {
                LedgerSaved::Saved => {
                    after.revision += 1;
                    *self.account.lock() = after;
                    self.switches.lock().reset();
                    return Ok(());
                }
                LedgerSaved::Stale(current) => self.account.lock().adopt(current),
            }
        }
    }

    /// Asks for at most a batch of symbols, at least one, all of one asset class; every one comes
    /// back.
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
        let endpoint = Endpoint::Quotes(symbols[0].asset_class());
        let answer = self.call(endpoint, ask, |answers| verdict_of_batch(answers)).await;
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
        let ask = || self.provider.assets(class);
        self.call(Endpoint::Assets(class), ask, |_| Verdict::Fine).await
    }

    /// Makes a call with everything around it, and makes it again where its failure allows.
    async fn call<'a, T>(
        &self,
        endpoint: Endpoint,
        make: impl Fn() -> BoxFuture<'a, Result<T, ProviderError>> + Sync,
        judge: impl Fn(&T) -> Verdict + Sync,
    ) -> Result<T, Refused>
    where
        T: Send,
    {
        let mut n_retries = 0;
        loop {
            let switched_off = self.switches.lock().refusal(endpoint);
            let admitted = match switched_off {
                Some(refused) => Err(refused),
                None => self.admit().await,
            };
            let permit = match admitted {
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
            self.switches.lock().note(endpoint, &verdict, self.profile().has_key);
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
        loop {
            match self.book(|account| account.admit(self.clock.now())).await {
                Ok(Ok(permit)) => return Ok(permit),
                Ok(Err((refused, Some(QuotaWindow::Second)))) if n_waits < MAX_WAITS => {
                    n_waits += 1;
                    let until = refused.until.unwrap_or(Timestamp::MAX);
                    let pause = until.since(self.clock.now()).min(Duration::from_secs(1));
                    self.clock.sleep(pause).await;
                }
                Ok(Err((refused, _))) => return Err(refused),
                // Not counted durably means not made: a restart must not forget a call.
                Err(error) => {
                    tracing::error!(provider = %self.name(), %error, "a call cannot be counted");
                    let outcome = AttemptOutcome::NotCounted;
                    return Err(Refused { outcome, detail: error.to_string(), until: None });
                }
            }
        }
    }

    /// Books how a call ended; answers until when the provider asked to be left alone.
    async fn settle(
        &self,
        permit: Permit,
        verdict: &Verdict,
        latency: Duration,
    ) -> Option<Timestamp> {
        let now = self.clock.now();
        let before = self.account.lock().breaker.state();
        let booked = self.book(|account| {
            account.calls.last_latency = Some(latency);
            Ok::<_, Infallible>(match verdict {
                Verdict::Fine => {
                    account.breaker.answered(permit);
                    None
                }
                Verdict::Failed(error) => account.book_failure(permit, error, now),
            })
        });
        let until = match booked.await {
            Ok(Ok(until)) => until,
            Err(error) => {
                // The next call books the same trouble again, or is not made.
                tracing::warn!(provider = %self.name(), %error, "how a call ended is not booked");
                None
            }
        };
        let after = self.account.lock().breaker.state();
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
        until
    }

    /// Changes the account, and writes it down where budgets or breaker changed. What another
    /// process booked meanwhile is taken over, and the change made to that instead.
    async fn book<T, E>(
        &self,
        change: impl Fn(&mut Account) -> Result<T, E>,
    ) -> Result<Result<T, E>, StoreError> {
        let _turn = self.booking.lock().await;
        loop {
            let before = self.account.lock().clone();
            let mut after = before.clone();
            let outcome = change(&mut after);
            if outcome.is_err() {
                // Another process may know better: that the breaker was reset, for one.
                let current = self.stored().await.ok().flatten();
                match current.filter(|current| current.revision > before.revision) {
                    Some(current) => self.adopt(current),
                    None => return Ok(outcome),
                }
                continue;
            }
            if !after.must_be_saved_after(&before) {
                *self.account.lock() = after;
                return Ok(outcome);
            }
            match self.store.save_ledger(after.ledger(self.name())).await? {
                LedgerSaved::Saved => {
                    after.revision += 1;
                    *self.account.lock() = after;
                    return Ok(outcome);
                }
                // Each turn of this loop is a write of somebody else: it ends.
                LedgerSaved::Stale(current) => self.account.lock().adopt(current),
            }
        }
    }

    async fn stored(&self) -> Result<Option<ProviderLedger>, StoreError> {
        let ledgers = self.store.ledgers().await?;
        Ok(ledgers.into_iter().find(|ledger| ledger.provider == *self.name()))
    }

    fn jittered(&self, n_retries: u32) -> Duration {
        let mut random = self.random.lock();
        // Knuth's MMIX generator: spreading retries needs no better one.
        *random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let permille = u32::try_from((*random >> 33) % 1_000).unwrap_or(500);
        self.options.retry_pause * (1 << n_retries.min(6)) * (500 + permille) / 1_000
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
    let is_the_providers = |error: &&ProviderError| {
        error.class.counts_for_breaker() || error.class == FailureClass::Forbidden
    };
    match failures().find(is_the_providers) {
        Some(error) if !any_quote => Verdict::Failed(error.clone()),
        _ => Verdict::Fine,
    }
}
