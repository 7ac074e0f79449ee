//! The ways in which asking a provider goes wrong, and what each means for the rest.

use super::QuotaWindow;

/// The classes of PROVIDERS.md section 1; what each means for breaker, retry and fallback is
/// decided once, by the methods here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The provider does not list the symbol.
    UnknownSymbol,
    /// Listed, but no usable price now.
    NoPrice,
    RateLimited(QuotaWindow),
    /// The key is missing or refused.
    Auth,
    /// The plan lacks the endpoint.
    Forbidden,
    /// Our fault.
    BadRequest,
    /// 5xx, time-out, connection refused.
    UpstreamError,
    /// Not what the documents say: HTML, truncated, `{}`.
    BadPayload,
}

impl FailureClass {
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownSymbol => "unknown_symbol",
            Self::NoPrice => "no_price",
            Self::RateLimited(_) => "rate_limited",
            Self::Auth => "auth",
            Self::Forbidden => "forbidden",
            Self::BadRequest => "bad_request",
            Self::UpstreamError => "upstream_error",
            Self::BadPayload => "bad_payload",
        }
    }

    /// Whether the breaker counts it as a failure of the provider.
    pub fn counts_for_breaker(self) -> bool {
        matches!(self, Self::UpstreamError | Self::BadPayload | Self::Auth)
    }

    /// Whether the same call may succeed if it is made again at once.
    pub fn may_retry(self) -> bool {
        matches!(self, Self::UpstreamError | Self::BadPayload)
    }
}
