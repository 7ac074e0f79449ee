//! What no single value can show: settings that do not fit together.

use super::Config;
use super::load::meant;
use super::sections::{BusBackend, CacheBackend, ChainsConfig, Role, StoreBackend};
use crate::http;
use crate::http::doors::RouteLimit;

/// Adds what is wrong with a configuration whose single values are all right.
pub(super) fn check(config: &Config, errors: &mut Vec<String>) {
    let key = config.access.api_key.reveal();
    if !config.server.host.is_loopback() && !key.is_empty() && key.len() < 16 {
        errors.push(
            "access.api_key: has less than 16 characters, and others can reach this service".into(),
        );
    }
    let (cert, key) = (&config.server.tls_cert, &config.server.tls_key);
    if cert.as_os_str().is_empty() != key.as_os_str().is_empty() {
        errors.push("server.tls_cert, server.tls_key: one is no use without the other".into());
    }
    check_routes(config, errors);
    check_backends(config, errors);
    let ChainsConfig { stocks, crypto, forex, default_provider, symbols } = &config.chains;
    let classes = [("stocks", stocks), ("crypto", crypto), ("forex", forex)];
    let single = symbols.values().map(|chain| ("symbols", chain));
    let first: Vec<_> = default_provider.iter().cloned().collect();
    let first = [("default_provider", &first)];
    for (key, chain) in classes.into_iter().chain(single).chain(first) {
        let unknown = chain.iter().filter(|name| !config.providers.contains_key(name.as_str()));
        errors.extend(unknown.map(|name| {
            let choices: Vec<&str> = config.providers.keys().map(String::as_str).collect();
            format!("chains.{key}: no provider is called {name}; there are {}", choices.join(", "))
        }));
    }
}

/// A limit of a path that is not there would limit nothing.
fn check_routes(config: &Config, errors: &mut Vec<String>) {
    let paths = http::paths();
    for RouteLimit { method, path, .. } in &config.limits.routes {
        match (paths.get(path), method) {
            (Some(methods), Some(method)) if !methods.contains(method) => {
                errors.push(format!("limits.routes: {path} has no method {method}"));
            }
            (Some(_), _) => {}
            (None, _) => {
                let meant = meant(path, paths.keys());
                errors.push(format!("limits.routes: no operation has the path {path}{meant}"));
            }
        }
    }
}

fn check_backends(config: &Config, errors: &mut Vec<String>) {
    let mode = config.mode.name();
    if config.store_backend() == StoreBackend::Postgres
        && config.store.postgres_url.reveal().is_empty()
    {
        errors.push(format!(
            "store.postgres_url: mode {mode} keeps prices in PostgreSQL; set it to \
             postgres://user:password@host:5432/database (old name DATABASE_URL)"
        ));
    }
    if config.store_backend() == StoreBackend::Postgres && config.store.keep_bytes > 0 {
        errors.push(
            "store.keep_bytes: only the edge store can tell what prices take; use store.keep_for"
                .into(),
        );
    }
    if config.cache_backend() == CacheBackend::Redis && config.cache.redis_url.reveal().is_empty() {
        errors.push(format!(
            "cache.redis_url: mode {mode} caches in Redis; set it to redis://host:6379 (old name \
             REDIS_URL), or cache.backend = \"moka\""
        ));
    }
    match config.bus_backend() {
        BusBackend::Kafka if config.bus.kafka_brokers.is_empty() => errors.push(format!(
            "bus.kafka_brokers: mode {mode} publishes to Kafka; set it to host:9092 (old name \
             KAFKA_BOOTSTRAP_SERVERS), or bus.backend = \"channel\""
        )),
        BusBackend::Kafka
            if config.bus.kafka_user.is_empty()
                != config.bus.kafka_password.reveal().is_empty() =>
        {
            errors
                .push("bus.kafka_user, bus.kafka_password: one is no use without the other".into());
        }
        BusBackend::Fluvio if config.bus.fluvio_endpoint.is_empty() => {
            errors.push("bus.fluvio_endpoint: bus.backend is fluvio; set it to host:9003".into());
        }
        BusBackend::Channel if config.has_role(Role::Relay) != config.has_role(Role::Averager) => {
            errors.push(
                "roles: the in-process bus (bus.backend = \"channel\") needs relay and averager in \
                 one process"
                    .into(),
            );
        }
        BusBackend::Kafka | BusBackend::Fluvio | BusBackend::Channel => {}
    }
    if config.store_backend() == StoreBackend::Redb && config.roles.len() < Role::ALL.len() {
        errors.push(
            "roles: the edge store has one process, which has to do everything; leave roles as \
             they are, or set store.backend = \"postgres\""
                .into(),
        );
    }
}
