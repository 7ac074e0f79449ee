//! Backends of the cache port.

pub mod moka;
