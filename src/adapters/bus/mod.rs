//! Backends of the bus port.

mod message;

pub mod channel;
#[cfg(feature = "kafka")]
pub mod kafka;
