//! The full mode: several processes on one PostgreSQL, and the way there and back.
#![cfg(all(feature = "postgres", feature = "redis"))]

#[path = "../support/build.rs"]
#[expect(dead_code, reason = "other tests build more")]
mod build;
#[path = "../support/children.rs"]
mod children;
#[path = "../support/full.rs"]
#[expect(dead_code, reason = "every test here is about the full mode")]
mod full;
#[path = "../support/proxy.rs"]
#[expect(dead_code, reason = "here a connection is whole or gone")]
mod proxy;
#[path = "../support/servers.rs"]
mod servers;
#[path = "../support/upstream.rs"]
#[expect(dead_code, reason = "other tests make the stand-in misbehave in more ways")]
mod upstream;

mod installation;

mod doors;
mod migrate;
mod refusals;
mod roles;
mod streams;
