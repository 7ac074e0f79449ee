//! The table of metrics: each is declared here once, with its help, and recorded through a typed
//! function. Labels come from closed sets only: never a symbol, never a URL.

#![expect(clippy::disallowed_macros, reason = "this is the one place that may use them")]

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One declared metric.
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

macro_rules! metrics_table {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(const $constant: &str = $name;)*
        /// Every metric there is.
        pub const TABLE: &[Metric] = &[
            $(Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help },)*
        ];
    };
}

metrics_table! {
    HTTP_REQUESTS = Counter "tickerd_http_requests_total" ["operation", "status"]
        "Requests answered, by operation of the API document and status code.";
    HTTP_DURATION = Histogram "tickerd_http_request_duration_seconds" ["operation"]
        "Time from the request's head to the answer's head.";
    PRICES_STORED = Counter "tickerd_prices_stored_total" []
        "Prices stored for the first time.";
    PRICES_DUPLICATE = Counter "tickerd_prices_duplicate_total" []
        "Prices that were stored already with the same value.";
    PRICES_CONFLICT = Counter "tickerd_prices_conflict_total" []
        "Prices refused because another value is stored under their key.";
    PRICES_REJECTED = Counter "tickerd_prices_rejected_total" []
        "Prices refused because they are not valid.";
    PRICES_CORRECTED = Counter "tickerd_prices_corrected_total" []
        "Corrections stored.";
    PRICES_DELETED = Counter "tickerd_prices_deleted_total" []
        "Prices deleted.";
    CACHE_LOOKUPS = Counter "tickerd_cache_lookups_total" ["outcome"]
        "Look-ups of the newest price: hit or miss.";
    REDIS_FAILURES = Counter "tickerd_redis_failures_total" ["purpose", "outcome"]
        "Calls to Redis that came to nothing: failed, or left_alone after failures.";
    OUTBOX_DEPTH = Gauge "tickerd_outbox_depth" []
        "Events committed and not yet safely on the bus.";
    EVENTS_PUBLISHED = Counter "tickerd_events_published_total" []
        "Events handed to the bus.";
    AVERAGES_STORED = Counter "tickerd_averages_stored_total" []
        "Moving averages computed and written.";
    DEAD_LETTERS = Counter "tickerd_dead_letters_total" []
        "Deliveries given up and parked.";
    DEAD_LETTERS_ENDED = Counter "tickerd_dead_letters_ended_total" ["outcome"]
        "Dead letters that somebody replayed or dropped.";
    DEAD_LETTERS_PARKED = Gauge "tickerd_dead_letters_parked" []
        "Dead letters that wait for somebody to look at them.";
    RETRIES = Counter "tickerd_pipeline_retries_total" ["stage"]
        "Steps of the relay or the averager that failed and were tried again.";
    STREAMS_OPEN = Gauge "tickerd_streams_open" []
        "Live streams open, of both kinds.";
    STREAM_MESSAGES = Counter "tickerd_stream_messages_total" []
        "Messages written to live streams.";
    STREAMS_ENDED = Counter "tickerd_streams_ended_total" ["reason"]
        "Live streams that the service ended.";
    PROVIDER_CALLS = Counter "tickerd_provider_calls_total" ["provider", "outcome"]
        "Calls sent to a provider: answered, or the class of the failure.";
    PROVIDER_DURATION = Histogram "tickerd_provider_call_duration_seconds" ["provider"]
        "Time from sending a call to its answer.";
    PROVIDER_REFUSED = Counter "tickerd_provider_refused_total" ["provider", "outcome"]
        "Calls that were not sent: breaker_open, budget_spent or not_counted.";
    PROVIDER_BREAKER = Gauge "tickerd_provider_breaker_open" ["provider"]
        "1 while the breaker is open or half-open.";
    JOB_RUNS = Counter "tickerd_job_runs_total" ["outcome"]
        "Runs of polling jobs: ok or failed.";
    LIMITED = Counter "tickerd_requests_limited_total" ["operation"]
        "Requests refused because their client asks too often.";
    LIMITER_FALLBACKS = Counter "tickerd_limiter_fallbacks_total" []
        "Requests counted in this process because the shared limiter did not answer.";
    ACCESS_REFUSED = Counter "tickerd_access_refused_total" ["reason"]
        "Requests refused for want of a key: missing, unknown, revoked, expired or role.";
    STORE_BYTES = Gauge "tickerd_store_bytes" []
        "Size of the store on disk.";
    STORE_PRICES = Gauge "tickerd_store_prices" []
        "Prices in the store.";
}

