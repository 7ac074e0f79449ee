//! What Redis may do to the service: die, hang, forget, come back with old data, belong to others.
#![cfg(feature = "redis")]

#[path = "../support/app.rs"]
#[expect(dead_code, reason = "other tests ask more")]
mod app;
#[path = "../support/build.rs"]
#[expect(dead_code, reason = "other tests build more")]
mod build;
#[path = "../support/full.rs"]
mod full;
#[path = "../support/servers.rs"]
mod servers;

mod server;

mod cache;
mod limiter;
mod opening;
mod service;
