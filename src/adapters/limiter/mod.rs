//! Backends of the limiter port.

pub mod local;
#[cfg(feature = "redis")]
pub mod redis;
