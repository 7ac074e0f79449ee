//! Backends of the store port.

#[cfg(feature = "postgres")]
pub mod postgres;
pub mod redb;
