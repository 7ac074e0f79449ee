//! How often clients may ask.

use tickerd::adapters::provider::Secret;

use crate::app::{Answer, TestApp};

const KEY: &str = "an-old-clients-key";

async fn ask(app: &TestApp, path: &str, key: &str) -> Answer {
    let request = app.http.get(format!("{}{path}", app.base)).header("x-api-key", key);
    app.send(request).await
}

/// The settings that docs/limits.md tells of are these, to the letter.
#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_the_documentation_work_as_it_says() {
    let page = include_str!("../../docs/limits.md");
    let snippet = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let snippet = snippet.expect("the page has a snippet");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("tickerd.toml");
    std::fs::write(&file, snippet).expect("written");
    let sources = tickerd::app::config::Sources { file: Some(file), ..Default::default() };
    let limits = sources.load().expect("the snippet is valid").config.limits;
    let app = TestApp::start_with(|config| {
        config.limits = limits;
        config.access.api_key = Secret::new(KEY);
    })
    .await;
    for (path, n_allowed) in [("/prices/latest?symbol=AAPL", 5), ("/prices/poll", 10)] {
        for left in (0..n_allowed).rev() {
            let answer = ask(&app, path, KEY).await;
            assert_ne!(answer.status, 429, "{path}");
            assert!(answer.header("ratelimit").contains(&format!(";r={left};")), "{path}");
        }
        let refused = ask(&app, path, KEY).await;
        assert_eq!(refused.status, 429, "{path}");
        assert_eq!(refused.json()["code"], "rate-limited");
        assert_eq!(refused.header("content-type"), "application/problem+json");
        let policy = format!(r#""{}";q={n_allowed};w=60"#, path.split('?').next().expect("a path"));
        assert_eq!(refused.header("ratelimit-policy"), policy);
        let secs: u64 = refused.header("retry-after").parse().expect("seconds");
        assert_eq!(secs, 60 / n_allowed);
        app.clock.advance(std::time::Duration::from_secs(secs));
        assert_ne!(ask(&app, path, KEY).await.status, 429, "{path}: allowed when promised");
        assert_eq!(ask(&app, path, KEY).await.status, 429, "{path}: and once only");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_addresses_are_limited_apart_and_open_services_not_at_all() {
    let app = TestApp::start_with(|config| {
        config.limits.requests = 3.try_into().expect("a count");
    })
    .await;
    for _ in 0..10 {
        let answer = app.get("/prices").await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, ""), "nobody has a key");
    }
    let made = app.post("/v1/keys", r#"{"role":"admin"}"#).await.json();
    let first = made["key"].as_str().expect("a key").to_owned();
    let second = app.http.post(format!("{}/v1/keys", app.base)).header("x-api-key", &first);
    let second = second.header("content-type", "application/json").body(r#"{"role":"read"}"#);
    let second = app.send(second).await.json()["key"].as_str().expect("a key").to_owned();
    for key in [&first, &second] {
        while ask(&app, "/prices", key).await.status == 200 {}
        assert_eq!(ask(&app, "/prices", key).await.status, 429);
    }
    let statuses = async |path: &str| {
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(app.get(path).await.status);
        }
        statuses
    };
    assert_eq!(statuses("/prices").await, [401, 401, 401, 429], "guessing keys is limited too");
    assert_eq!(statuses("/health").await, [200; 4], "probes are not");
    app.stop().await;
}
