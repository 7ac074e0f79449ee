//! What every backend of a port must do: one list of cases a port, run on each backend.

#[path = "../support/build.rs"]
mod build;

mod bus;
mod cache;
mod provider;
mod store;
