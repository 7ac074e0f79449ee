//! What an operator meets: the files to deploy with, the references, the command line, the logs.

mod golden;
mod service;

mod deploy;
mod references;
mod telemetry;
