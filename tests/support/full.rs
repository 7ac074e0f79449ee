//! Settings of a full mode of a test's own: a schema and keys that nobody else uses.

use std::sync::atomic::{AtomicU64, Ordering};

use tickerd::app::config::{BusBackend, Config, Mode};

/// Whether this run is to test the full mode: the same tests, on the other backends.
pub(crate) fn is_wanted() -> bool {
    std::env::var("TICKERD_TEST_MODE").is_ok_and(|mode| mode == "full")
}

/// Points a configuration at the servers that are offered; false when one is missing, which is
/// told, or a failure where it is required.
pub(crate) fn go_full(config: &mut Config) -> bool {
    static N_INSTALLATIONS: AtomicU64 = AtomicU64::new(0);
    let (Some(postgres), Some(redis)) =
        (crate::servers::offered("postgres"), crate::servers::offered("redis"))
    else {
        return false;
    };
    let number = N_INSTALLATIONS.fetch_add(1, Ordering::Relaxed);
    let name = format!("f{}_{number}", std::process::id());
    config.mode = Mode::Full;
    config.store.postgres_url = tickerd::adapters::provider::Secret::new(postgres);
    config.store.postgres_schema.clone_from(&name);
    config.store.postgres_connections = 5;
    config.cache.redis_url = tickerd::adapters::provider::Secret::new(redis);
    config.cache.redis_prefix.clone_from(&name);
    // Fluvio knows no underscores.
    config.bus.topic = format!("{}-events", name.replace('_', "-"));
    config.bus.dead_letter_topic = format!("{}.dlq", config.bus.topic);
    match std::env::var("TICKERD_TEST_BUS").as_deref() {
        Ok("kafka") => go_on_bus(config, BusBackend::Kafka),
        Ok("fluvio") => go_on_bus(config, BusBackend::Fluvio),
        _ => go_on_bus(config, BusBackend::Channel),
    }
}

/// Points a configuration at a bus; false when it is not offered, as with [`go_full`].
pub(crate) fn go_on_bus(config: &mut Config, backend: BusBackend) -> bool {
    config.bus.backend = Some(backend);
    let place = match backend {
        BusBackend::Channel => return true,
        BusBackend::Kafka => &mut config.bus.kafka_brokers,
        BusBackend::Fluvio => &mut config.bus.fluvio_endpoint,
    };
    let offered = match backend {
        BusBackend::Fluvio => crate::servers::offered_as("fluvio", "TICKERD_TEST_FLUVIO"),
        _ => crate::servers::offered("kafka"),
    };
    offered.map(|offered| *place = offered).is_some()
}
