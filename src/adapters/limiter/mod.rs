//! Backends of the limiter port.

pub mod local;
