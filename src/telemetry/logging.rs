//! Logs on stderr: readable text or JSON lines, each with its time.

use std::io::{IsTerminal, stderr};
use std::sync::OnceLock;

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// Something else that is told of spans and events, whatever the level of the log is.
pub type Listener = Box<dyn Layer<Registry> + Send + Sync>;

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
pub fn install(format: LogFormat, level: &str, listener: Option<Listener>) {
    // A file full of colour codes helps nobody.
    let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = fmt::layer().with_writer(stderr).with_ansi(colours);
    let (filter, handle) = reload::Layer::new(filter(level));
    let filter = Asked(filter);
    let lines: Listener = match format {
        LogFormat::Text => lines.with_target(false).with_filter(filter).boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed()
        }
    };
    let all: Vec<Listener> = [lines].into_iter().chain(listener).collect();
    if tracing_subscriber::registry().with(all).try_init().is_ok() {
        let _ = SET_FILTER.set(Box::new(move |filter| drop(handle.reload(filter))));
    }
}

/// A filter that is asked about every span and event that it may let through.
///
/// What filters of single layers decide is kept in the thread until the span or event comes. One
/// that is always let through is not asked about, so it met the decision on what had been asked
/// about before: `sqlx` asks after each statement whether to tell of it, and with it untold the next
/// span or line of ours was lost (tokio-rs/tracing, issue 2519 and pull request 3572).
pub struct Asked<F>(pub F);

impl<S, F: Filter<S>> Filter<S> for Asked<F> {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        self.0.enabled(metadata, context)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        let interest = self.0.callsite_enabled(metadata);
        if interest.is_always() { Interest::sometimes() } else { interest }
    }

    fn event_enabled(&self, event: &Event<'_>, context: &Context<'_, S>) -> bool {
        self.0.event_enabled(event, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.max_level_hint()
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.0.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.0.on_record(id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.0.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.0.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.0.on_close(id, context);
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
