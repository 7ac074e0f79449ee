//! What every backend of a port must do: one list of cases a port, run on each backend.

#[path = "../support/build.rs"]
mod build;
#[cfg(feature = "postgres")]
#[path = "../support/postgres.rs"]
mod postgres;
#[cfg(feature = "postgres")]
#[path = "../support/servers.rs"]
mod servers;

mod bus;
mod cache;
mod limiter;
mod provider;
mod store;
