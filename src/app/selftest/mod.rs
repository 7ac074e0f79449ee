//! The promise as a test: many clients write while things go wrong, and afterwards every
//! acknowledged write must be there exactly once, with the averages that a computation written
//! apart from the averager gives.
//!
//! [`author`] decides what a client writes and remembers what it was told, [`client`] writes it
//! over HTTP, [`batch`] computes the averages, and [`check`] compares both with a store. [`chaos`]
//! brings them together around a [`child`] that is killed, and a [`listener`] to its stream.

pub mod author;
pub mod batch;
pub mod chaos;
pub mod check;
pub mod child;
pub mod client;
pub mod listener;
