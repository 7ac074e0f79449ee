//! What goes wrong, and that nothing is lost or doubled by it.
//!
//! - [`faulty`]: backends that fail, by a seed;
//! - [`service`]: a whole service on such backends;
//! - [`poison`]: deliveries that nobody can work on;
//! - [`storm`]: many clients while everything fails now and then;
//! - [`kills`]: many clients while the service is killed;
//! - [`interleavings`]: the order in which things are written;
//! - [`backup`]: copies taken while clients write.

mod backup;
mod faulty;
mod interleavings;
mod kills;
mod poison;
mod service;
mod storm;

#[path = "../support/build.rs"]
#[expect(dead_code, reason = "other test targets use the rest")]
mod build;
