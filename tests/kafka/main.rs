//! What only a bus that keeps its messages can show: on librdkafka's mock cluster, and on a real
//! broker where one is offered.
#![cfg(feature = "kafka")]

#[path = "../support/build.rs"]
#[expect(dead_code, reason = "other tests build more")]
mod build;
#[path = "../support/kafka.rs"]
mod kafka;
#[path = "../support/positions.rs"]
mod positions;
#[path = "../support/servers.rs"]
mod servers;

mod broker;
mod support;

mod dead_letters;
mod group;
mod lag;
mod leaving;
mod opening;
mod restart;
