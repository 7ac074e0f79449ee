//! What every backend of a port must do: one list of cases a port, run on each backend.

#[path = "../support/build.rs"]
mod build;
#[cfg(feature = "fluvio")]
#[path = "../support/fluvio.rs"]
mod fluvio;
#[cfg(feature = "kafka")]
#[path = "../support/kafka.rs"]
mod kafka;
#[path = "../support/positions.rs"]
mod positions;
#[cfg(feature = "postgres")]
#[path = "../support/postgres.rs"]
mod postgres;
#[cfg(feature = "redis")]
#[path = "../support/redis.rs"]
mod redis;
#[cfg(any(feature = "fluvio", feature = "kafka", feature = "postgres", feature = "redis"))]
#[path = "../support/servers.rs"]
mod servers;

mod bus;
mod cache;
mod limiter;
mod provider;
mod store;
