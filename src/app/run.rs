//! The running service: what is built from a configuration, which tasks it has, and how it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::backends::Parts;
use super::backup;
use super::config::{CacheBackend, Config, Loaded, Role, Setting, Sources, StoreBackend};
use super::demo::Demo;
use super::reload::{Changeable, Reloader};
use crate::http::cursor::Cursors;
use crate::http::doors::DoorSettings;
use crate::http::server::{ServerLimits, serve};
use crate::http::tls::Tls;
use crate::http::{self, ApiSettings, Services, ShownSetting};
use crate::model::Quota;
use crate::ports::Store;
use crate::services::access::Access;
use crate::services::assets::AssetLists;
use crate::services::averager::{Averager, AveragerSettings};
use crate::services::dead_letters::DeadLetters;
use crate::services::feed::Feed;
use crate::services::fetch::PriceFetch;
use crate::services::follower::CacheFollower;
use crate::services::gauges::Gauges;
use crate::services::health::Health;
use crate::services::ingest::Ingest;
use crate::services::jobs::{JobOptions, Jobs};
use crate::services::lead::Lead;
use crate::services::live::{Live, LiveSettings};
use crate::services::plan::Planner;
use crate::services::query::Query;
use crate::services::quotes::Quotes;
use crate::services::relay::Relay;
use crate::services::retention::{Keep, Retention};
use crate::services::route::Router;
use crate::telemetry::metrics;

/// How often observed durations are counted into their buckets.
const FOLD_EVERY: Duration = Duration::from_secs(5);

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A service that is built and not yet running.
pub struct App {
    parts: Parts,
    services: Services,
    api: ApiSettings,
    limits: ServerLimits,
    stop_notice: Duration,
    averager: Averager,
    relay: Relay,
    feeds: Vec<Feed>,
    fetch: Arc<PriceFetch>,
    tls: Option<Arc<Tls>>,
    /// Where the configuration comes from, when it is to be read again.
    source: Option<(Sources, Loaded)>,
    demo: bool,
    /// Where not everything is kept.
    retention: Option<Retention>,
    lead: Lead,
    /// Where other processes write to the store, and the cache is this one's own.
    follower: Option<CacheFollower>,
    roles: BTreeSet<Role>,
}

