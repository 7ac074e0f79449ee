//! Logs on stderr: readable text or JSON lines, each with its time.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Installs the subscriber. `level` is a level or a `tracing` filter such as `info,tickerd=debug`;
/// a text that is none means `info`. Later calls change nothing.
pub fn install(format: LogFormat, level: &str) {
    // What the level says wins; libraries that tell at `info` how they are made do not.
    let filter = EnvFilter::try_new(format!("tokio_cron_scheduler=warn,fluvio=warn,{level}"))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    // A file full of colour codes helps nobody.
    let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(colours);
    let _ = match format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).try_init(),
    };
}
