//! Alive, ready, and what is measured.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem_openapi::payload::{Json, PlainText};
use poem_openapi::types::Any;
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde_json::Value;

use super::error::ApiError;
use super::{ApiSettings, Services, ShownSetting, Tag};
use crate::model::Timestamp;
use crate::services::gauges::Gauges;
use crate::services::health::{Health, PartState};

#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct Alive {
    pub status: String,
}

#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct Readiness {
    /// `ready`, `degraded` (works, but a part does not as it should) or `down`
    pub status: String,
    /// The parts by name
    pub checks: BTreeMap<String, Check>,
}

#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct Check {
    /// `ok`, `degraded` or `down`
    pub status: String,
    /// What is the matter
    pub detail: Option<String>,
}

#[derive(ApiResponse)]
pub enum ReadyAnswer {
    /// Everything needed works
    #[oai(status = 200)]
    Ready(Json<Readiness>),
    /// Something needed does not work; `checks` names it
    #[oai(status = 503)]
    Down(Json<Readiness>),
}

/// What runs here.
#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct SystemRecord {
    pub version: String,
    /// `edge` or `full`
    pub mode: String,
    /// Some prices are replayed or simulated
    pub demo: bool,
    pub store: String,
    pub symbols: u64,
    pub prices: u64,
    pub averages: u64,
    pub dead_letters: u64,
    pub store_bytes: u64,
    /// Events committed and not yet safely on the bus
    pub outbox: u64,
    /// Nobody needs a key: only this machine can reach the service, and there is no key yet
    pub open: bool,
    /// When this process began to serve
    pub started_at: String,
    /// Every setting; secrets are masked
    pub config: Vec<SettingRecord>,
}

/// A setting and where its value comes from.
#[derive(Debug, Object)]
pub struct SettingRecord {
    pub key: String,
    pub value: Any<Value>,
    /// `default`, or the file, the variable or the flag that set it
    pub origin: String,
}

impl From<&ShownSetting> for SettingRecord {
    fn from(setting: &ShownSetting) -> Self {
        let ShownSetting { key, value, origin } = setting.clone();
        Self { key, value: Any(value), origin }
    }
}

/// What every process answers, whatever its roles.
pub struct ProbesApi {
    health: Arc<Health>,
    gauges: Arc<Gauges>,
    render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl ProbesApi {
    pub fn new(services: &Services) -> Self {
        Self {
            health: Arc::clone(&services.health),
            gauges: Arc::clone(&services.gauges),
            render_metrics: Arc::clone(&services.metrics),
        }
    }
}

#[OpenApi(tag = "Tag::System")]
impl ProbesApi {
    /// Is the process alive?
    #[oai(path = "/health", method = "get", operation_id = "health")]
    async fn health(&self) -> Json<Alive> {
        Json(Alive { status: "healthy".into() })
    }

    /// Can it do its work?
    #[oai(path = "/ready", method = "get", operation_id = "ready")]
    async fn ready(&self) -> ReadyAnswer {
        let parts = self.health.parts().await;
        let down = parts.iter().any(|(_, state)| matches!(state, PartState::Down(_)));
        let degraded = parts.iter().any(|(_, state)| matches!(state, PartState::Degraded(_)));
        let status = match (down, degraded) {
            (true, _) => "down",
            (false, true) => "degraded",
            (false, false) => "ready",
        };
        let checks = parts.into_iter().map(|(name, state)| {
            let (status, detail) = match state {
                PartState::Ok => ("ok", None),
                PartState::Degraded(detail) => ("degraded", Some(detail)),
                PartState::Down(detail) => ("down", Some(detail)),
            };
            (name.to_owned(), Check { status: status.into(), detail })
        });
        let readiness = Json(Readiness { status: status.into(), checks: checks.collect() });
        if down { ReadyAnswer::Down(readiness) } else { ReadyAnswer::Ready(readiness) }
    }

    /// Metrics in the text format of Prometheus
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self) -> PlainText<String> {
        self.gauges.refresh().await;
        PlainText((self.render_metrics)())
    }
}

pub struct SystemApi {
    services: Services,
    settings: ApiSettings,
    started_at: Timestamp,
}

impl SystemApi {
    pub fn new(services: &Services, settings: &ApiSettings) -> Self {
        Self {
            services: services.clone(),
            settings: settings.clone(),
            started_at: services.clock.now(),
        }
    }
}

#[OpenApi(tag = "Tag::System")]
impl SystemApi {
    /// What runs here
    #[oai(path = "/v1/system", method = "get", operation_id = "system")]
    async fn system(&self) -> Result<Json<SystemRecord>, ApiError> {
        let status = self.services.store.status().await?;
        Ok(Json(SystemRecord {
            version: self.settings.version.into(),
            mode: self.settings.mode.into(),
            demo: self.settings.demo,
            store: status.backend.into(),
            symbols: status.n_symbols,
            prices: status.n_prices,
            averages: status.n_averages,
            dead_letters: status.n_dead_letters,
            store_bytes: status.size_bytes,
            outbox: self.services.store.depth().await?,
            started_at: self.started_at.to_string(),
            open: self.services.access.is_open(),
            config: self.settings.shown.load().iter().map(SettingRecord::from).collect(),
        }))
    }
}
