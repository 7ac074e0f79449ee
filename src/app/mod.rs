//! Floor 5: configuration, wiring and the command line. The only place that names a backend.

pub mod backends;
pub mod backup;
pub mod cli;
pub mod config;
mod demo;
pub mod migrate;
mod providers;
pub mod reload;
pub mod run;
pub mod selftest;
mod spans;
