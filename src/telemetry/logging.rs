//! Logs on stderr: readable text or JSON lines, each with its time.

use std::io::{IsTerminal, stderr};
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

type SetFilter = Box<dyn Fn(EnvFilter) + Send + Sync>;

/// Replaces the filter of the installed subscriber.
static SET_FILTER: OnceLock<SetFilter> = OnceLock::new();

/// Installs the subscriber. `level` is a level or a `tracing` filter such as `info,tickerd=debug`;
/// a text that is none means `info`. Later calls change nothing.
pub fn install(format: LogFormat, level: &str) {
    // A file full of colour codes helps nobody.
    let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_writer(stderr)
        .with_ansi(colours);
    let (installed, set_filter): (_, SetFilter) = match format {
        LogFormat::Text => {
            let lines = lines.with_target(false).with_filter_reloading();
            let handle = lines.reload_handle();
            (lines.try_init(), Box::new(move |filter| drop(handle.reload(filter))))
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            let lines = lines.with_filter_reloading();
            let handle = lines.reload_handle();
            (lines.try_init(), Box::new(move |filter| drop(handle.reload(filter))))
        }
    };
    if installed.is_ok() {
        let _ = SET_FILTER.set(set_filter);
    }
}

/// Logs at another level from now on.
pub fn set_level(level: &str) {
    if let Some(set_filter) = SET_FILTER.get() {
        set_filter(filter(level));
    }
}

/// Whether a text is a level or a filter.
pub fn is_filter(level: &str) -> bool {
    EnvFilter::try_new(level).is_ok()
}

fn filter(level: &str) -> EnvFilter {
    // What the level says wins; libraries that tell at `info` how they are made do not.
    EnvFilter::try_new(format!("tokio_cron_scheduler=warn,fluvio=warn,{level}"))
        .unwrap_or_else(|_| EnvFilter::new("info"))
}
