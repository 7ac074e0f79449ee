//! Short ways to write down the values that tests are about.

use std::sync::Arc;

use tickerd::model::{
    Amount, Currency, EventKind, ExternalId, Observation, PriceEvent, PriceId, ProviderName,
    RawPayload, Sequence, Symbol, TimeSource, Timestamp, Window,
};
use tickerd::ports::Correction;

/// When an observation or a change is received unless a test says otherwise.
pub(crate) const RECEIVED_AT: &str = "2024-06-01T00:00:00Z";

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).expect("a symbol")
}

pub(crate) fn provider(text: &str) -> ProviderName {
    ProviderName::parse(text).expect("a provider name")
}

pub(crate) fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

/// The instant `secs` after 2024-05-01T00:00:00Z: observation times of most tests.
pub(crate) fn second(secs: u64) -> Timestamp {
    instant("2024-05-01T00:00:00Z").plus(std::time::Duration::from_secs(secs))
}

pub(crate) fn amount(text: &str) -> Amount {
    Amount::parse(text).expect("an amount")
}

pub(crate) fn currency(text: &str) -> Currency {
    Currency::parse(text).expect("a currency")
}

pub(crate) fn window(count: u64) -> Window {
    Window::new(count).expect("a window")
}

pub(crate) fn raw(text: &str) -> RawPayload {
    RawPayload(Arc::from(text))
}

/// An observation of `symbol` by `yahoo`, `secs` after the start of the test's day.
pub(crate) fn observed(symbol_text: &str, secs: u64, price: &str) -> Observation {
    Observation {
        symbol: symbol(symbol_text),
        provider: provider("yahoo"),
        observed_at: second(secs),
        external_id: None,
        price: amount(price),
        volume: None,
        currency: Currency::USD,
        received_at: instant(RECEIVED_AT),
        time_source: TimeSource::Provider,
        raw: None,
    }
}

/// The event of a price of `symbol` whose id is the sequence.
pub(crate) fn recorded(symbol_text: &str, sequence: u64) -> PriceEvent {
    let observation = observed(symbol_text, sequence, "1");
    PriceEvent {
        message_id: u128::from(sequence) << 64 | 0x7000_8000_0000_0000_0000,
        kind: EventKind::Recorded,
        sequence: Sequence(sequence),
        price_id: PriceId::new(sequence).expect("an id"),
        version: 1,
        symbol: observation.symbol,
        price: observation.price,
        currency: observation.currency,
        volume: None,
        observed_at: observation.observed_at,
        received_at: observation.received_at,
        provider: ProviderName::manual(),
        raw_response_id: None,
    }
}

/// What else a test says about an observation.
pub(crate) trait With: Sized {
    fn by(self, provider_text: &str) -> Self;
    fn at(self, observed_at: &str) -> Self;
    fn external(self, id: &str) -> Self;
    fn received(self, received_at: &str) -> Self;
    fn volume(self, volume: &str) -> Self;
}

impl With for Observation {
    fn by(self, provider_text: &str) -> Self {
        Self { provider: provider(provider_text), ..self }
    }

    fn at(self, observed_at: &str) -> Self {
        Self { observed_at: instant(observed_at), ..self }
    }

    fn external(self, id: &str) -> Self {
        Self { external_id: Some(ExternalId::parse(id).expect("an external id")), ..self }
    }

    fn received(self, received_at: &str) -> Self {
        Self { received_at: instant(received_at), ..self }
    }

    fn volume(self, volume: &str) -> Self {
        Self { volume: Some(amount(volume)), ..self }
    }
}

/// A correction to `price` in USD without volume.
pub(crate) fn corrected(price: &str) -> Correction {
    Correction {
        price: amount(price),
        volume: None,
        currency: Currency::USD,
        received_at: instant(RECEIVED_AT),
        raw: None,
    }
}

/// A correction to `price` that is received at `received_at`.
pub(crate) fn corrected_at(price: &str, received_at: &str) -> Correction {
    Correction { received_at: instant(received_at), ..corrected(price) }
}
