//! One walk down a fallback chain for symbols that share it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use super::guard::{Asked, Guard};
use super::{Quoted, RouteFailure};
use crate::model::{
    AssetClass, Attempt, AttemptOutcome, FailureClass, Observation, Price, ProviderName, Receipt,
    ReceiptAnswer, Symbol,
};
use crate::ports::provider::Quote;
use crate::ports::{Appended, Clock, Store, StoreError};
use crate::services::draft::CheckedValue;
use crate::services::ingest::Ingest;

/// Calls to one provider that one walk has under way at a time.
const CALLS_AT_ONCE: usize = 4;

/// What one symbol got.
pub(super) type Outcome = Result<Quoted, RouteFailure>;

/// What a walk needs besides the chain.
pub(super) struct Fetch<'a> {
    pub(super) store: &'a Arc<dyn Store>,
    pub(super) ingest: &'a Ingest,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) remember_unknown: Duration,
    /// Suggested when no provider said how long to wait.
    pub(super) retry_after: Duration,
}

/// Where a symbol stands on its way down the chain.
#[derive(Default)]
struct Progress {
    tried: Vec<Attempt>,
    outcome: Option<Result<(Price, bool, ReceiptAnswer), RouteFailure>>,
}

impl Fetch<'_> {
    /// Asks down the chain until every symbol has a price or nobody is left, stores what comes,
    /// and keeps the receipts.
    pub(super) async fn walk(
        &self,
        symbols: &[Symbol],
        chain: &[Arc<Guard>],
    ) -> BTreeMap<Symbol, Outcome> {
        let asked_at = self.clock.now();
        let mut progress: BTreeMap<Symbol, Progress> =
            symbols.iter().map(|symbol| (symbol.clone(), Progress::default())).collect();
        for guard in chain {
            let waiting: Vec<Symbol> = progress
                .iter()
                .filter(|(_, progress)| progress.outcome.is_none())
                .map(|(symbol, _)| symbol.clone())
                .collect();
            if waiting.is_empty() {
                break;
            }
            let to_ask = self.worth_asking(guard, waiting, &mut progress).await;
            let answers = ask_in_batches(guard, &to_ask).await;
            self.take_answers(guard.name(), answers, &mut progress).await;
        }
        let mut receipts = Vec::with_capacity(progress.len());
        let outcomes = progress.into_iter().map(|(symbol, progress)| {
            let (outcome, receipt) = self.conclude(&symbol, progress, asked_at, chain.is_empty());
            receipts.push(receipt);
            (symbol, outcome)
        });
        let outcomes: BTreeMap<Symbol, Outcome> = outcomes.collect();
        if let Err(error) = self.store.save_receipts(receipts).await {
            tracing::warn!(%error, "receipts are not kept");
        }
        outcomes
    }

    /// Leaves out what the provider cannot know or did not know a while ago.
    async fn worth_asking(
        &self,
        guard: &Guard,
        symbols: Vec<Symbol>,
        progress: &mut BTreeMap<Symbol, Progress>,
    ) -> Vec<Symbol> {
        let now = self.clock.now();
        let known = self.store.unknown_symbols(guard.name(), &symbols, now).await;
        let known = known.unwrap_or_else(|error| {
            tracing::warn!(%error, "what providers do not list cannot be read");
            Vec::new()
        });
        let mut note = |symbol: &Symbol, outcome, detail: String, until| {
            if let Some(progress) = progress.get_mut(symbol) {
                let provider = guard.name().clone();
                let detail = Some(detail);
                progress.tried.push(Attempt { provider, outcome, detail, latency: None, until });
            }
        };
        let mut to_ask = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            let class = symbol.asset_class();
            if !guard.profile().asset_classes.contains(&class) {
                let outcome = AttemptOutcome::Failed(FailureClass::UnknownSymbol);
                note(&symbol, outcome, format!("{} has no {class}", guard.name()), None);
            } else if let Some((_, until)) = known.iter().find(|(known, _)| *known == symbol) {
                let detail = format!("not listed; asked again after {until}");
                note(&symbol, AttemptOutcome::KnownUnknown, detail, Some(*until));
            } else {
                to_ask.push(symbol);
            }
        }
        to_ask
    }

    async fn take_answers(
        &self,
        provider: &ProviderName,
        answers: Vec<(Symbol, Asked)>,
        progress: &mut BTreeMap<Symbol, Progress>,
    ) {
        let mut quotes = Vec::new();
        let mut unknown = Vec::new();
        for (symbol, Asked { attempt, quote }) in answers {
            if attempt.outcome == AttemptOutcome::Failed(FailureClass::UnknownSymbol) {
                unknown.push(symbol.clone());
            }
            if let Some(progress) = progress.get_mut(&symbol) {
                progress.tried.push(attempt);
            }
            quotes.extend(quote);
        }
        if !unknown.is_empty() {
            let now = self.clock.now();
            let until = now.plus(self.remember_unknown);
            if let Err(error) = self.store.remember_unknown(provider, &unknown, now, until).await {
                tracing::warn!(%error, "an unknown symbol is not remembered");
            }
        }
        if quotes.is_empty() {
            return;
        }
        let batch = quotes.iter().map(|quote| self.observation(provider, quote)).collect();
        let stored = self.ingest.record(batch).await;
        match stored {
            Ok(stored) => {
                for (quote, appended) in quotes.into_iter().zip(stored) {
                    let symbol = quote.symbol.clone();
                    let outcome = self.stored(provider, quote, appended).await;
                    if let Some(progress) = progress.get_mut(&symbol) {
                        progress.outcome = Some(outcome);
                    }
                }
            }
            Err(error) => {
                for quote in quotes {
                    if let Some(progress) = progress.get_mut(&quote.symbol) {
                        progress.outcome = Some(Err(store_failure(&error)));
                    }
                }
            }
        }
    }

    /// Turns what became of an observation into the price that is answered.
    async fn stored(
        &self,
        provider: &ProviderName,
        quote: Quote,
        appended: Appended,
    ) -> Result<(Price, bool, ReceiptAnswer), RouteFailure> {
        let is_new = matches!(appended, Appended::New(_));
        let price = match appended {
            Appended::New(price) | Appended::Duplicate(price) => price,
            Appended::Conflict(price) => {
                let known = &price.observation;
                // The day's volume grows while the last trade stays: that is no other price.
                if known.price == quote.price && known.currency == quote.currency {
                    price
                } else {
                    let value = CheckedValue {
                        price: quote.price,
                        volume: quote.volume,
                        currency: quote.currency,
                    };
                    let corrected = self.ingest.correct(price.id, value, quote.raw).await;
                    // Deleted in between: what was deleted is what its owner wants gone.
                    corrected.map_err(|error| store_failure(&error))?.unwrap_or(price)
                }
            }
        };
        let answer = ReceiptAnswer {
            provider: provider.clone(),
            price_id: price.id,
            change: quote.change,
            percent_change: quote.percent_change,
            observed_at: price.observation.observed_at,
            raw_response_id: price.raw_response_id(),
        };
        Ok((price, is_new, answer))
    }

    fn observation(&self, provider: &ProviderName, quote: &Quote) -> Observation {
        Observation {
            symbol: quote.symbol.clone(),
            provider: provider.clone(),
            observed_at: quote.observed_at,
            external_id: None,
            price: quote.price,
            volume: quote.volume,
            currency: quote.currency,
            received_at: self.clock.now(),
            time_source: quote.time_source,
            raw: quote.raw.clone(),
        }
    }

    fn conclude(
        &self,
        symbol: &Symbol,
        progress: Progress,
        asked_at: crate::model::Timestamp,
        nobody: bool,
    ) -> (Outcome, Receipt) {
        let Progress { tried, outcome } = progress;
        let mut receipt = Receipt { symbol: symbol.clone(), asked_at, tried, answer: None };
        let outcome = match outcome {
            Some(Ok((price, is_new, answer))) => {
                receipt.answer = Some(answer);
                Ok(Quoted { price, is_new, receipt: receipt.clone() })
            }
            Some(Err(failure)) => Err(failure),
            None if nobody => Err(RouteFailure::NobodyToAsk),
            None if receipt.tried.iter().all(|attempt| attempt.outcome.says_unknown()) => {
                Err(RouteFailure::UnknownSymbol { tried: receipt.tried.clone() })
            }
            None => {
                let now = self.clock.now();
                // A provider that does not list the symbol is no reason to come back.
                let untils = receipt.tried.iter().filter(|attempt| !attempt.outcome.says_unknown());
                let soonest = untils
                    .map(|attempt| attempt.until)
                    .map(|until| until.map_or(self.retry_after, |until| until.since(now)));
                let retry_after = soonest.min().unwrap_or(self.retry_after);
                let retry_after = retry_after.max(Duration::from_secs(1));
                Err(RouteFailure::Unavailable { retry_after, tried: receipt.tried.clone() })
            }
        };
        (outcome, receipt)
    }
}

/// Splits symbols into what one call may name, one asset class and quote currency a call, a few
/// calls at a time.
async fn ask_in_batches(guard: &Guard, symbols: &[Symbol]) -> Vec<(Symbol, Asked)> {
    let mut alike: BTreeMap<(AssetClass, &str), Vec<Symbol>> = BTreeMap::new();
    for symbol in symbols {
        let currency = symbol.pair().map_or("", |(_, quote)| quote);
        alike.entry((symbol.asset_class(), currency)).or_default().push(symbol.clone());
    }
    let batch_size = guard.profile().batch_size.max(1);
    let batches: Vec<Vec<Symbol>> = alike
        .into_values()
        .flat_map(|symbols| symbols.chunks(batch_size).map(<[Symbol]>::to_vec).collect::<Vec<_>>())
        .collect();
    let calls = futures_util::stream::iter(batches)
        .map(|batch| async move { guard.quotes(&batch).await })
        .buffered(CALLS_AT_ONCE);
    calls.collect::<Vec<_>>().await.into_iter().flatten().collect()
}

fn store_failure(error: &StoreError) -> RouteFailure {
    RouteFailure::Store { kind: error.kind, detail: error.to_string() }
}