impl App {
    /// Puts the services together.
    ///
    /// # Errors
    /// When the store cannot tell what the providers' budgets have left.
    pub async fn build(config: &Config, parts: Parts, demo: bool) -> anyhow::Result<Self> {
        let Parts { store, cache, bus, limiter, clock } = parts.clone();
        let access = Access::open(
            Arc::clone(&store),
            Arc::clone(&clock),
            config.server.host.is_loopback(),
            config.access.api_key.reveal(),
        )
        .await?;
        let holder = holder(config);
        let ingest = Arc::new(Ingest::new(
            Arc::clone(&store),
            Arc::clone(&cache),
            Arc::clone(&clock),
            config.ingest.max_future,
        ));
        let windows = config.averages.windows.clone();
        let query = Arc::new(Query::new(
            Arc::clone(&store),
            Arc::clone(&cache),
            Arc::clone(&clock),
            windows.clone(),
        ));
        let played = demo.then(|| Demo::new(config, &clock));
        let (providers, options) = super::providers::build(config, &clock, played.as_ref());
        let router = Router::open(
            providers,
            options,
            Arc::clone(&store),
            Arc::clone(&ingest),
            Arc::clone(&clock),
        )
        .await?;
        let planner = Arc::new(Planner::new(Arc::clone(&router)));
        let jobs = Arc::new(Jobs::new(
            Arc::clone(&store),
            Arc::clone(&router),
            Arc::clone(&planner),
            Arc::clone(&clock),
            JobOptions {
                holder: holder.clone(),
                lease: config.fetch.job_lease,
                ..JobOptions::default()
            },
        ));
        let assets = Arc::new(AssetLists::new(
            Arc::clone(&store),
            Arc::clone(&router),
            Arc::clone(&clock),
            config.fetch.asset_list_interval,
        ));
        let fetch = Arc::new(PriceFetch::new(
            Arc::clone(&router),
            planner,
            Arc::clone(&clock),
            config.fetch.active_symbols.clone(),
            config.fetch.interval,
        ));
        let health = Arc::new(Health::new(
            Arc::clone(&store),
            Arc::clone(&cache),
            Arc::clone(&bus),
            config.pipeline.degraded_outbox,
        ));
        let gauges = Gauges::new(
            Arc::clone(&store),
            Arc::clone(&bus),
            Arc::clone(&router),
            Arc::clone(&health),
            config.averages.group.clone(),
        );
        let feeds = played.map_or_else(Vec::new, |demo| demo.feeds(&store, &ingest));
        let cursors = Cursors::new(&signing_secret(store.as_ref()).await?);
        let recorder = recorder();
        metrics::build(VERSION, config.mode.name());
        let services = Services {
            store: Arc::clone(&store),
            ingest: Arc::clone(&ingest),
            quotes: Arc::new(Quotes::new(Arc::clone(&query), Arc::clone(&router))),
            query,
            router,
            assets,
            jobs,
            dead_letters: Arc::new(DeadLetters::new(Arc::clone(&store), Arc::clone(&bus))),
            backup: backup::opener(&store),
            health,
            gauges: Arc::new(gauges),
            live: Arc::new(Live::new(store.clone(), Arc::clone(&clock), LiveSettings::default())),
            access: Arc::new(access),
            limiter,
            cursors,
            clock: Arc::clone(&clock),
            metrics: Arc::new(move || recorder.render()),
        };
        Ok(Self {
            averager: Averager::new(
                Arc::clone(&store),
                Arc::clone(&bus),
                Arc::clone(&clock),
                averager_settings(config),
            ),
            retention: keep(config)
                .map(|keep| Retention::new(Arc::clone(&store), Arc::clone(&clock), keep)),
            relay: Relay::new(store, bus, Arc::clone(&clock)),
            feeds,
            api: api_settings(config, demo),
            stop_notice: config.server.stop_notice,
            limits: ServerLimits {
                max_connections: config.server.max_connections,
                header_timeout: config.server.header_timeout,
                max_header_bytes: config.server.max_header_bytes,
                drain_timeout: config.server.drain_timeout,
            },
            lead: Lead::new(
                Arc::clone(&parts.store),
                Arc::clone(&clock),
                holder,
                config.pipeline.lease,
            ),
            follower: (config.store_backend() == StoreBackend::Postgres
                && config.cache_backend() == CacheBackend::Moka)
                .then(|| CacheFollower::new(parts.store.clone(), cache, clock)),
            roles: config.roles.clone(),
            services,
            fetch,
            tls: None,
            source: None,
            demo,
            parts,
        })
    }

    /// Has `/v1/system` show where each setting comes from, and reads the configuration again while
    /// the service runs.
    #[must_use]
    pub fn following(mut self, sources: Sources, loaded: Loaded) -> Self {
        self.api.shown.store(Arc::new(shown(&loaded.settings)));
        self.source = Some((sources, loaded));
        self
    }

    /// Encrypts every connection.
    #[must_use]
    pub fn encrypted(mut self, tls: Option<Tls>) -> Self {
        self.tls = tls.map(Arc::new);
        self
    }

    /// The services, for verbs and tests that call them directly.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The `OpenAPI` document.
    pub fn openapi_json(&self) -> String {
        http::openapi_json(&self.services, &self.api)
    }

