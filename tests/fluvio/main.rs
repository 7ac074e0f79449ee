//! What Fluvio alone can show, on the cluster that `TICKERD_TEST_FLUVIO` names.
#![cfg(feature = "fluvio")]

#[path = "../support/build.rs"]
#[expect(dead_code, reason = "other tests build more")]
mod build;
#[path = "../support/fluvio.rs"]
mod fluvio;
#[path = "../support/servers.rs"]
#[expect(dead_code, reason = "other tests ask for other servers")]
mod servers;

mod dead_letters;
mod opening;
