//! What goes wrong, and that nothing is lost or doubled by it.
//!
//! - [`faulty`]: backends that fail, by a seed;
//! - [`service`]: a whole service on such backends;
//! - [`poison`]: deliveries that nobody can work on;
//! - [`storm`]: many clients while everything fails now and then;
//! - [`kills`]: many clients while the service is killed;
//! - [`interleavings`]: the order in which things are written;
//! - [`backup`]: copies taken while clients write;
//! - [`pressure`]: stores that are slow, full or away, on a [`disk`] that does as it is told;
//! - [`shutdown`]: SIGTERM under writing clients;
//! - [`outages`]: the servers of the full mode, taken away and brought back;
//! - [`clock`]: a clock that is set back;
//! - [`limits`]: a limiter that denies;
//! - [`upstream`]: providers that fail and tell nonsense.

mod backup;
mod clock;
mod disk;
mod faulty;
mod interleavings;
mod kills;
mod limits;
mod outages;
mod poison;
mod pressure;
mod service;
mod shutdown;
mod storm;
mod upstream;

#[path = "../support/build.rs"]
#[expect(dead_code, reason = "other test targets use the rest")]
mod build;
#[path = "../support/servers.rs"]
mod servers;
