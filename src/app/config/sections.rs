//! The typed sections: one struct a section, one field a key of `config.example.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::values::{
    attempts, budget, count, duration, providers, symbol_chains, symbols, windows,
};
use crate::model::{ProviderName, QuotaWindow, Symbol, Window};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub mode: Mode,
    pub server: ServerConfig,
    pub store: StoreConfig,
    pub cache: CacheConfig,
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
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    pub host: std::net::IpAddr,
    pub port: u16,
    pub allowed_hosts: Vec<String>,
    pub open_network: bool,
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
    pub drain_timeout: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    pub data_dir: PathBuf,
    #[serde(deserialize_with = "count")]
    pub page_cache_bytes: usize,
    pub log_history: u64,
    #[serde(deserialize_with = "duration")]
    pub write_timeout: Duration,
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
    #[serde(deserialize_with = "duration")]
    pub ttl: Duration,
    pub capacity: u64,
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
    pub level: String,
    pub format: LogStyle,
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
