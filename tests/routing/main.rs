//! Routing: providers that are slow, lying, over quota or down cost freshness, never correctness.
//!
//! - [`support`]: a whole store with a router on it, and providers that do as they are told;
//! - [`upstream_down`]: real HTTP to a stand-in that breaks in the middle;
//! - [`limits`]: budgets and breakers on a clock of our own;
//! - [`answers`]: what is believed, stored and remembered;
//! - [`ledger`]: what the store keeps of it;
//! - [`shared`]: several processes that ask one provider;
//! - [`switches`]: refused keys and plans that lack an endpoint;
//! - [`polling`]: jobs, leases and the planner.

mod answers;
mod ledger;
mod limits;
mod polling;
mod shared;
mod support;
mod switches;
mod upstream_down;

#[path = "../support/upstream.rs"]
#[expect(dead_code, reason = "other test targets use the rest")]
mod upstream;
