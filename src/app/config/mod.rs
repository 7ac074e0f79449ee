//! Configuration: built-in defaults < file < environment < flags, checked whole before anything
//! opens.
//!
//! `config.example.toml` *is* the defaults, so the two cannot differ. Settings are kept as a flat
//! map from key to value and origin rather than in a layering library, because every mistake is to
//! be reported at once, with the key, the nearest known key and where the value came from.

mod load;
mod sections;
mod together;
mod values;

pub use load::{ConfigErrors, Loaded, Setting, Sources};
pub use sections::*;

/// The defaults, as users see them.
pub const EXAMPLE: &str = include_str!("../../../config.example.toml");
