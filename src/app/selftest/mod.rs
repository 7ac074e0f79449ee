//! The promise as a test that anybody can run on a machine of their own: many clients write while
//! the service is killed again and again, and afterwards every acknowledged write must be there
//! exactly once, with the averages that a computation written apart from the averager gives.
//!
//! [`author`] decides what a client writes and remembers what it was told; [`batch`] computes the
//! averages; [`check`] compares both with a store. [`child`] runs the service, [`client`] talks to
//! it, [`listener`] follows its stream, and [`chaos`] brings them together.

pub mod author;
pub mod batch;
pub mod chaos;
pub mod check;
pub mod child;
pub mod client;
pub mod listener;
