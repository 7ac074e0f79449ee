//! Floor 2: the backends. One folder a port, one file or folder a backend; no adapter knows another.
//! What the backends of two ports share, their connection to Redis, lies beside the folders.

pub mod bus;
pub mod cache;
pub mod limiter;
pub mod provider;
#[cfg(feature = "redis")]
pub mod redis;
pub mod store;
