//! The metrics that are read when somebody asks, rather than counted when something happens.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::health::{Health, PartState};
use super::route::{ProviderState, Router};
use crate::model::{BreakerState, JobStatus};
use crate::ports::{EventBus, Store, StoreError};
use crate::telemetry::metrics;

/// Jobs read at once.
const PAGE: usize = 1_000;

/// Refreshes gauges before `/metrics` is answered.
pub struct Gauges {
    store: Arc<dyn Store>,
    bus: Arc<dyn EventBus>,
    router: Arc<Router>,
    health: Arc<Health>,
    /// The consumer group whose lag is told.
    group: String,
}

impl Gauges {
    pub fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn EventBus>,
        router: Arc<Router>,
        health: Arc<Health>,
        group: String,
    ) -> Self {
        Self { store, bus, router, health, group }
    }

    /// Reads everything. What cannot be read keeps its last value; the state of the part tells why.
    pub async fn refresh(&self) {
        for (part, state) in self.health.parts().await {
            let value = match state {
                PartState::Ok => 1.0,
                PartState::Degraded(_) => 0.5,
                PartState::Down(_) => 0.0,
            };
            metrics::part_state(part, value);
        }
        self.providers();
        if let Err(error) = self.stored().await {
            tracing::debug!(%error, "the store cannot be measured");
        }
        match self.bus.lag(&self.group).await {
            Ok(lag) => metrics::bus_lag(lag.unwrap_or(0)),
            Err(error) => tracing::debug!(%error, "the bus cannot be measured"),
        }
    }

    fn providers(&self) {
        for state in self.router.providers() {
            let ProviderState::On { profile, breaker, budgets, .. } = state else { continue };
            let name = profile.name.as_str();
            metrics::provider_breaker(name, !matches!(breaker, BreakerState::Closed { .. }));
            for left in budgets {
                metrics::provider_budget(name, left.window.name(), left.left);
            }
        }
    }

    async fn stored(&self) -> Result<(), StoreError> {
        metrics::outbox_depth(self.store.depth().await?);
        let status = self.store.status().await?;
        metrics::store_sizes(metrics::StoreSizes {
            n_bytes: status.size_bytes,
            n_prices: status.n_prices,
            n_symbols: status.n_symbols,
            n_averages: status.n_averages,
            n_dead_letters: status.n_dead_letters,
        });
        let mut n_jobs: BTreeMap<&'static str, usize> =
            JobStatus::ALL.into_iter().map(|status| (status.name(), 0)).collect();
        let mut after = None;
        loop {
            let page = self.store.jobs(after, PAGE).await?;
            for job in &page {
                *n_jobs.entry(job.status().name()).or_default() += 1;
            }
            after = page.last().map(|job| job.id);
            if page.len() < PAGE {
                break;
            }
        }
        n_jobs.into_iter().for_each(|(status, n)| metrics::jobs(status, n));
        Ok(())
    }
}
