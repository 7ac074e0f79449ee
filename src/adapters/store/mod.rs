//! Backends of the [`crate::ports::Store`] port.

#[cfg(feature = "postgres")]
pub mod postgres;
