//! Floor 2: the backends. One folder a port, one file or folder a backend; no adapter knows another.

pub mod bus;
pub mod cache;
pub mod limiter;
pub mod provider;
pub mod store;
