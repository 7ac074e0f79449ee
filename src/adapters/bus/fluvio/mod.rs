//! The bus on Fluvio. Floor 2.
//!
//! Fluvio has no consumer groups: every member of a group reads all partitions. The averages are
//! right nevertheless, because members take turns by symbol in the store, but the work is done by
//! each; so run one averager, and a second one only to stand by. What a group has acknowledged is
//! kept in Fluvio's consumer offsets.

mod options;
mod wire;

mod bus;
mod subscription;

pub use bus::FluvioBus;
pub use options::{FluvioOptions, OpenError};
