//! Backends of the store port.

pub mod redb;
