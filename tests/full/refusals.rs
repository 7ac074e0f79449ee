//! What an operator is told when a server cannot be used.

use sqlx::{Connection, Executor, PgConnection};
use tickerd::app::config::BusBackend;

use crate::installation::Installation;

/// Starts the service with some settings changed, and answers what it says before it ends with exit
/// code 1. A password in these settings is `geheim`, which nobody is told.
async fn refusal(installation: &Installation, settings: &[(&str, &str)]) -> String {
    let mut command = installation.command(&["serve", "--port", "0"]);
    let output = command.envs(settings.iter().copied()).output().await.expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{settings:?}: {told}");
    assert!(!told.contains("geheim"), "{settings:?}: {told}");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_used_is_named_with_its_setting_and_no_password() {
    let Some(installation) = Installation::new() else { return };
    let postgres = installation.config.store.postgres_url.reveal();
    let (login, place) = postgres.rsplit_once('@').expect("a login");
    let user = login.rsplit_once(':').expect("a password").0;
    let wrong_password = format!("{user}:geheim@{place}");
    for (name, value, expected) in [
        ("TICKERD_STORE__POSTGRES_URL", "mysql://me:geheim@127.0.0.1/x", "store.postgres_url"),
        ("TICKERD_STORE__POSTGRES_URL", "postgres://me:geheim@127.0.0.1:1/x", "store.postgres_url"),
        ("TICKERD_STORE__POSTGRES_URL", &wrong_password, "store.postgres_url"),
        ("TICKERD_CACHE__REDIS_URL", "redis://:geheim@127.0.0.1:1", "cache.redis_url"),
        ("TICKERD_CACHE__REDIS_URL", "geheim", "cache.redis_url"),
        ("TICKERD_STORE__POSTGRES_URL", "", "store.postgres_url"),
    ] {
        let told = refusal(&installation, &[(name, value)]).await;
        assert!(told.contains(expected), "{name}={value}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_version_is_left_alone() {
    let Some(installation) = Installation::new() else { return };
    let status = installation.command(&["migrate", "--schema-only"]).status().await;
    assert!(status.expect("it runs").success());
    let url = installation.config.store.postgres_url.reveal();
    let mut database = PgConnection::connect(url).await.expect("connected");
    let schema = &installation.config.store.postgres_schema;
    let newer = format!("insert into {schema}.schema_versions (version) values (4711)");
    database.execute(sqlx::AssertSqlSafe(newer)).await.expect("inserted");

    let told = refusal(&installation, &[]).await;

    assert!(told.contains("store.postgres_url") && told.contains("4711"), "{told}");
    assert!(told.contains("newer"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keys_of_another_data_set_are_left_alone() {
    let (Some(first), Some(second)) = (Installation::new(), Installation::new()) else { return };
    let running = first.start("api").await;
    let taken = first.config.cache.redis_prefix.as_str();

    let told = refusal(&second, &[("TICKERD_CACHE__REDIS_PREFIX", taken)]).await;

    assert!(told.contains("cache.redis_url") && told.contains("another prefix"), "{told}");
    assert!(told.contains(&first.config.store.postgres_schema), "whose they are: {told}");
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_does_not_let_us_in_is_told_with_the_cure() {
    let Some(installation) = Installation::on_bus(BusBackend::Kafka) else { return };
    let Some(guests) = crate::servers::offered("kafka_guest") else { return };
    let guest = |password| {
        [
            ("TICKERD_BUS__KAFKA_BROKERS", guests.as_str()),
            ("TICKERD_BUS__KAFKA_USER", "guest"),
            ("TICKERD_BUS__KAFKA_PASSWORD", password),
        ]
    };
    let told = refusal(&installation, &guest("geheim")).await;
    assert!(told.contains("bus.kafka_brokers") && told.contains("user or password"), "{told}");
    // The guest may sign in and nothing else.
    let told = refusal(&installation, &guest("guest")).await;
    assert!(told.contains(&installation.config.bus.topic), "{told}");
    assert!(told.contains("make it with 8 partitions, or give the user the right to"), "{told}");
    let nobody = [("TICKERD_BUS__KAFKA_BROKERS", "127.0.0.1:1")];
    let told = refusal(&installation, &nobody).await;
    assert!(told.contains("bus.kafka_brokers") && told.contains("127.0.0.1:1"), "{told}");
}

/// The one of the two that this binary was not built with, or an endpoint where nobody is.
#[tokio::test(flavor = "multi_thread")]
async fn fluvio_that_cannot_be_used_is_told_with_the_key_that_asked_for_it() {
    let Some(installation) = Installation::new() else { return };
    let settings =
        [("TICKERD_BUS__BACKEND", "fluvio"), ("TICKERD_BUS__FLUVIO_ENDPOINT", "127.0.0.1:1")];
    let told = refusal(&installation, &settings).await;
    if cfg!(feature = "fluvio") {
        assert!(told.contains("bus.fluvio_endpoint") && told.contains("127.0.0.1:1"), "{told}");
    } else {
        assert!(told.contains("bus.backend: this tickerd was built without"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_goes_away_later_degrades_and_loses_nothing() {
    let Some(mut installation) = Installation::new() else { return };
    let url = installation.config.cache.redis_url.reveal().to_owned();
    let address = url.trim_start_matches("redis://").parse().expect("an address");
    let proxy = crate::proxy::Proxy::to(address).await;
    let through = format!("redis://{}", proxy.address);
    installation.config.cache.redis_url = tickerd::adapters::provider::Secret::new(through);
    let process = installation.start("api,relay,averager").await;
    installation.eventually(&process, "/ready", |ready| ready["status"] == "ready").await;

    drop(proxy);

    let degraded = |ready: &serde_json::Value| ready["status"] == "degraded";
    let ready = installation.eventually(&process, "/ready", degraded).await;
    assert_eq!(ready["checks"]["cache"]["status"], "degraded", "{ready}");
    installation.post_price(&process, "AAPL", 7, 1).await;
    let path = "/prices/latest?symbol=AAPL&max_age=1000000000";
    assert_eq!(installation.get(&process, path).await.1["price"], 7);
}
