//! The REST API of a running service, over real connections.

#[path = "../support/app.rs"]
mod app;
#[path = "../support/children.rs"]
mod children;
#[path = "../support/full.rs"]
mod full;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/servers.rs"]
mod servers;
#[expect(dead_code, reason = "other tests make the stand-in misbehave in more ways")]
#[path = "../support/upstream.rs"]
mod upstream;

mod access;
mod averages;
mod batch;
mod cli;
mod cursors;
mod errors;
mod hostile;
mod input;
mod limits;
mod openapi;
mod pages;
mod prices;
mod quotes;
