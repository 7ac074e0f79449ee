//! Backends of the bus port.

mod message;

pub mod channel;
#[cfg(feature = "fluvio")]
pub mod fluvio;
#[cfg(feature = "kafka")]
pub mod kafka;
