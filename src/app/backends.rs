//! Which backend stands behind each port: the only place that names them all.

use std::sync::Arc;

use anyhow::{Context, bail};

use super::config::{BusBackend, CacheBackend, Config, StoreBackend};
use crate::adapters::bus::channel::ChannelBus;
use crate::adapters::cache::moka::MokaCache;
use crate::adapters::limiter::local::LocalLimiter;
use crate::adapters::store::redb::{RedbOptions, RedbStore};
use crate::ports::{Clock, EventBus, Limiter, QuoteCache, Store};

/// The backends a service stands on. Tests put in their own.
#[derive(Clone)]
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub cache: Arc<dyn QuoteCache>,
    pub bus: Arc<dyn EventBus>,
    pub limiter: Arc<dyn Limiter>,
    pub clock: Arc<dyn Clock>,
}

impl Parts {
    /// Opens the backends a configuration names.
    ///
    /// # Errors
    /// When one cannot be opened; the message names the setting.
    pub async fn open(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        // The store first: a cache that was claimed for a store that is not there is in the way.
        let store = open_store(config).await?;
        let (cache, limiter) = open_cache(config, &clock).await?;
        let bus = open_bus(config).await?;
        Ok(Self { store, cache, bus, limiter, clock })
    }
}

/// Opens the store, creating it if need be.
///
/// # Errors
/// When it cannot be opened or made.
pub async fn open_store(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    match config.store_backend() {
        StoreBackend::Redb => Ok(Arc::new(open_redb(config)?)),
        StoreBackend::Postgres => open_postgres(config).await,
    }
}

/// Opens a store that is there: who only reads must not make an empty one of a mistyped directory.
///
/// # Errors
/// When there is none, or it cannot be opened.
pub async fn open_existing_store(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    require_store(config)?;
    open_store(config).await
}

/// Whether there is a store to open.
///
/// # Errors
/// When its file is missing.
pub fn require_store(config: &Config) -> anyhow::Result<()> {
    let file = config.store.file();
    if config.store_backend() == StoreBackend::Redb && !file.exists() {
        bail!("store.data_dir: there is no store at {}", file.display());
    }
    Ok(())
}

/// Opens the redb file in the data directory, creating both if need be.
///
/// # Errors
/// When the directory cannot be made or the file not opened.
pub fn open_redb(config: &Config) -> anyhow::Result<RedbStore> {
    let directory = &config.store.data_dir;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("store.data_dir: {} cannot be made", directory.display()))?;
    let file = config.store.file();
    RedbStore::open(&file, &redb_options(config))
        .with_context(|| format!("{} cannot be opened", file.display()))
}

/// How the redb file is opened.
pub fn redb_options(config: &Config) -> RedbOptions {
    RedbOptions {
        cache_bytes: config.store.page_cache_bytes,
        log_history: config.store.log_history,
        write_timeout: config.store.write_timeout,
        ..RedbOptions::default()
    }
}

/// Connects to the database of the full mode.
///
/// # Errors
/// When it cannot be reached, or the schema is newer.
#[cfg(feature = "postgres")]
pub async fn open_postgres(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    use crate::adapters::store::postgres::PostgresStore;
    let store =
        PostgresStore::open(postgres_options(config)).await.context("store.postgres_url")?;
    Ok(Arc::new(store))
}

/// The settings of the PostgreSQL store.
#[cfg(feature = "postgres")]
pub fn postgres_options(config: &Config) -> crate::adapters::store::postgres::PostgresOptions {
    use crate::adapters::store::postgres::PostgresOptions;
    PostgresOptions {
        schema: config.store.postgres_schema.clone(),
        max_connections: config.store.postgres_connections,
        overload_after: config.store.write_timeout,
        log_entries: config.store.log_history,
        ..PostgresOptions::new(config.store.postgres_url.reveal())
    }
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "as with the feature")]
pub async fn open_postgres(_config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    Err(missing("store.backend", "postgres"))
}

/// The cache, and the limiter beside it: what processes share, they count together.
type CacheAndLimiter = (Arc<dyn QuoteCache>, Arc<dyn Limiter>);

