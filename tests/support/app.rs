//! A whole service in this process: real store, real listener, a clock that stands still.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tickerd::app::backends::Parts;
use tickerd::app::config::{Config, Sources};
use tickerd::app::run::App;
use tickerd::model::Timestamp;
use tickerd::ports::ManualClock;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const NOW: &str = "2024-06-01T12:00:00Z";

pub(crate) struct TestApp {
    pub(crate) base: String,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) http: reqwest::Client,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
    _directory: TempDir,
}

/// An answer, read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = Sources::default().load().expect("the defaults are valid").config;
        config.store.data_dir = directory.path().to_owned();
        // No test may reach the network.
        config.providers.values_mut().for_each(|provider| provider.enabled = false);
        change(&mut config);
        if crate::full::is_wanted() {
            assert!(crate::full::go_full(&mut config), "TICKERD_TEST_MODE=full needs servers");
        }
        let clock = Arc::new(ManualClock::at(Timestamp::parse(NOW).expect("a time")));
        let parts = Parts::open(&config, clock.clone()).await.expect("the backends open");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let app = App::build(&config, parts, false).await.expect("built");
        tasks.spawn(app.run(listener, stop.clone()));
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { base, clock, http, stop, tasks, _directory: directory }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("a body") }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.body(reqwest::Method::POST, path, "application/json", body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> Answer {
        self.body(reqwest::Method::PUT, path, "application/json", body).await
    }

    pub(crate) async fn body(
        &self,
        method: reqwest::Method,
        path: &str,
        content_type: &str,
        body: &str,
    ) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.base));
        self.send(request.header("content-type", content_type).body(body.to_owned())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.http.delete(format!("{}{path}", self.base))).await
    }

    /// Waits until the pipeline has caught up.
    pub(crate) async fn settle(&self) {
        self.eventually("/v1/system", |system| system["outbox"] == 0).await;
    }

    /// Asks until the answer is as wanted. The deadline is far off: it is there for what never
    /// comes, not for what is slow.
    pub(crate) async fn eventually(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut answer = Value::Null;
        for _ in 0..6_000 {
            answer = self.get(path).await.json();
            if wanted(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{path} never answered what was awaited: {answer}");
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no panic").expect("a clean end");
        }
    }
}
