//! The REST API of a running service, over real connections.

#[path = "../support/app.rs"]
mod app;

mod averages;
mod batch;
mod errors;
mod hostile;
mod openapi;
mod prices;
