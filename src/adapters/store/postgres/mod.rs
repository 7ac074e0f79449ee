//! The store of the full mode, on PostgreSQL 15 or newer. Floor 2.
//!
//! Every transaction that changes prices or writes to the log first takes the writers' lock, a
//! transaction-level advisory lock that is held until the commit. Sequences therefore become
//! visible in their order, which PostgreSQL's own sequences do not promise, and whoever holds the
//! lock sees everything stored before: no look-up races with another writer. What that costs, one writing
//! transaction at a time, the batching of single appends gives back. The alternative, numbers from
//! a sequence and readers that stop at the oldest running transaction (`pg_snapshot_xmin`), lets
//! writers overlap, but then any long transaction in the database, a backup for instance, stops
//! the relay and the streams.

mod migrate;
mod options;

mod rows;
mod write;

mod append;
mod log;
mod prices;

mod audit;
mod averages;
mod committed;
mod dead_letters;
mod error;
mod jobs;
mod keys;
mod leases;
mod ledger;
mod retention;
mod snapshot;
mod store;

pub use options::{OpenError, PostgresOptions};
pub use store::PostgresStore;
