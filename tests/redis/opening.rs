//! What an operator is told when Redis cannot be used.

use std::sync::Arc;

use tickerd::adapters::redis::{OpenError, RedisLink, RedisOptions};
use tickerd::ports::SystemClock;

use crate::server::RedisServer;

async fn refusal(url: &str) -> OpenError {
    let opened = RedisLink::open(RedisOptions::new(url, "ours"), Arc::new(SystemClock)).await;
    opened.err().expect("it is refused")
}

#[tokio::test]
async fn a_url_that_is_none_is_told_with_its_form() {
    let error = refusal("postgres://127.0.0.1/").await;
    assert!(matches!(error, OpenError::Url(_)), "{error}");
    assert!(error.to_string().contains("write redis://user:password@host:port"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let error = refusal(&format!("redis://:geheim@127.0.0.1:{port}")).await;
    assert!(matches!(error, OpenError::Unreachable(_)), "{error}");
    assert!(!error.to_string().contains("geheim"), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_repeated() {
    let Some(server) = RedisServer::start(&["--requirepass", "right"]).await else { return };
    let address = server.url();
    for url in [address.clone(), address.replace("redis://", "redis://:geheim@")] {
        let error = refusal(&url).await;
        assert!(matches!(error, OpenError::Refused(_)), "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
    let options = RedisOptions::new(address.replace("redis://", "redis://:right@"), "ours");
    assert!(!format!("{options:?}").contains("right"));
    RedisLink::open(options, Arc::new(SystemClock)).await.expect("the right one is let in");
}

#[tokio::test]
async fn the_keys_of_another_data_set_are_not_touched() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    server.link("theirs").await.expect("nobody was here before");
    server.link("theirs").await.expect("the same may come again");
    let error = server.link("ours").await.err().expect("it is refused");
    let told = error.to_string();
    assert!(told.contains("data set theirs") && told.contains("another prefix"), "{told}");
    let beside = RedisOptions { prefix: "b:".into(), ..RedisOptions::new(server.url(), "ours") };
    RedisLink::open(beside, Arc::new(SystemClock)).await.expect("another prefix is free");
}
