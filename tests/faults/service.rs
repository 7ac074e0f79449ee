//! A whole service in this process, on backends that fail when they are told to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tickerd::app::backends::Parts;
use tickerd::app::config::{Config, Sources};
use tickerd::app::run::App;
use tickerd::ports::{Clock, SystemClock};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::faulty::{Faults, wrap};

pub(crate) struct Service {
    pub(crate) base: String,
    /// The backends without faults: what really is stored.
    pub(crate) parts: Parts,
    pub(crate) faults: Arc<Faults>,
    http: reqwest::Client,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
    directory: TempDir,
}

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

/// The default configuration, on this directory, and without a provider that uses the network.
pub(crate) fn config(directory: &Path) -> Config {
    let mut config = Sources::default().load().expect("the defaults are valid").config;
    config.store.data_dir = directory.to_owned();
    config.providers.values_mut().for_each(|provider| provider.enabled = false);
    config
}

impl Service {
    pub(crate) async fn start(faults: Arc<Faults>) -> Self {
        Self::start_with(faults, Arc::new(SystemClock), |_| {}).await
    }

    pub(crate) async fn start_with(
        faults: Arc<Faults>,
        clock: Arc<dyn Clock>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = config(directory.path());
        change(&mut config);
        let parts = Parts::open(&config, clock).await.expect("the backends open");
        Self::on(directory, &config, parts, faults).await
    }

    pub(crate) async fn on(
        directory: TempDir,
        config: &Config,
        parts: Parts,
        faults: Arc<Faults>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let app = App::build(config, wrap(&parts, &faults), false).await.expect("built");
        tasks.spawn(app.run(listener, stop.clone()));
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { base, parts, faults, http, stop, tasks, directory }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"));
        Answer { status, headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let request = self.http.post(format!("{}{path}", self.base));
        self.send(request.header("content-type", "application/json").body(body.to_owned())).await
    }

    pub(crate) async fn post_with_key(&self, path: &str, body: &str, key: &str) -> Answer {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(key);
        self.send(request.header("content-type", "application/json").body(body.to_owned())).await
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> Answer {
        let request = self.http.put(format!("{}{path}", self.base));
        self.send(request.header("content-type", "application/json").body(body.to_owned())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.http.delete(format!("{}{path}", self.base))).await
    }

    /// Waits until the pipeline has caught up.
    pub(crate) async fn settle(&self) {
        let store = &self.parts.store;
        eventually(async || store.depth().await.is_ok_and(|depth| depth == 0)).await;
    }

    pub(crate) async fn stop(mut self) -> TempDir {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no panic").expect("a clean end");
        }
        self.directory
    }
}

/// Waits for a condition. The deadline is far off: it is there for what never comes, not for what
/// is slow.
pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..12_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("what was awaited never came");
}
