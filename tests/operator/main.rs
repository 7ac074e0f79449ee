//! What an operator meets: the files to deploy with, the references, the command line, the logs.

#[path = "../support/children.rs"]
mod children;
mod golden;
#[cfg(feature = "postgres")]
#[path = "../support/postgres.rs"]
mod postgres;
#[cfg(feature = "postgres")]
#[path = "../support/servers.rs"]
mod servers;
mod service;
#[expect(dead_code, reason = "other tests make the stand-in misbehave in more ways")]
#[path = "../support/upstream.rs"]
mod upstream;

mod deploy;
mod guide;
mod help;
mod hostile;
mod output;
mod postman;
mod references;
mod reload;
mod spans;
mod telemetry;
mod tls;
mod verbs;
