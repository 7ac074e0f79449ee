//! Beside floor 0: what the service tells about itself. Anyone may use it; it uses no one.

pub mod logging;
pub mod metrics;
