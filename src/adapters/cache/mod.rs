//! Backends of the cache port.

pub mod moka;
#[cfg(feature = "redis")]
pub mod redis;
