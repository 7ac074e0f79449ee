//! A Redis server of a test's own, which it may kill.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tickerd::adapters::redis::{OpenError, RedisLink, RedisOptions};
use tickerd::ports::SystemClock;

/// Nothing here takes long; what does not come by then never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Dies with the test.
pub(crate) struct RedisServer {
    port: u16,
    directory: tempfile::TempDir,
    arguments: Vec<&'static str>,
    child: Child,
}

impl RedisServer {
    /// A fresh server with more arguments; none where Redis is not to be had.
    pub(crate) async fn start(arguments: &[&'static str]) -> Option<Self> {
        crate::servers::offered("redis")?;
        for _ in 0..5 {
            let directory = tempfile::tempdir().expect("a directory");
            let port = TcpListener::bind("127.0.0.1:0")
                .and_then(|listener| listener.local_addr())
                .expect("a free port")
                .port();
            let child = launch(port, directory.path(), arguments);
            let mut server = Self { port, directory, arguments: arguments.to_vec(), child };
            if server.answers().await {
                return Some(server);
            }
        }
        panic!("redis-server does not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A link that gives up on a call soon.
    pub(crate) async fn link(&self, dataset: &str) -> Result<Arc<RedisLink>, OpenError> {
        let options = RedisOptions {
            call_timeout: Duration::from_millis(500),
            ..RedisOptions::new(self.url(), dataset)
        };
        RedisLink::open(options, Arc::new(SystemClock)).await.map(Arc::new)
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Starts it again after [`RedisServer::kill`], with what it had on disk.
    pub(crate) async fn restart(&mut self) {
        self.child = launch(self.port, self.directory.path(), &self.arguments);
        assert!(self.answers().await, "redis-server does not start again");
    }

    /// Sends a signal that `kill` knows by this name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success());
    }

    async fn answers(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.child.try_wait().expect("its state").is_some() {
                return false;
            }
            let client = redis::Client::open(self.url()).expect("a URL");
            match client.get_multiplexed_async_connection().await {
                Ok(mut connection) => {
                    let pong = redis::cmd("PING").query_async::<String>(&mut connection).await;
                    let refused = |error: &redis::RedisError| error.code() == Some("NOAUTH");
                    if pong.is_ok() || pong.is_err_and(|error| refused(&error)) {
                        return true;
                    }
                }
                Err(_) => tokio::task::yield_now().await,
            }
        }
        false
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(port: u16, directory: &std::path::Path, arguments: &[&str]) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"])
        .arg(directory)
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server runs")
}

/// Waits until `attempt` has something to show.
pub(crate) async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(value) = attempt().await {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("in vain: {what}");
}
