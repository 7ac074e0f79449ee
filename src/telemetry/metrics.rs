//! The table of metrics: each is declared here once, with its help, and recorded through a typed
//! function. Labels come from closed sets only: never a symbol, never a URL.

#![expect(clippy::disallowed_macros, reason = "this is the one place that may use them")]

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
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
    BUS_LAG = Gauge "tickerd_bus_lag" []
        "Events on the bus that the averager has not consumed yet. 0 on the in-process bus, which keeps none: see the outbox.";
    AVERAGES_STORED = Counter "tickerd_averages_stored_total" []
        "Moving averages computed and written.";
    AVERAGE_DELAY = Histogram "tickerd_average_delay_seconds" []
        "Time from accepting a price to having stored its averages.";
    DEAD_LETTERS = Counter "tickerd_dead_letters_total" []
        "Deliveries given up and parked.";
    DEAD_LETTERS_ENDED = Counter "tickerd_dead_letters_ended_total" ["outcome"]
        "Dead letters that somebody replayed or dropped.";
    DEAD_LETTERS_PARKED = Gauge "tickerd_dead_letters_parked" []
        "Dead letters that wait for somebody to replay or drop them.";
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
    PROVIDER_BUDGET = Gauge "tickerd_provider_budget_left" ["provider", "window"]
        "Calls that a provider may still be sent in the current second, minute, day or month.";
    QUOTES = Counter "tickerd_quotes_total" ["outcome"]
        "Newest prices asked for: fresh (stored and young enough), fetched, stale or none.";
    JOBS = Gauge "tickerd_jobs" ["status"]
        "Polling jobs by status.";
    JOB_RUNS = Counter "tickerd_job_runs_total" ["outcome"]
        "Runs of polling jobs: ok or failed.";
    STORE_CALL = Histogram "tickerd_store_call_duration_seconds" ["call"]
        "Time the store took, by what it was asked for.";
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
    STORE_SYMBOLS = Gauge "tickerd_store_symbols" []
        "Symbols with at least one price.";
    STORE_AVERAGES = Gauge "tickerd_store_averages" []
        "Moving averages in the store.";
    STORE_DROPPED = Counter "tickerd_store_dropped_total" ["what"]
        "Prices and averages dropped because they are older than what is kept.";
    STORE_CONNECTIONS = Gauge "tickerd_store_pool_connections" ["state"]
        "Connections of this process to PostgreSQL: idle or used. Absent in edge mode.";
    PART_STATE = Gauge "tickerd_part_state" ["part"]
        "What /ready says of each part: 1 ok, 0.5 degraded, 0 down.";
    BUILD = Gauge "tickerd_build_info" ["version", "mode"]
        "Always 1; the labels tell what runs.";
}

/// The handles of a metric by its labels, for those recorded with every request: asking the
/// recorder for one takes as long as answering half a request. Without a lock; what is not known
/// yet is added to a copy.
struct Handles<K, H>(LazyLock<ArcSwap<HashMap<K, H>>>);

impl<K: Copy + Eq + Hash, H: Clone> Handles<K, H> {
    const fn new() -> Self {
        Self(LazyLock::new(ArcSwap::default))
    }

    /// The handle of these labels; `register` asks the recorder for it.
    fn of(&self, labels: K, register: impl FnOnce() -> H) -> H {
        if let Some(handle) = self.0.load().get(&labels) {
            return handle.clone();
        }
        let handle = register();
        self.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.insert(labels, handle.clone());
            known
        });
        handle
    }
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
    static KNOWN: Handles<(&str, u16), (Counter, Histogram)> = Handles::new();
    let (n_requests, durations) = KNOWN.of((operation, status), || {
        let status = status.to_string();
        let n_requests = counter!(HTTP_REQUESTS, "operation" => operation, "status" => status);
        (n_requests, histogram!(HTTP_DURATION, "operation" => operation))
    });
    n_requests.increment(1);
    durations.record(duration.as_secs_f64());
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
    static KNOWN: Handles<bool, Counter> = Handles::new();
    let outcome = if hit { "hit" } else { "miss" };
    KNOWN.of(hit, || counter!(CACHE_LOOKUPS, "outcome" => outcome)).increment(1);
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

pub fn dropped(n_prices: u64, n_averages: u64) {
    for (what, n_dropped) in [("prices", n_prices), ("averages", n_averages)] {
        counter!(STORE_DROPPED, "what" => what).increment(n_dropped);
    }
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

pub fn bus_lag(n_events: u64) {
    gauge!(BUS_LAG).set(n_events as f64);
}

/// From accepting each of some prices to having stored their averages.
pub fn average_delays(delays: impl Iterator<Item = Duration>) {
    let histogram = histogram!(AVERAGE_DELAY);
    delays.for_each(|delay| histogram.record(delay.as_secs_f64()));
}

pub fn provider_budget(provider: &str, window: &'static str, n_left: u32) {
    let provider = provider.to_owned();
    gauge!(PROVIDER_BUDGET, "provider" => provider, "window" => window).set(f64::from(n_left));
}

pub fn quote(outcome: &'static str) {
    static KNOWN: Handles<&str, Counter> = Handles::new();
    KNOWN.of(outcome, || counter!(QUOTES, "outcome" => outcome)).increment(1);
}

pub fn jobs(status: &'static str, n_jobs: usize) {
    gauge!(JOBS, "status" => status).set(n_jobs as f64);
}

/// Times a call of the store. The clock of the machine is right here: a test's clock stands still.
pub async fn store_call<T>(call: &'static str, future: impl Future<Output = T>) -> T {
    static KNOWN: Handles<&str, Histogram> = Handles::new();
    let started = Instant::now();
    let answer = future.await;
    let durations = KNOWN.of(call, || histogram!(STORE_CALL, "call" => call));
    durations.record(started.elapsed().as_secs_f64());
    answer
}

pub fn store_connections(n_idle: usize, n_used: usize) {
    for (state, n_connections) in [("idle", n_idle), ("used", n_used)] {
        gauge!(STORE_CONNECTIONS, "state" => state).set(n_connections as f64);
    }
}

pub fn part_state(part: &'static str, state: f64) {
    gauge!(PART_STATE, "part" => part).set(state);
}

pub fn build(version: &'static str, mode: &'static str) {
    gauge!(BUILD, "version" => version, "mode" => mode).set(1.0);
}

/// What a store says of itself.
#[derive(Debug, Clone, Copy)]
pub struct StoreSizes {
    pub n_bytes: u64,
    pub n_prices: u64,
    pub n_symbols: u64,
    pub n_averages: u64,
    pub n_dead_letters: u64,
}

pub fn store_sizes(sizes: StoreSizes) {
    gauge!(STORE_BYTES).set(sizes.n_bytes as f64);
    gauge!(STORE_PRICES).set(sizes.n_prices as f64);
    gauge!(STORE_SYMBOLS).set(sizes.n_symbols as f64);
    gauge!(STORE_AVERAGES).set(sizes.n_averages as f64);
    gauge!(DEAD_LETTERS_PARKED).set(sizes.n_dead_letters as f64);
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