/// Tells the installed recorder about every metric, so that all show up before their first use.
pub fn describe() {
    for metric in TABLE {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, Unit::Seconds, metric.help),
        }
        if metric.labels.is_empty() {
            match metric.kind {
                Kind::Counter => counter!(metric.name).increment(0),
                Kind::Gauge => gauge!(metric.name).increment(0.0),
                Kind::Histogram => {}
            }
        }
    }
}

pub fn http_request(operation: &'static str, status: u16, duration: Duration) {
    counter!(HTTP_REQUESTS, "operation" => operation, "status" => status.to_string()).increment(1);
    histogram!(HTTP_DURATION, "operation" => operation).record(duration.as_secs_f64());
}

pub fn prices_appended(n_stored: u64, n_duplicate: u64, n_conflict: u64) {
    counter!(PRICES_STORED).increment(n_stored);
    counter!(PRICES_DUPLICATE).increment(n_duplicate);
    counter!(PRICES_CONFLICT).increment(n_conflict);
}

pub fn prices_rejected(n_rejected: u64) {
    counter!(PRICES_REJECTED).increment(n_rejected);
}

pub fn price_corrected() {
    counter!(PRICES_CORRECTED).increment(1);
}

pub fn price_deleted() {
    counter!(PRICES_DELETED).increment(1);
}

pub fn cache_lookup(hit: bool) {
    counter!(CACHE_LOOKUPS, "outcome" => if hit { "hit" } else { "miss" }).increment(1);
}

pub fn redis_failure(purpose: &'static str, outcome: &'static str) {
    counter!(REDIS_FAILURES, "purpose" => purpose, "outcome" => outcome).increment(1);
}

pub fn outbox_depth(depth: u64) {
    gauge!(OUTBOX_DEPTH).set(depth as f64);
}

pub fn events_published(n_events: u64) {
    counter!(EVENTS_PUBLISHED).increment(n_events);
}

pub fn averages_stored(n_averages: u64) {
    counter!(AVERAGES_STORED).increment(n_averages);
}

pub fn dead_letter() {
    counter!(DEAD_LETTERS).increment(1);
}

pub fn pipeline_retry(stage: &'static str) {
    counter!(RETRIES, "stage" => stage).increment(1);
}

pub fn stream_opened() {
    gauge!(STREAMS_OPEN).increment(1.0);
}

pub fn stream_closed() {
    gauge!(STREAMS_OPEN).decrement(1.0);
}

pub fn stream_messages(n_messages: u64) {
    counter!(STREAM_MESSAGES).increment(n_messages);
}

pub fn stream_ended(reason: &'static str) {
    counter!(STREAMS_ENDED, "reason" => reason).increment(1);
}

pub fn provider_call(provider: &str, outcome: &'static str, duration: Duration) {
    let provider = provider.to_owned();
    counter!(PROVIDER_CALLS, "provider" => provider.clone(), "outcome" => outcome).increment(1);
    histogram!(PROVIDER_DURATION, "provider" => provider).record(duration.as_secs_f64());
}

pub fn provider_refused(provider: &str, outcome: &'static str) {
    let provider = provider.to_owned();
    counter!(PROVIDER_REFUSED, "provider" => provider, "outcome" => outcome).increment(1);
}

pub fn provider_breaker(provider: &str, is_open: bool) {
    let value = if is_open { 1.0 } else { 0.0 };
    gauge!(PROVIDER_BREAKER, "provider" => provider.to_owned()).set(value);
}

pub fn job_run(ok: bool) {
    counter!(JOB_RUNS, "outcome" => if ok { "ok" } else { "failed" }).increment(1);
}

/// A dead letter was `replayed` or `dropped`.
pub fn dead_letter_ended(outcome: &'static str) {
    counter!(DEAD_LETTERS_ENDED, "outcome" => outcome).increment(1);
}

pub fn dead_letters_parked(n_parked: u64) {
    gauge!(DEAD_LETTERS_PARKED).set(n_parked as f64);
}

pub fn limited(operation: &'static str) {
    counter!(LIMITED, "operation" => operation).increment(1);
}

pub fn limiter_fallback() {
    counter!(LIMITER_FALLBACKS).increment(1);
}

pub fn access_refused(reason: &'static str) {
    counter!(ACCESS_REFUSED, "reason" => reason).increment(1);
}

pub fn store_size(size_bytes: u64, n_prices: u64) {
    gauge!(STORE_BYTES).set(size_bytes as f64);
    gauge!(STORE_PRICES).set(n_prices as f64);
}
