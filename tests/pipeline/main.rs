//! The pipeline from end to end: averages against an independent batch computation, crashes.

mod averages;
mod convert;
mod crash;
mod edge_store;
mod kill;
