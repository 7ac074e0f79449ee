//! Quotes, receipts, providers and polling jobs, with a stand-in for the provider's own host.

use std::pin::pin;
use std::time::Duration;

use crate::app::{Answer, TestApp};
use crate::upstream::{Behaviour, Canned, Upstream};

const TICKER: &str = r#"{"error":[],"result":{
    "BTC/USD":{"a":["1","1","1"],"b":["1","1","1"],"c":["64000.50000","0.1"],"v":["1","1"],"p":["1","1"],"t":[1,1],"l":["1","1"],"h":["1","1"],"o":"64000.0"}}}"#;

/// A service that knows one provider: Kraken, as the stand-in plays it.
async fn start(upstream: &Upstream) -> TestApp {
    upstream.on("/", Behaviour::Answer(Canned::new(200, "application/json", TICKER)));
    let url = upstream.url();
    TestApp::start_with(move |config| {
        let kraken = config.providers.get_mut("kraken").expect("a section");
        kraken.enabled = true;
        kraken.base_url = url;
    })
    .await
}

/// Waits for an answer while time passes: budgets and retries pause on the service's clock, which
/// only moves when told to.
async fn while_time_passes(app: &TestApp, request: impl Future<Output = Answer>) -> Answer {
    let mut request = pin!(request);
    for _ in 0..1_500 {
        tokio::select! {
            answer = &mut request => return answer,
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                app.clock.advance(Duration::from_millis(100));
            }
        }
    }
    panic!("there was no answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_is_not_stored_is_fetched_kept_and_explained() {
    let upstream = Upstream::start().await;
    let app = start(&upstream).await;
    let latest = while_time_passes(&app, app.get("/prices/latest?symbol=BTC-USD")).await;
    assert_eq!(latest.status, 200, "{}", latest.text);
    let record = latest.json();
    assert_eq!((&record["provider"], &record["stale"]), (&"kraken".into(), &false.into()));
    assert_eq!(record["price"].to_string(), "64000.5");
    let n_requests = upstream.requests().len();
    assert_eq!(app.get("/prices/latest?symbol=BTC-USD").await.json(), record);
    assert_eq!(upstream.requests().len(), n_requests, "a fresh price is not asked for again");
    let receipt = app.get("/v1/quotes/BTC-USD/explain").await.json();
    let attempts: Vec<_> = receipt["attempts"].as_array().expect("a list").iter().collect();
    assert_eq!(attempts.last().expect("an attempt")["outcome"], "answered");
    let quotes = app.get("/v1/quotes?symbols=BTC-USD,AAPL").await.json();
    assert_eq!(quotes["quotes"][0]["symbol"], "BTC-USD");
    assert_eq!(quotes["errors"][0]["symbol"], "AAPL");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_leaves_the_stored_price_marked_stale() {
    let upstream = Upstream::start().await;
    let app = start(&upstream).await;
    let first = app.get("/prices/latest?symbol=BTC-USD");
    let first = while_time_passes(&app, first).await.json();
    upstream.on("/", Behaviour::Answer(Canned::new(500, "text/html", "<html>")));
    app.clock.advance(Duration::from_secs(120));
    let later = while_time_passes(&app, app.get("/prices/latest?symbol=BTC-USD")).await;
    assert_eq!(later.status, 200, "{}", later.text);
    assert_eq!((&later.json()["price"], &later.json()["stale"]), (&first["price"], &true.into()));
    let providers = app.get("/v1/providers").await.json();
    let kraken = providers.as_array().expect("a list").iter().find(|p| p["name"] == "kraken");
    assert!(kraken.expect("kraken")["last_error"].is_string(), "{providers}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_explained_too_why_there_is_no_price_at_all() {
    let upstream = Upstream::start().await;
    let app = start(&upstream).await;
    upstream.on("/", Behaviour::Answer(Canned::new(500, "text/html", "<html>")));
    let nothing = while_time_passes(&app, app.get("/prices/latest?symbol=BTC-USD")).await;
    assert_eq!(nothing.status, 503, "{}", nothing.text);
    let explained = app.get("/v1/quotes/BTC-USD/explain").await;
    assert_eq!(explained.status, 404, "{}", explained.text);
    // The refusal named who and the class of why; the explanation has the reason besides.
    let refused = nothing.json()["detail"].as_str().expect("text").to_owned();
    let (_, who) = refused.trim_end_matches(')').split_once("price: ").expect("who was asked");
    let detail = explained.json()["detail"].to_string();
    assert!(who.starts_with("kraken (") && detail.contains(&format!("{who}: ")), "{detail}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_questions_are_refused_with_the_choices() {
    let upstream = Upstream::start().await;
    let app = start(&upstream).await;
    let many = (0..201).map(|n| format!("S{n}")).collect::<Vec<_>>().join(",");
    for (path, status) in [
        (format!("/v1/quotes?symbols={many}"), 422),
        ("/v1/quotes?symbols=".into(), 422),
        ("/v1/quotes".into(), 422),
        ("/v1/assets/bonds".into(), 422),
        ("/v1/assets/stocks".into(), 200),
        ("/prices/poll/poll_9".into(), 404),
        ("/prices/poll/x".into(), 422),
    ] {
        let answer = app.get(&path).await;
        assert_eq!(answer.status, status, "{path:.60}: {}", answer.text);
    }
    let unknown = app.post("/poll/BTC-USD?provider=nobody", "").await;
    assert_eq!(unknown.status, 422);
    assert!(
        unknown.json()["detail"].as_str().expect("text").contains("kraken"),
        "{}",
        unknown.text
    );
    let polled = app.post("/poll/BTC-USD?provider=kraken", "");
    let polled = while_time_passes(&app, polled).await;
    assert_eq!((polled.status, &polled.json()["source"]), (200, &"kraken".into()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_created_paused_resumed_and_deleted() {
    let upstream = Upstream::start().await;
    let app = start(&upstream).await;
    let many = format!(r#"{{"symbols":[{}"A"],"interval":60}}"#, r#""A","#.repeat(10_000));
    for body in [
        r#"{"symbols":[],"interval":60}"#,
        r#"{"symbols":["BTC-USD"],"interval":0}"#,
        r#"{"symbols":["BTC-USD"],"interval":60,"cron":"0 * * * *"}"#,
        r#"{"symbols":["BTC-USD"],"cron":"every day"}"#,
        r#"{"symbols":["BTC USD"],"interval":60}"#,
        r#"{"symbols":["BTC-USD"],"interval":60,"provider":"nobody"}"#,
        &many,
    ] {
        let refused = app.post("/prices/poll", body).await;
        assert_eq!(refused.status, 422, "{body:.60}: {}", refused.text);
    }
    let created = app.post("/prices/poll", r#"{"symbols":["btc-usd"]}"#).await;
    assert_eq!(created.json()["config"]["interval"], 60, "what the configuration says");
    assert_eq!((created.status, &created.json()["status"]), (202, &"accepted".into()));
    let path = created.header("location").to_owned();
    let job = app.get(&path).await.json();
    assert_eq!((&job["id"], &job["config"]["symbols"][0]), (&job["job_id"], &"BTC-USD".into()));
    let patch = async |body: &str| {
        app.body(reqwest::Method::PATCH, &path, "application/json", body).await.json()
    };
    assert_eq!(patch(r#"{"status":"paused"}"#).await["status"], "paused");
    assert_ne!(patch(r#"{"status":"active"}"#).await["status"], "paused");
    assert_eq!(app.get("/prices/poll").await.json().as_array().map(Vec::len), Some(1));
    assert_eq!(app.delete(&path).await.status, 200);
    assert_eq!(app.get(&path).await.status, 404);
    assert_eq!(app.post("/prices/delete-all-polling-jobs", "").await.status, 200);
    app.stop().await;
}
