//! Taking over a changed configuration while the service runs: on SIGHUP, and when a file it was
//! read from changes.
//!
//! What can change is limits, hosts, origins and proxies, the log level, the active symbols, the
//! providers with their keys and chains, the key of the configuration, and the certificate. A change
//! of anything else is named and waits for a restart. A configuration with a mistake is refused
//! whole.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::config::{Config, Loaded, Sources};
use super::providers;
use super::run::{door_settings, shown};
use crate::http::ShownSetting;
use crate::http::doors::Doors;
use crate::http::tls::Tls;
use crate::model::{Actor, AuditDraft};
use crate::ports::{Clock, Store, StoreError};
use crate::services::access::Access;
use crate::services::fetch::PriceFetch;
use crate::services::route::Router;
use crate::telemetry::logging;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Keys, or sections with the dot behind them, that can change while the service runs.
const CHANGEABLE: &[&str] = &[
    "access.api_key",
    "breaker.",
    "chains.",
    "fetch.active_symbols",
    "limits.",
    "log.level",
    "providers.",
    "server.allowed_hosts",
    "server.cors_origins",
    "server.trusted_proxies",
];

/// The parts of a running service that take other settings.
pub(super) struct Changeable {
    pub(super) doors: Arc<Doors>,
    pub(super) access: Arc<Access>,
    /// None where the providers are not those of the configuration.
    pub(super) router: Option<Arc<Router>>,
    pub(super) fetch: Arc<PriceFetch>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) shown: Arc<ArcSwap<Vec<ShownSetting>>>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Changeable {
    /// Takes over what `changed` names.
    ///
    /// # Errors
    /// When the store does not tell what providers have left; then all stays as it was.
    async fn take(&self, config: &Config, changed: &[&str]) -> Result<(), StoreError> {
        if let Some(router) = &self.router {
            // Providers that are made anew forget what is switched off, so only with a reason.
            if changed.iter().any(|key| concerns_providers(key)) {
                let (all, options) = providers::build(config, &self.clock, None);
                router.set_providers(all, options).await?;
            } else {
                router.set_chains(&providers::chains(config));
            }
        }
        self.doors.change(door_settings(config));
        self.access.configure(config.access.api_key.reveal());
        self.fetch.set_symbols(config.fetch.active_symbols.clone());
        logging::set_level(&config.log.level);
        Ok(())
    }
}

/// The state of a file as far as a change shows in it.
type FileState = Option<(SystemTime, u64)>;

/// Reads the configuration again when told to.
pub(super) struct Reloader {
    sources: Sources,
    /// What the service runs with: settings that wait for a restart are still the old ones.
    loaded: Loaded,
    parts: Changeable,
}

impl Reloader {
    pub(super) fn new(sources: Sources, loaded: Loaded, parts: Changeable) -> Self {
        Self { sources, loaded, parts }
    }

    /// Watches until cancelled.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let _ = cancel.run_until_cancelled(self.watch_for_ever()).await;
    }

    async fn watch_for_ever(&mut self) {
        let mut hang_up = match signal(SignalKind::hangup()) {
            Ok(hang_up) => hang_up,
            Err(error) => {
                tracing::warn!(%error, "SIGHUP cannot be heard; the configuration is fixed");
                return;
            }
        };
        // The first look reads everything again: a change since the start would not be seen otherwise.
        let mut seen = Vec::new();
        loop {
            let asked = tokio::select! {
                _ = hang_up.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let now = self.look();
            if asked || now != seen {
                // From before they are read: what changes meanwhile is read again.
                seen = now;
                self.reload().await;
                self.reload_certificate().await;
            }
        }
    }

    fn look(&self) -> Vec<(PathBuf, FileState)> {
        let tls = self.parts.tls.iter().flat_map(|tls| tls.files()).map(PathBuf::from);
        let state = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        let files = self.loaded.read.iter().cloned().chain(tls);
        files.map(|path| (path.clone(), state(&path))).collect()
    }

    /// Reads the configuration again and takes over what can change.
    async fn reload(&mut self) {
        let (changed, merged) = match self.read_again() {
            Ok(read) => read,
            Err(why) => {
                tracing::error!(why, "the configuration is refused; the old one stays");
                self.note("config.reload", "", "refused: not valid").await;
                return;
            }
        };
        let (taken, waiting): (Vec<&str>, Vec<&str>) =
            changed.iter().map(String::as_str).partition(|key| can_change(key));
        if !waiting.is_empty() {
            let waiting = waiting.join(", ");
            tracing::warn!(waiting, "these settings change at the next start only");
        }
        if taken.is_empty() {
            self.loaded = merged;
            return;
        }
        if let Err(error) = self.parts.take(&merged.config, &taken).await {
            tracing::error!(%error, "the configuration is refused; send SIGHUP to try again");
            self.note("config.reload", "", "refused: the store failed").await;
            return;
        }
        self.loaded = merged;
        self.parts.shown.store(Arc::new(shown(&self.loaded.settings)));
        let taken = taken.join(", ");
        tracing::info!(taken, "the configuration has changed");
        self.note("config.reload", &taken, "done").await;
    }

    /// The keys whose values are others now, and the configuration to run with from here on.
    fn read_again(&self) -> Result<(BTreeSet<String>, Loaded), String> {
        let again = self.sources.again().load().map_err(|errors| errors.to_string())?;
        let value = |of: &Loaded, key: &str| of.settings.get(key).map(|set| set.value.clone());
        let keys = self.loaded.settings.keys().chain(again.settings.keys());
        let changed: BTreeSet<String> =
            keys.filter(|key| value(&self.loaded, key) != value(&again, key)).cloned().collect();
        let taken = changed.iter().filter(|key| can_change(key));
        let merged = self.loaded.taking(&again, taken).map_err(|errors| errors.to_string())?;
        Ok((changed, merged))
    }

    async fn reload_certificate(&self) {
        let Some(tls) = &self.parts.tls else { return };
        match tls.reload() {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!("the certificate has changed");
                self.note("config.reload", "server.tls_cert, server.tls_key", "done").await;
            }
            Err(error) => {
                tracing::error!(%error, "the certificate is refused; the old one stays");
                let target = "server.tls_cert, server.tls_key";
                self.note("config.reload", target, "refused: not valid").await;
            }
        }
    }

    async fn note(&self, action: &str, target: &str, outcome: &str) {
        let now = self.parts.clock.now();
        let draft = AuditDraft::without_request(now, Actor::System, action, target);
        let draft = AuditDraft { outcome: outcome.to_owned(), ..draft };
        if let Err(error) = self.parts.store.note(draft).await {
            tracing::warn!(%error, "a change of the configuration is not in the trail");
        }
    }
}

fn concerns_providers(key: &str) -> bool {
    key.starts_with("providers.") || key.starts_with("breaker.")
}

fn can_change(key: &str) -> bool {
    CHANGEABLE.iter().any(|known| match known.strip_suffix('.') {
        Some(_) => key.starts_with(known),
        None => key == *known,
    })
}
