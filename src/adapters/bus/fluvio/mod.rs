//! The bus on Fluvio. Floor 2.
//!
//! Fluvio has no groups of consumers that share partitions: every member of a group reads all of
//! them. The averages are right nevertheless, because members take turns by symbol in the store, but
//! the work is done by each; so run one averager, and a second one only to stand by. Where to read
//! on is in the store, beside the averages; Fluvio's consumer offsets are told as well, for the lag
//! and for its own tools.

mod options;
mod wire;

mod cluster;

mod bus;
mod subscription;

pub use bus::FluvioBus;
pub use options::{FluvioOptions, OpenError};
