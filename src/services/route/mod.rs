//! Asks providers for prices: around each its budget, breaker, retries and time-out, and behind
//! one the next of the fallback chain.
//!
//! Concurrent questions for one symbol share one upstream call. What comes is stored through
//! [`Ingest`](super::ingest::Ingest) before anyone is answered, and a receipt says who was tried.
//! Budgets and breakers are kept in the store, and shared by all processes on it.

mod account;
mod chain;
mod check;
mod fetch;
mod guard;
mod router;
mod switches;

pub use chain::Chains;
pub use guard::{GuardOptions, Refused};
pub use router::{ProviderState, Router, RouterOptions};
pub use switches::Endpoint;

use std::time::Duration;

use crate::model::{Attempt, Price, ProviderName, Receipt};
use crate::ports::StoreErrorKind;

/// A price that a provider gave just now, as stored, and how it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Quoted {
    pub price: Price,
    /// This price was not stored before: false for a closed market's repeated quote.
    pub is_new: bool,
    pub receipt: Receipt,
}

/// Why nobody gave a price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteFailure {
    /// Everyone who was to be asked says that the symbol does not exist.
    #[error("no provider knows this symbol")]
    UnknownSymbol { tried: Vec<Attempt> },
    #[error("no provider gave a price; try again in {} s", retry_after.as_secs())]
    Unavailable { retry_after: Duration, tried: Vec<Attempt> },
    #[error("no provider is enabled that could be asked for this symbol")]
    NobodyToAsk,
    /// The provider that was asked for by name is off.
    #[error("{provider} is off: {reason}")]
    ProviderOff { provider: ProviderName, reason: String },
    #[error("no provider is called `{provider}`")]
    UnknownProvider { provider: ProviderName, choices: Vec<ProviderName> },
    /// The price could not be stored, so it is not shown.
    #[error("store {kind}: {detail}")]
    Store { kind: StoreErrorKind, detail: String },
}

impl RouteFailure {
    /// Everyone who was tried.
    pub fn tried(&self) -> &[Attempt] {
        match self {
            Self::UnknownSymbol { tried } | Self::Unavailable { tried, .. } => tried,
            _ => &[],
        }
    }
}
