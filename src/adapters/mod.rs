//! Floor 2: one folder a port, one file or folder a backend. No adapter uses another.

pub mod provider;
