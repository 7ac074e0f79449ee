//! The live streams and the dashboard: the fan-out by itself, then both over real connections.

mod dashboard;
mod demo;
mod fan_out;
mod log;
mod service;
mod streams;
