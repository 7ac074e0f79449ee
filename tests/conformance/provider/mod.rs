//! The promises of `PriceProvider`: what each provider's replies mean.
//!
//! - [`case`]: a recorded reply and what it must give.
//! - [`endpoint`]: which adapter and parser a case belongs to, and the symbols it asks for.
//! - [`check`]: compares what came with what is expected.
//! - [`fixtures`]: walks the sets of replies, through the parsers and through the adapters.
//! - [`transport`]: slow, broken, oversized and misleading upstreams.

mod case;
mod check;
mod endpoint;
mod fixtures;
mod transport;

#[path = "../../support/upstream.rs"]
mod upstream;
