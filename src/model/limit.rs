//! How often a client may ask.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::KeyId;

/// So many requests in so much time. All may come at once; then they grow back evenly, one each
/// `window / requests` (GCRA).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    pub requests: NonZeroU32,
    /// At least a millisecond for each request.
    pub window: Duration,
}

impl Quota {
    /// How long one request takes to grow back.
    pub fn interval(self) -> Duration {
        self.window / self.requests.get()
    }
}

/// One limit: its name, the same in every process, and how much it grants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitRule {
    /// `default`, or the route it is for.
    pub name: Arc<str>,
    pub quota: Quota,
}

/// Who is limited: the key, or without one the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    Key(KeyId),
    ConfiguredKey,
    /// IPv6 counts by its first 64 bits: whoever has one address there has all of them.
    Address(IpAddr),
}

impl Client {
    pub fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
            address => address,
        })
    }
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(id) => write!(f, "key:{id}"),
            Self::ConfiguredKey => f.write_str("key:configured"),
            Self::Address(address) => write!(f, "address:{address}"),
        }
    }
}

/// Whether a request may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitDecision {
    Allowed {
        /// Requests that may follow at once.
        remaining: u32,
        /// Until the whole quota has grown back.
        reset: Duration,
    },
    Denied {
        /// When the next one is allowed, and none before.
        retry_after: Duration,
    },
}