    /// Serves until `stop`, says so for a while, then ends in the order of the data: no more requests, then the feeds,
    /// then relay and averager, then the store. What is not published stays in the outbox.
    ///
    /// # Errors
    /// When the store cannot be closed cleanly.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
        let does = |role| self.roles.contains(&role);
        let (endpoint, doors) = if does(Role::Api) {
            http::endpoint(&self.services, &self.api)
        } else {
            http::probes(&self.services, &self.api)
        };
        let mut feeds = JoinSet::new();
        if let Some((sources, loaded)) = self.source {
            let parts = Changeable {
                doors,
                access: Arc::clone(&self.services.access),
                router: (!self.demo).then(|| Arc::clone(&self.services.router)),
                fetch: Arc::clone(&self.fetch),
                tls: self.tls.clone(),
                shown: Arc::clone(&self.api.shown),
                store: Arc::clone(&self.parts.store),
                clock: Arc::clone(&self.parts.clock),
            };
            let (reloader, token) = (Reloader::new(sources, loaded, parts), stop.clone());
            feeds.spawn(async move { reloader.run(token).await });
        }
        let token = stop.clone();
        feeds.spawn(async move {
            let _ = token.run_until_cancelled(fold_samples(&recorder())).await;
        });
        if does(Role::Api) {
            let (access, token) = (Arc::clone(&self.services.access), stop.clone());
            feeds.spawn(async move { access.run(token).await });
            let (live, token) = (Arc::clone(&self.services.live), stop.clone());
            feeds.spawn(async move { live.run(token).await });
        }
        if let Some(follower) = self.follower {
            let token = stop.clone();
            feeds.spawn(async move { follower.run(token).await });
        }
        if does(Role::Poller) {
            for feed in self.feeds {
                let token = stop.clone();
                feeds.spawn(async move { feed.run(token).await });
            }
            let (jobs, token) = (Arc::clone(&self.services.jobs), stop.clone());
            feeds.spawn(async move { jobs.run(token).await });
            let (lead, fetch, token) = (self.lead.clone(), self.fetch, stop.clone());
            feeds.spawn(async move { lead.run("fetch", token, |turn| fetch.run(turn)).await });
            let (lead, token) = (self.lead.clone(), stop.clone());
            let assets = Arc::clone(&self.services.assets);
            feeds.spawn(async move { lead.run("assets", token, |turn| assets.run(turn)).await });
        }

        if let Some(retention) = self.retention.filter(|_| does(Role::Relay)) {
            let (lead, token) = (self.lead.clone(), stop.clone());
            feeds.spawn(async move {
                lead.run("retention", token, |turn| retention.run(turn)).await;
            });
        }

        let pipeline = CancellationToken::new();
        let mut tasks = JoinSet::new();
        if does(Role::Averager) {
            let (averager, token) = (self.averager, pipeline.clone());
            tasks.spawn(async move { averager.run(token).await });
        }
        if does(Role::Relay) {
            let (lead, relay, token) = (self.lead, self.relay, pipeline.clone());
            tasks.spawn(async move { lead.run("relay", token, |turn| relay.run(turn)).await });
        }
        let health = Arc::clone(&self.services.health);
        let (closing, notice) = (CancellationToken::new(), self.stop_notice);
        let close = closing.clone();
        feeds.spawn(async move {
            stop.cancelled().await;
            health.stop();
            // Whoever sends requests here sees it in /ready before connections are refused.
            tokio::time::sleep(notice).await;
            close.cancel();
        });
        serve(listener, self.tls, endpoint, &self.limits, closing).await;
        feeds.join_all().await;
        pipeline.cancel();
        tasks.join_all().await;
        self.parts.store.close().await.context("the store did not close cleanly")
    }

    /// Runs relay and averager until everything stored has its averages: the end of an import.
    ///
    /// # Errors
    /// When the store fails, or the bus cannot say what is left on it.
    pub async fn drain(self, mut progress: impl FnMut(u64)) -> anyhow::Result<()> {
        let (bus, group) = (Arc::clone(&self.parts.bus), self.averager.group().to_owned());
        self.work(async |services| {
            loop {
                // In the order of the way, so that nothing slips past between the two looks.
                let mut depth = services.store.depth().await?;
                if depth == 0 {
                    depth = bus.lag(&group).await?.unwrap_or(0);
                }
                progress(depth);
                if depth == 0 {
                    return Ok(());
                }
                services.clock.sleep(Duration::from_millis(20)).await;
            }
        })
        .await?
    }

    /// Does something with the services while relay and averager run, and closes the store: for
    /// verbs that need no server.
    ///
    /// # Errors
    /// When the store does not close.
    pub async fn work<T>(self, work: impl AsyncFnOnce(&Services) -> T) -> anyhow::Result<T> {
        let pipeline = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (relay, averager) = (self.relay, self.averager);
        let token = pipeline.clone();
        tasks.spawn(async move { averager.run(token).await });
        let token = pipeline.clone();
        tasks.spawn(async move { relay.run(token).await });
        let done = work(&self.services).await;
        pipeline.cancel();
        tasks.join_all().await;
        self.parts.store.close().await.context("the store did not close cleanly")?;
        Ok(done)
    }
}

