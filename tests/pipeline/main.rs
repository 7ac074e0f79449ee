//! The pipeline from end to end: averages against an independent batch computation, crashes.

mod averages;
mod crash;
mod kill;
