//! The typed sections: one struct a section, one field a key of `config.example.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::values::{
    attempts, budget, count, default_provider, duration, job_interval, limit_window, log_level,
    networks, partitions, providers, roles, route_limits, symbol_chains, symbols, unless_auto,
    windows,
};
use crate::adapters::provider::Secret;
use crate::http::doors::RouteLimit;
use crate::model::{ProviderName, QuotaWindow, Symbol, Window};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub mode: Mode,
    #[serde(deserialize_with = "roles")]
    pub roles: BTreeSet<Role>,
    pub server: ServerConfig,
    pub store: StoreConfig,
    pub access: AccessConfig,
    pub limits: LimitsConfig,
    pub cache: CacheConfig,
    pub bus: BusConfig,
    pub quotes: QuotesConfig,
    pub ingest: IngestConfig,
    pub averages: AveragesConfig,
    pub pipeline: PipelineConfig,
    pub fetch: FetchConfig,
    pub chains: ChainsConfig,
    pub breaker: BreakerConfig,
    pub providers: BTreeMap<String, ProviderConfig>,
    pub log: LogConfig,
    pub demo: DemoConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Edge,
    Full,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Full => "full",
        }
    }
}

/// What a process does; the parts of one installation may be spread over several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Serves the API, the streams and the dashboard.
    Api,
    /// Asks providers: jobs, the price loop, asset lists.
    Poller,
    /// Publishes what the store has committed.
    Relay,
    /// Computes moving averages.
    Averager,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Api, Self::Poller, Self::Relay, Self::Averager];

    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Poller => "poller",
            Self::Relay => "relay",
            Self::Averager => "averager",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreBackend {
    Redb,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheBackend {
    Moka,
    Redis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BusBackend {
    Channel,
    Kafka,
    Fluvio,
}

impl Config {
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Where prices are kept: as set, else what the mode takes.
    pub fn store_backend(&self) -> StoreBackend {
        self.store.backend.unwrap_or(match self.mode {
            Mode::Edge => StoreBackend::Redb,
            Mode::Full => StoreBackend::Postgres,
        })
    }

    pub fn cache_backend(&self) -> CacheBackend {
        self.cache.backend.unwrap_or(match self.mode {
            Mode::Edge => CacheBackend::Moka,
            Mode::Full => CacheBackend::Redis,
        })
    }

    pub fn bus_backend(&self) -> BusBackend {
        self.bus.backend.unwrap_or(match self.mode {
            Mode::Edge => BusBackend::Channel,
            Mode::Full => BusBackend::Kafka,
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    pub host: std::net::IpAddr,
    pub port: u16,
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may use the service.
    pub cors_origins: Vec<String>,
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    pub tls_cert: PathBuf,
    pub tls_key: PathBuf,
    #[serde(deserialize_with = "count")]
    pub max_connections: usize,
    #[serde(deserialize_with = "duration")]
    pub header_timeout: Duration,
    #[serde(deserialize_with = "count")]
    pub max_header_bytes: usize,
    #[serde(deserialize_with = "duration")]
    pub body_timeout: Duration,
    #[serde(deserialize_with = "count")]
    pub max_body_bytes: usize,
    pub max_batch_bytes: u64,
    #[serde(deserialize_with = "duration")]
    pub stop_notice: Duration,
    #[serde(deserialize_with = "duration")]
    pub drain_timeout: Duration,
}

impl ServerConfig {
    /// The certificate and its key, when connections are to be encrypted.
    pub fn tls_files(&self) -> Option<(&Path, &Path)> {
        let given = !self.tls_cert.as_os_str().is_empty();
        given.then_some((self.tls_cert.as_path(), self.tls_key.as_path()))
    }

    /// How the service is spoken to.
    pub fn scheme(&self) -> &'static str {
        if self.tls_files().is_some() { "https" } else { "http" }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessConfig {
    /// An admin key for clients that know no other.
    pub api_key: Secret,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    pub requests: NonZeroU32,
    #[serde(deserialize_with = "limit_window")]
    pub window: Duration,
    #[serde(deserialize_with = "route_limits")]
    pub routes: Vec<RouteLimit>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    #[serde(deserialize_with = "unless_auto")]
    pub backend: Option<StoreBackend>,
    pub data_dir: PathBuf,
    pub postgres_url: Secret,
    pub postgres_schema: String,
    pub postgres_connections: u32,
    #[serde(deserialize_with = "count")]
    pub page_cache_bytes: usize,
    pub log_history: u64,
    #[serde(deserialize_with = "duration")]
    pub write_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub keep_for: Duration,
    pub keep_bytes: u64,
}

impl StoreConfig {
    /// The file of the edge store.
    pub fn file(&self) -> PathBuf {
        self.data_dir.join("tickerd.redb")
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    #[serde(deserialize_with = "unless_auto")]
    pub backend: Option<CacheBackend>,
    pub redis_url: Secret,
    pub redis_prefix: String,
    #[serde(deserialize_with = "duration")]
    pub ttl: Duration,
    pub capacity: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusConfig {
    #[serde(deserialize_with = "unless_auto")]
    pub backend: Option<BusBackend>,
    pub kafka_brokers: String,
    pub kafka_user: String,
    pub kafka_password: Secret,
    pub fluvio_endpoint: String,
    pub topic: String,
    pub dead_letter_topic: String,
    #[serde(deserialize_with = "partitions")]
    pub partitions: u16,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotesConfig {
    #[serde(deserialize_with = "duration")]
    pub max_age: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngestConfig {
    #[serde(deserialize_with = "duration")]
    pub max_future: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AveragesConfig {
    #[serde(deserialize_with = "windows")]
    pub windows: Vec<Window>,
    pub group: String,
    #[serde(deserialize_with = "attempts")]
    pub max_attempts: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineConfig {
    pub degraded_outbox: u64,
    #[serde(deserialize_with = "duration")]
    pub lease: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchConfig {
    #[serde(deserialize_with = "symbols")]
    pub active_symbols: Vec<Symbol>,
    #[serde(deserialize_with = "duration")]
    pub interval: Duration,
    #[serde(deserialize_with = "duration")]
    pub asset_list_interval: Duration,
    #[serde(deserialize_with = "job_interval")]
    pub job_interval: Duration,
    #[serde(deserialize_with = "duration")]
    pub job_lease: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainsConfig {
    #[serde(deserialize_with = "providers")]
    pub stocks: Vec<ProviderName>,
    #[serde(deserialize_with = "providers")]
    pub crypto: Vec<ProviderName>,
    #[serde(deserialize_with = "providers")]
    pub forex: Vec<ProviderName>,
    #[serde(deserialize_with = "default_provider")]
    pub default_provider: Option<ProviderName>,
    #[serde(deserialize_with = "symbol_chains")]
    pub symbols: BTreeMap<Symbol, Vec<ProviderName>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerConfig {
    #[serde(deserialize_with = "attempts")]
    pub failures: u32,
    #[serde(deserialize_with = "duration")]
    pub open_for: Duration,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    pub enabled: bool,
    pub base_url: String,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    pub api_key: String,
    /// Takes the place of the provider's own limits, unless it is empty.
    #[serde(deserialize_with = "budget")]
    pub budget: Vec<(QuotaWindow, u32)>,
}

/// Without the key.
impl std::fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { enabled, base_url, timeout, api_key: _, budget } = self;
        write!(f, "ProviderConfig {{ {enabled}, {base_url:?}, {timeout:?}, {budget:?} }}")
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    #[serde(deserialize_with = "log_level")]
    pub level: String,
    pub format: LogStyle,
    /// Empty: nowhere.
    pub otlp_endpoint: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStyle {
    Text,
    Json,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoConfig {
    #[serde(deserialize_with = "duration")]
    pub interval: Duration,
}
