//! A service on a port of its own, without a pipeline: what is needed to stream and to show pages.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::bus::channel::ChannelBus;
use tickerd::adapters::cache::moka::MokaCache;
use tickerd::adapters::limiter::local::LocalLimiter;
use tickerd::adapters::store::redb::{RedbOptions, RedbStore};
use tickerd::app::backends::Parts;
use tickerd::app::config::Sources;
use tickerd::app::run::App;
use tickerd::http::doors::DoorSettings;
use tickerd::http::server::{ServerLimits, serve};
use tickerd::http::{ApiSettings, Services, endpoint};
use tickerd::model::{
    Amount, Currency, Observation, ProviderName, Quota, Symbol, Timestamp, Window,
};
use tickerd::ports::{Clock, ManualClock, QuoteCache, Store};
use tickerd::services::live::{Live, LiveSettings};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Long enough for any machine, short enough to fail a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) client: reqwest::Client,
    pub(crate) clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Service {
    pub(crate) async fn start(directory: &Path, options: &RedbOptions, live: LiveSettings) -> Self {
        let store: Arc<dyn Store> =
            Arc::new(RedbStore::open(&directory.join("live.redb"), options).expect("a store"));
        let cache: Arc<dyn QuoteCache> = Arc::new(MokaCache::new(100, Duration::from_secs(300)));
        let now = Timestamp::parse("2024-05-01T11:00:00Z").expect("a time");
        let manual = Arc::new(ManualClock::at(now));
        let clock: Arc<dyn Clock> = manual.clone();
        let window = Window::new(5).expect("a window");
        let live = Arc::new(Live::new(store.clone(), Arc::clone(&clock), live));
        let mut config = Sources::default().load().expect("valid").config;
        // No test may reach the network.
        config.providers.values_mut().for_each(|provider| provider.enabled = false);
        let bus = Arc::new(ChannelBus::default());
        let limiter = Arc::new(LocalLimiter::new(clock.clone()));
        let parts = Parts { store: Arc::clone(&store), cache, bus, limiter, clock };
        let app = App::build(&config, parts, false).await.expect("built");
        let services = Services { live: Arc::clone(&live), ..app.services().clone() };
        let settings = ApiSettings {
            job_interval: Duration::from_secs(60),
            quote_max_age: Duration::from_secs(60),
            default_window: window,
            max_body_bytes: 64 * 1024,
            max_batch_bytes: 1 << 20,
            body_timeout: Duration::from_secs(10),
            doors: DoorSettings {
                allowed_hosts: Vec::new(),
                cors_origins: Vec::new(),
                trusted_proxies: Vec::new(),
                quota: Quota {
                    requests: std::num::NonZeroU32::MAX,
                    window: Duration::from_secs(86_400),
                },
                routes: Vec::new(),
            },
            demo: false,
            version: "test",
            mode: "edge",
            shown: Arc::default(),
        };
        let limits = ServerLimits {
            max_connections: 64,
            header_timeout: Duration::from_secs(10),
            max_header_bytes: 16 * 1024,
            drain_timeout: Duration::from_secs(15),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let token = stop.clone();
        tasks.spawn(async move { live.run(token).await });
        let (endpoint, token) = (endpoint(&services, &settings).0, stop.clone());
        tasks.spawn(async move { serve(listener, None, endpoint, &limits, token).await });
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { address, client, clock: manual, store, stop, tasks }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.expect("an answer")
    }

    /// Stores a price over the API.
    pub(crate) async fn post(&self, symbol: &str, price: &str, second: u32) {
        let body = format!(
            r#"{{"symbol":"{symbol}","price":{price},"timestamp":"2024-05-01T10:00:{second:02}Z"}}"#
        );
        let request = self.client.post(self.url("/prices")).body(body);
        let answer = request.header("content-type", "application/json").send().await;
        assert_eq!(answer.expect("an answer").status(), 201);
    }

    /// Stores prices of one symbol, more than its log keeps, and says that the bus has them: until
    /// then the log keeps them.
    pub(crate) async fn store_many(&self, n_prices: i64) {
        let observation = |n: i64| Observation {
            symbol: Symbol::parse("MANY").expect("a symbol"),
            provider: ProviderName::manual(),
            observed_at: Timestamp::from_micros(n).expect("a time"),
            external_id: None,
            price: Amount::parse("1.5").expect("an amount"),
            volume: None,
            currency: Currency::USD,
            received_at: Timestamp::from_micros(n).expect("a time"),
            time_source: Default::default(),
            raw: None,
        };
        for first in (1..=n_prices).step_by(2_000) {
            let batch = (first..=n_prices.min(first + 1_999)).map(observation).collect();
            self.store.append(batch).await.expect("stored");
            let events = self.store.pending(usize::MAX).await.expect("events");
            let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
            self.store.confirm(&sequences).await.expect("confirmed");
        }
    }

    /// Tells the service to stop; streams are still open.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops and waits until nothing is left, well before the time to drain is over.
    pub(crate) async fn stopped(mut self) {
        self.stop.cancel();
        let all = async {
            while let Some(task) = self.tasks.join_next().await {
                task.expect("a task that ends well");
            }
        };
        tokio::time::timeout(Duration::from_secs(5), all)
            .await
            .expect("streams ended by themselves");
        self.store.close().await.expect("the store closes");
    }
}
