//! The lists of assets: fetched daily, kept in the store, searched in memory.
//!
//! tokio-cron-scheduler rings the bell: the hour does not matter, nothing needs to survive (the
//! age of each list is in the store), and a missed bell is made up for by the next. It only rings:
//! the work is done in [`AssetLists::run`], so that it ends when the service does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use super::route::{ProviderState, Router};
use crate::model::{Asset, AssetClass, AssetList, ProviderName, Timestamp};
use crate::ports::{Clock, Store, StoreError};

/// When to look for lists that are too old: every hour, off the full hour, when everybody calls.
const BELL: &str = "0 17 * * * *";
/// Between looks where the scheduler cannot be had.
const FALLBACK_PAUSE: Duration = Duration::from_secs(3_600);

/// An asset and who lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAsset {
    pub asset: Asset,
    pub provider: ProviderName,
}

/// One page of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssetPage {
    /// How many match in all.
    pub count: usize,
    pub assets: Vec<ListedAsset>,
    /// The age of the oldest list looked into; none when there is no list yet.
    pub updated_at: Option<Timestamp>,
}

/// All assets of a class, each symbol once.
#[derive(Default)]
struct Catalogue {
    assets: Vec<ListedAsset>,
    /// Symbol and name in lower case, in the order of `assets`.
    keys: Vec<(String, String)>,
    updated_at: Option<Timestamp>,
}

/// Keeps the lists fresh and answers from them.
pub struct AssetLists {
    store: Arc<dyn Store>,
    router: Arc<Router>,
    clock: Arc<dyn Clock>,
    max_age: Duration,
    /// Built at the first search after a change: thousands of assets nobody asks for cost nothing.
    catalogues: Mutex<BTreeMap<AssetClass, Arc<Catalogue>>>,
}

impl AssetLists {
    /// Lists older than `max_age` are fetched again.
    pub fn new(
        store: Arc<dyn Store>,
        router: Arc<Router>,
        clock: Arc<dyn Clock>,
        max_age: Duration,
    ) -> Self {
        Self { store, router, clock, max_age, catalogues: Mutex::default() }
    }

    /// Keeps the lists fresh until cancelled.
    pub async fn run(&self, cancel: CancellationToken) {
        let bell = Arc::new(Notify::new());
        let scheduler = match ring(Arc::clone(&bell)).await {
            Ok(scheduler) => Some(scheduler),
            Err(error) => {
                tracing::warn!(%error, "no scheduler; looking at asset lists every hour");
                None
            }
        };
        let _ = cancel.run_until_cancelled(self.refresh_at(&bell, scheduler.is_none())).await;
        if let Some(mut scheduler) = scheduler
            && let Err(error) = scheduler.shutdown().await
        {
            tracing::debug!(%error, "the scheduler did not stop");
        }
    }

