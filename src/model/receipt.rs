//! Receipts: who was asked for a symbol, and what came of it.

use std::time::Duration;

use rust_decimal::Decimal;

use super::{FailureClass, PriceId, ProviderName, Symbol, Timestamp};

/// What became of asking one provider for one symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    Answered,
    Failed(FailureClass),
    /// It did not know the symbol a while ago, and was not asked.
    KnownUnknown,
    /// A budget is used up, and it was not asked.
    BudgetSpent,
    /// The breaker is open, and it was not asked.
    BreakerOpen,
    /// Its key was refused, or its plan lacks this, and it was not asked.
    SwitchedOff,
    /// The call could not be written into the ledger, and was not made.
    NotCounted,
}

impl AttemptOutcome {
    /// One of a closed set of names, for receipts and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed(class) => class.name(),
            Self::KnownUnknown => "known_unknown",
            Self::BudgetSpent => "budget_spent",
            Self::BreakerOpen => "breaker_open",
            Self::SwitchedOff => "switched_off",
            Self::NotCounted => "not_counted",
        }
    }

    /// Whether the provider says that it does not list the symbol.
    pub fn says_unknown(self) -> bool {
        matches!(self, Self::KnownUnknown | Self::Failed(FailureClass::UnknownSymbol))
    }
}

/// One provider on the way to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub provider: ProviderName,
    pub outcome: AttemptOutcome,
    /// For people: what was wrong.
    pub detail: Option<String>,
    /// From the first byte sent to the answer read, retries included; none when it was not asked.
    pub latency: Option<Duration>,
    /// When it may be asked again, where that is known.
    pub until: Option<Timestamp>,
}

/// How a symbol got its price, or why it got none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub symbol: Symbol,
    pub asked_at: Timestamp,
    /// Everyone who was tried, in order; the last one answered if anyone did.
    pub tried: Vec<Attempt>,
    pub answer: Option<ReceiptAnswer>,
}

/// What the answering provider said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptAnswer {
    pub provider: ProviderName,
    pub price_id: PriceId,
    /// None when the provider does not say; its meaning is the provider's.
    pub change: Option<Decimal>,
    pub percent_change: Option<Decimal>,
    pub observed_at: Timestamp,
    pub raw_response_id: Option<String>,
}
