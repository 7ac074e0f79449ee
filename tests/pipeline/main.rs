//! The pipeline from end to end: averages against an independent batch computation, crashes.

#[path = "../support/full.rs"]
mod full;
#[path = "../support/servers.rs"]
mod servers;

mod averages;
mod convert;
mod crash;
mod edge_store;
mod kill;
