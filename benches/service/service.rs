//! The release binary in a process of its own, with every door on.

use std::fmt::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::N_SYMBOLS;
use super::client::Connection;

const KEY: &str = "the-key-of-the-bench";
const PROVIDERS: [&str; 6] =
    ["YAHOO", "FINNHUB", "COINGECKO", "COINMARKETCAP", "ALPHAVANTAGE", "KRAKEN"];

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    child: Child,
    directory: TempDir,
}

impl Service {
    /// Starts it with a new directory, and waits until it is ready.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let address = free_address();
        let child = spawn(directory.path(), address);
        let service = Self { address, child, directory };
        service.wait().await;
        service
    }

    /// Starts it again on its directory, and waits until it is ready.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(self.directory.path(), self.address);
        self.wait().await;
    }

    async fn wait(&self) {
        let ask = get("/ready");
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut answer = String::new();
        while !answer.starts_with("HTTP/1.1 200") {
            assert!(Instant::now() < deadline, "the service is not ready: {answer}");
            tokio::time::sleep(Duration::from_millis(1)).await;
            let Ok(mut stream) = TcpStream::connect(self.address).await else { continue };
            stream.write_all(&ask).await.expect("sent");
            answer.clear();
            let mut head = [0; 64];
            let n_read = stream.read(&mut head).await.unwrap_or(0);
            answer.push_str(&String::from_utf8_lossy(&head[..n_read]));
        }
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        self.child.wait().expect("ended");
    }

    pub(crate) async fn post(&self, path: &str, content_type: &str, body: &[u8]) {
        let mut connection = Connection::open(self.address).await;
        connection.call(&post(path, content_type, body)).await;
    }

    pub(crate) fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("Linux tells the memory of a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.expect("it is a number of kB") / 1024.0
    }

    /// Makes the file of a service that is stopped as small as it can be, and gives what is told
    /// of it.
    pub(crate) fn compact(&self) -> serde_json::Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickerd"));
        command.args(["compact", "--json", "--data-dir"]).arg(self.data_dir());
        let told = command.current_dir(self.directory.path()).output().expect("run");
        serde_json::from_slice(&told.stdout).expect("it tells in JSON")
    }

    fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

impl Drop for Service {
    /// Ends it when the bench fails.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(directory: &Path, address: SocketAddr) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickerd"));
    for provider in PROVIDERS {
        command.env(format!("TICKERD_PROVIDERS__{provider}__ENABLED"), "false");
    }
    command
        .args(["serve", "--port", &address.port().to_string()])
        .current_dir(directory)
        .env("TICKERD_STORE__DATA_DIR", directory.join("data"))
        .env("API_KEY", KEY)
        // Counted for every request, reached by none.
        .env("TICKERD_LIMITS__REQUESTS", "100000000")
        .env("TICKERD_LIMITS__WINDOW", "60s")
        .env("TICKERD_QUOTES__MAX_AGE", "1h")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("started")
}

/// An address of this machine that nobody listens on now.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port")
}

pub(crate) fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {KEY}\r\n\r\n").into_bytes()
}

fn post(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {KEY}\r\n\
         content-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

pub(crate) fn post_price(body: &str) -> Vec<u8> {
    post("/prices", "application/json", body.as_bytes())
}

/// The request that stores a new price, another each time it is asked for.
pub(crate) fn write(_: u64) -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut body = String::with_capacity(96);
    let _ = write!(
        body,
        r#"{{"symbol":"S{}","price":{}.25,"external_id":"{number}"}}"#,
        number % N_SYMBOLS,
        60_000 + number % 40,
    );
    post_price(&body)
}
