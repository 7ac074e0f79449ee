//! The store of the full mode, on PostgreSQL 15 or newer. Floor 2.
