//! tickerd: a self-hosted market-data appliance.
//!
//! The building has floors and imports point down only (`tests/architecture.rs` guards this):
//!
//! | floor | module | what lives there |
//! |---|---|---|
//! | 0 | [`model`] | what a price is: pure values and arithmetic |
//! | 0 | [`telemetry`] | the table of metrics and the log set-up; anyone may use it |
//! | 1 | [`ports`] | the traits the service needs, with written contracts |
//! | 1 | [`codec`] | bytes that outlive a release: rows, keys, events |
//! | 2 | [`adapters`] | one folder a port, one file or folder a backend |
//! | 3 | [`services`] | the pipeline in data order, then the queries |
//! | 4 | [`http`] | REST resources, middleware, the server |
//! | 5 | [`app`] | configuration, wiring, the verbs of the command line |
//!
//! Data runs one way:
//! provider → `services::ingest` → store and outbox (one transaction) → `services::relay` → bus →
//! `services::averager` → store → `services::query` → `http`.

pub mod model;
pub mod telemetry;

pub mod codec;
pub mod ports;

pub mod adapters;

pub mod services;

pub mod http;

pub mod app;
