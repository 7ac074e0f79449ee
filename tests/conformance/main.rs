//! Conformance: one list of promises for each port, kept by every backend.

mod provider;
