//! Floor 2: the backends, one folder a port. Adapters never import each other.

pub mod store;
