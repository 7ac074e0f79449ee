//! Real processes of one installation.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tickerd::app::config::{BusBackend, Config, Sources};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A database schema and Redis keys that processes share.
pub(crate) struct Installation {
    pub(crate) config: Config,
    pub(crate) http: reqwest::Client,
    pub(crate) directory: TempDir,
}

/// One running process; it dies with its test.
pub(crate) struct Process {
    child: Child,
    pub(crate) base: String,
}

impl Installation {
    /// None where the servers are not offered.
    pub(crate) fn new() -> Option<Self> {
        Self::on_bus(BusBackend::Channel)
    }

    /// With a bus between the processes.
    pub(crate) fn on_bus(bus: BusBackend) -> Option<Self> {
        let mut config = Sources::default().load().expect("the defaults are valid").config;
        if !crate::full::go_full(&mut config) || !crate::full::go_on_bus(&mut config, bus) {
            return None;
        }
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let directory = tempfile::tempdir().expect("a directory");
        config.store.data_dir = directory.path().join("data");
        Some(Self { config, http, directory })
    }

    /// The binary with the settings of this installation, which arguments may overrule.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickerd"));
        let (store, cache, bus) = (&self.config.store, &self.config.cache, &self.config.bus);
        let backend = match bus.backend {
            Some(BusBackend::Kafka) => "kafka",
            Some(BusBackend::Fluvio) => "fluvio",
            _ => "channel",
        };
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .envs(crate::children::measured())
            .env("TICKERD_MODE", "full")
            .env("TICKERD_STORE__POSTGRES_URL", store.postgres_url.reveal())
            .env("TICKERD_STORE__POSTGRES_SCHEMA", &store.postgres_schema)
            .env("TICKERD_STORE__POSTGRES_CONNECTIONS", "5")
            .env("TICKERD_STORE__DATA_DIR", &store.data_dir)
            .env("TICKERD_CACHE__REDIS_URL", cache.redis_url.reveal())
            .env("TICKERD_CACHE__REDIS_PREFIX", &cache.redis_prefix)
            .env("TICKERD_BUS__BACKEND", backend)
            .env("TICKERD_BUS__KAFKA_BROKERS", &bus.kafka_brokers)
            .env("TICKERD_BUS__FLUVIO_ENDPOINT", &bus.fluvio_endpoint)
            .env("TICKERD_BUS__TOPIC", &bus.topic)
            .env("TICKERD_BUS__DEAD_LETTER_TOPIC", &bus.dead_letter_topic)
            .env("TICKERD_PIPELINE__LEASE", "2s")
            .env("TICKERD_PROVIDERS__YAHOO__ENABLED", "false")
            .env("TICKERD_PROVIDERS__COINGECKO__ENABLED", "false")
            .env("TICKERD_PROVIDERS__KRAKEN__ENABLED", "false")
            .kill_on_drop(true);
        command
    }

    /// Starts a process and waits until it listens.
    pub(crate) async fn start(&self, roles: &str) -> Process {
        self.start_with(roles, &[]).await
    }

    /// As [`Installation::start`], with some settings changed.
    pub(crate) async fn start_with(&self, roles: &str, settings: &[(&str, &str)]) -> Process {
        let mut command = self.command(&["serve", "--port", "0", "--roles", roles]);
        command.envs(settings.iter().copied());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut card = BufReader::new(child.stdout.take().expect("piped")).lines();
        while let Some(line) = card.next_line().await.expect("its card") {
            if let Some(url) = line.split_whitespace().find(|word| word.starts_with("http://")) {
                let base = url.trim_end_matches('/').to_owned();
                return Process { child, base };
            }
        }
        panic!("it ended before it listened: {:?}", child.wait().await);
    }

    pub(crate) async fn post_price(&self, process: &Process, symbol: &str, price: u64, secs: u64) {
        let body = serde_json::json!({
            "symbol": symbol,
            "price": price,
            "source": "desk",
            "timestamp": crate::build::second(secs).to_string(),
        });
        let url = format!("{}/prices", process.base);
        let answer = self.http.post(url).json(&body).send().await.expect("an answer");
        assert_eq!(answer.status(), 201);
    }

    pub(crate) async fn get(&self, process: &Process, path: &str) -> (u16, Value) {
        let url = format!("{}{path}", process.base);
        let answer = self.http.get(url).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Asks until the answer is as wanted; the deadline is for what never comes.
    pub(crate) async fn eventually(
        &self,
        process: &Process,
        path: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut answer = Value::Null;
        let comes = comes_true(async || {
            answer = self.get(process, path).await.1;
            wanted(&answer)
        });
        assert!(comes.await, "{path} never answered what was awaited: {answer}");
        answer
    }
}

/// Waits until something is so; false when it is not by a far deadline.
pub(crate) async fn comes_true(mut is_so: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..2_400 {
        if is_so().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

impl Process {
    /// SIGKILL: nothing is given back.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("killed");
    }
}
