//! The full mode: several processes on one PostgreSQL, and the way there and back.
#![cfg(all(feature = "postgres", feature = "redis"))]

#[path = "../support/build.rs"]
#[expect(dead_code, reason = "other tests build more")]
mod build;
#[path = "../support/full.rs"]
#[expect(dead_code, reason = "every test here is about the full mode")]
mod full;
#[path = "../support/servers.rs"]
mod servers;

mod installation;

mod doors;
mod migrate;
mod refusals;
mod roles;
