//! Floor 2: the providers behind the [`PriceProvider`](crate::ports::provider::PriceProvider) port.
//!
//! Each asks one upstream API and reads its answers into quotes, assets and typed failures, by
//! the rules of PROVIDERS.md. Budgets, retries, breakers and fallback are around them, not here.
//!
//! To add one: write its file, add its line to [`REGISTRY`], and put a few replies
//! into `tests/fixtures/providers/<name>/`.

mod registry;
mod settings;

mod figures;
mod http;
mod reply;

pub mod alphavantage;
pub mod coingecko;
pub mod coinmarketcap;
pub mod finnhub;
pub mod kraken;
pub mod yahoo;

pub mod replay;
pub mod simulated;

use crate::model::Symbol;
use crate::ports::provider::{ProviderError, Quote};

pub use registry::{REGISTRY, Registration, build};
pub use reply::Reply;
pub use settings::{BuildError, ProviderSettings, Secret};

/// What a call for quotes gives: each symbol with its quote or failure, in the order asked.
pub type QuoteResults = Vec<(Symbol, Result<Quote, ProviderError>)>;
