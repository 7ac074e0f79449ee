//! What goes wrong, and that nothing is lost or doubled by it.
//!
//! - [`faulty`]: backends that fail, by a seed;
//! - [`service`]: a whole service on such backends;
//! - [`poison`]: deliveries that nobody can work on.

mod faulty;
mod poison;
mod service;

#[path = "../support/build.rs"]
#[expect(dead_code, reason = "other test targets use the rest")]
mod build;
