//! Backends of the bus port.

pub mod channel;