/// The name this process takes leases under. The one process of an edge store keeps its name, so that
/// after a restart it goes on at once with what it had under way.
fn holder(config: &Config) -> String {
    match config.store_backend() {
        StoreBackend::Redb => "edge".into(),
        StoreBackend::Postgres => uuid::Uuid::now_v7().to_string(),
    }
}

/// How much the store keeps; none when that is everything.
fn keep(config: &Config) -> Option<Keep> {
    let (age, bytes) = (config.store.keep_for, config.store.keep_bytes);
    let keep = Keep { age: (!age.is_zero()).then_some(age), bytes: (bytes > 0).then_some(bytes) };
    (keep.age.is_some() || keep.bytes.is_some()).then_some(keep)
}

/// What the averager is told, here and wherever else averages are computed.
pub(super) fn averager_settings(config: &Config) -> AveragerSettings {
    AveragerSettings {
        group: config.averages.group.clone(),
        windows: config.averages.windows.clone(),
        max_attempts: config.averages.max_attempts,
    }
}

/// The settings as they may be shown.
pub(super) fn shown(settings: &BTreeMap<String, Setting>) -> Vec<ShownSetting> {
    let shown = settings.iter().map(|(key, setting)| ShownSetting {
        key: key.clone(),
        value: serde_json::to_value(setting.shown(key)).unwrap_or_default(),
        origin: setting.origin.clone(),
    });
    shown.collect()
}

/// What the store's processes sign with, made at the first start.
async fn signing_secret(store: &dyn Store) -> anyhow::Result<[u8; 32]> {
    let mut proposed = [0; 32];
    getrandom::fill(&mut proposed).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(store.signing_secret(proposed).await?)
}

/// Hosts, origins, proxies and limits of a configuration.
pub(super) fn door_settings(config: &Config) -> DoorSettings {
    let mut allowed_hosts = config.server.allowed_hosts.clone();
    // Bound to the network, the names a client may use are not known, unless they are listed.
    if config.server.host.is_loopback() || !allowed_hosts.is_empty() {
        allowed_hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        allowed_hosts.push(config.server.host.to_string());
    }
    DoorSettings {
        allowed_hosts,
        cors_origins: config.server.cors_origins.clone(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        quota: Quota { requests: config.limits.requests, window: config.limits.window },
        routes: config.limits.routes.clone(),
    }
}

fn api_settings(config: &Config, demo: bool) -> ApiSettings {
    ApiSettings {
        quote_max_age: config.quotes.max_age,
        job_interval: config.fetch.job_interval,
        default_window: config.averages.windows[0],
        max_body_bytes: config.server.max_body_bytes,
        max_batch_bytes: config.server.max_batch_bytes,
        body_timeout: config.server.body_timeout,
        doors: door_settings(config),
        demo,
        version: VERSION,
        mode: config.mode.name(),
        shown: Arc::default(),
    }
}

/// The process has one metrics recorder, whoever asks first installs it.
fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let buckets = [
                0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05,
                0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
            ];
            let recorder = PrometheusBuilder::new()
                .set_buckets(&buckets)
                .expect("there are buckets")
                .build_recorder();
            let handle = recorder.handle();
            // Somebody else's recorder stays; ours then renders nothing.
            let _ = ::metrics::set_global_recorder(recorder);
            metrics::describe();
            handle
        })
        .clone()
}

/// Counts observed durations into their buckets now and then. The recorder keeps each one until
/// then or until somebody asks for the metrics, which perhaps nobody ever does.
async fn fold_samples(recorder: &PrometheusHandle) {
    let mut ticks = tokio::time::interval(FOLD_EVERY);
    loop {
        ticks.tick().await;
        recorder.run_upkeep();
    }
}

/// Binds the configured address.
///
/// # Errors
/// When it is taken or not ours.
pub async fn bind(config: &Config) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(config.server.host, config.server.port);
    TcpListener::bind(address)
        .await
        .with_context(|| format!("server.host, server.port: {address} cannot be listened on"))
}
