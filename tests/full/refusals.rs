//! What an operator is told when a server cannot be used.

use crate::installation::Installation;

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
        let mut command = installation.command(&["serve", "--port", "0"]);
        let output = command.env(name, value).output().await.expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}={value}: {told}");
        assert!(told.contains(expected), "{name}={value}: {told}");
        assert!(!told.contains("geheim"), "{name}: {told}");
    }
}