async fn open_cache(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<CacheAndLimiter> {
    match config.cache_backend() {
        CacheBackend::Moka => Ok((
            Arc::new(MokaCache::new(config.cache.capacity, config.cache.ttl)),
            Arc::new(LocalLimiter::new(Arc::clone(clock))),
        )),
        CacheBackend::Redis => open_redis(config, clock).await,
    }
}

#[cfg(feature = "redis")]
async fn open_redis(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<CacheAndLimiter> {
    use crate::adapters::cache::redis::RedisCache;
    use crate::adapters::limiter::redis::RedisLimiter;
    use crate::adapters::redis::{RedisLink, RedisOptions};
    let options = RedisOptions {
        prefix: format!("{}:", config.cache.redis_prefix),
        ..RedisOptions::new(config.cache.redis_url.reveal(), dataset(config))
    };
    let link = RedisLink::open(options, Arc::clone(clock)).await.context("cache.redis_url")?;
    let link = Arc::new(link);
    let limiter = RedisLimiter::new(Arc::clone(&link), Arc::clone(clock));
    Ok((Arc::new(RedisCache::new(link, config.cache.ttl)), Arc::new(limiter)))
}

#[cfg(not(feature = "redis"))]
#[expect(clippy::unused_async, reason = "as with the feature")]
async fn open_redis(_config: &Config, _clock: &Arc<dyn Clock>) -> anyhow::Result<CacheAndLimiter> {
    Err(missing("cache.backend", "redis"))
}

/// Names the store whose prices are cached, without login.
#[cfg(feature = "redis")]
fn dataset(config: &Config) -> String {
    match config.store_backend() {
        StoreBackend::Redb => {
            let file = config.store.file();
            std::path::absolute(&file).unwrap_or(file).display().to_string()
        }
        StoreBackend::Postgres => {
            let url = config.store.postgres_url.reveal();
            let place = url.rsplit_once('@').map_or(url, |(_, place)| place);
            let place = place.split('?').next().unwrap_or_default();
            format!("{place} {}", config.store.postgres_schema)
        }
    }
}

async fn open_bus(config: &Config) -> anyhow::Result<Arc<dyn EventBus>> {
    match config.bus_backend() {
        BusBackend::Channel => Ok(Arc::new(ChannelBus::default())),
        BusBackend::Kafka => open_kafka(config).await,
        BusBackend::Fluvio => open_fluvio(config).await,
    }
}

#[cfg(feature = "kafka")]
async fn open_kafka(config: &Config) -> anyhow::Result<Arc<dyn EventBus>> {
    use crate::adapters::bus::kafka::{KafkaBus, KafkaOptions};
    let options = KafkaOptions {
        topic: config.bus.topic.clone(),
        dead_letter_topic: config.bus.dead_letter_topic.clone(),
        partitions: config.bus.partitions,
        user: Some(config.bus.kafka_user.clone()).filter(|user| !user.is_empty()),
        password: Some(config.bus.kafka_password.reveal().to_owned()),
        ..KafkaOptions::new(config.bus.kafka_brokers.as_str())
    };
    Ok(Arc::new(KafkaBus::open(options).await.context("bus.kafka_brokers")?))
}

#[cfg(not(feature = "kafka"))]
#[expect(clippy::unused_async, reason = "as with the feature")]
async fn open_kafka(_config: &Config) -> anyhow::Result<Arc<dyn EventBus>> {
    Err(missing("bus.backend", "kafka"))
}

#[cfg(feature = "fluvio")]
async fn open_fluvio(config: &Config) -> anyhow::Result<Arc<dyn EventBus>> {
    use crate::adapters::bus::fluvio::{FluvioBus, FluvioOptions};
    // Names of topics there are of a-z, 0-9 and hyphens.
    let spelled = |topic: &str| topic.replace('.', "-");
    let options = FluvioOptions {
        topic: spelled(&config.bus.topic),
        dead_letter_topic: spelled(&config.bus.dead_letter_topic),
        partitions: config.bus.partitions,
        ..FluvioOptions::new(config.bus.fluvio_endpoint.as_str())
    };
    Ok(Arc::new(FluvioBus::open(options).await.context("bus.fluvio_endpoint")?))
}

#[cfg(not(feature = "fluvio"))]
#[expect(clippy::unused_async, reason = "as with the feature")]
async fn open_fluvio(_config: &Config) -> anyhow::Result<Arc<dyn EventBus>> {
    Err(missing("bus.backend", "fluvio"))
}

/// What a binary says that was built without a backend.
#[cfg(not(all(
    feature = "fluvio",
    feature = "kafka",
    feature = "otlp",
    feature = "postgres",
    feature = "redis"
)))]
pub(super) fn missing(key: &str, feature: &str) -> anyhow::Error {
    anyhow::anyhow!("{key}: this tickerd was built without the `{feature}` feature")
}