    async fn refresh_at(&self, bell: &Notify, by_clock: bool) {
        loop {
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "asset lists are not kept");
            }
            if by_clock {
                self.clock.sleep(FALLBACK_PAUSE).await;
            } else {
                bell.notified().await;
            }
        }
    }

    /// Fetches every list that is missing or too old; answers how many were fetched.
    ///
    /// # Errors
    /// When the store fails; a provider that fails is logged, and asked again at the next bell.
    pub async fn refresh(&self) -> Result<usize, StoreError> {
        let mut n_fetched = 0;
        for class in AssetClass::ALL {
            let stored = self.store.asset_lists(class).await?;
            for provider in self.providers_of(class) {
                let now = self.clock.now();
                let is_fresh = |list: &AssetList| {
                    list.provider == provider && now.since(list.updated_at) < self.max_age
                };
                if stored.iter().any(is_fresh) {
                    continue;
                }
                match self.router.assets(&provider, class).await {
                    // A list of nothing is a provider's trouble, not news.
                    Some(Ok(assets)) if !assets.is_empty() => {
                        let n_assets = assets.len();
                        let list = AssetList { class, provider, updated_at: now, assets };
                        tracing::info!(provider = %list.provider, %class, n_assets, "assets listed");
                        self.store.save_assets(list).await?;
                        self.catalogues.lock().remove(&class);
                        n_fetched += 1;
                    }
                    Some(Ok(_)) => tracing::warn!(%provider, %class, "an empty list of assets"),
                    Some(Err(error)) => tracing::warn!(%provider, %class, %error, "no assets"),
                    None => {}
                }
            }
        }
        Ok(n_fetched)
    }

    /// Assets whose symbol or name holds `text` in any case, after leaving out `skip` of them:
    /// first those whose symbol starts with it, then those whose name does, then the rest, each by
    /// symbol. An empty text finds all.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn search(
        &self,
        class: AssetClass,
        text: &str,
        skip: usize,
        limit: usize,
    ) -> Result<AssetPage, StoreError> {
        let catalogue = self.catalogue(class).await?;
        let text = text.trim().to_lowercase();
        let rank = |(symbol, name): &(String, String)| match () {
            () if symbol.starts_with(&text) => Some(0),
            () if name.starts_with(&text) => Some(1),
            () if symbol.contains(&text) || name.contains(&text) => Some(2),
            () => None,
        };
        let keys = catalogue.keys.iter().enumerate();
        let mut found: Vec<(u8, usize)> =
            keys.filter_map(|(index, key)| Some((rank(key)?, index))).collect();
        found.sort_unstable();
        let page = found.iter().skip(skip).take(limit);
        let assets = page.map(|(_, index)| catalogue.assets[*index].clone()).collect();
        Ok(AssetPage { count: found.len(), assets, updated_at: catalogue.updated_at })
    }

    async fn catalogue(&self, class: AssetClass) -> Result<Arc<Catalogue>, StoreError> {
        if let Some(catalogue) = self.catalogues.lock().get(&class) {
            return Ok(Arc::clone(catalogue));
        }
        let lists = self.store.asset_lists(class).await?;
        let catalogue = Arc::new(Catalogue::of(lists, &self.router.chain_names(class)));
        self.catalogues.lock().insert(class, Arc::clone(&catalogue));
        Ok(catalogue)
    }

    fn providers_of(&self, class: AssetClass) -> Vec<ProviderName> {
        let states = self.router.providers().into_iter();
        states
            .filter_map(|state| match state {
                ProviderState::On { profile, .. } if profile.lists_assets_of.contains(&class) => {
                    Some(profile.name)
                }
                _ => None,
            })
            .collect()
    }
}

impl Catalogue {
    /// A symbol that several list is taken from whoever comes first in `preferred`.
    fn of(mut lists: Vec<AssetList>, preferred: &[ProviderName]) -> Self {
        lists.sort_by_key(|list| {
            preferred.iter().position(|name| *name == list.provider).unwrap_or(usize::MAX)
        });
        let updated_at = lists.iter().map(|list| list.updated_at).min();
        let mut known = BTreeSet::new();
        let mut assets = Vec::new();
        for list in lists {
            for asset in list.assets {
                if known.insert(asset.symbol.clone()) {
                    assets.push(ListedAsset { asset, provider: list.provider.clone() });
                }
            }
        }
        assets.sort_by(|one, other| one.asset.symbol.cmp(&other.asset.symbol));
        let key = |listed: &ListedAsset| {
            (listed.asset.symbol.as_str().to_lowercase(), listed.asset.name.to_lowercase())
        };
        let keys = assets.iter().map(key).collect();
        Self { assets, keys, updated_at }
    }
}

/// Starts a scheduler that rings `bell` by [`BELL`].
async fn ring(bell: Arc<Notify>) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let ring = move |_, _| bell.notify_one();
    scheduler.add(Job::new(BELL, ring)?).await?;
    scheduler.start().await?;
    Ok(scheduler)
}
