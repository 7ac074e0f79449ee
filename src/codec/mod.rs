//! Floor 1: bytes that outlive a release. Every stored or published form has a version and a
//! decoder that answers a typed error for what it does not know.

pub mod access;
pub mod audit;
pub mod block;
mod bytes;
pub mod cached;
pub mod event;
pub mod job;
pub mod journal;
mod json;
pub mod ledger;
pub mod record;
pub mod snapshot;

/// Bytes that are not what their place says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the bytes end too early")]
    Truncated,
    #[error("unknown version {0}")]
    UnknownVersion(u64),
    #[error("{0}")]
    Invalid(String),
}

impl DecodeError {
    fn invalid(reason: impl std::fmt::Display) -> Self {
        Self::Invalid(reason.to_string())
    }
}
