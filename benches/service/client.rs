//! A client that costs little: requests as bytes, answers read as far as their length says.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What some callers saw.
pub(crate) struct Load {
    pub(crate) rate: f64,
    pub(crate) p99_ms: f64,
}

impl Load {
    /// `times` are those of all calls, of callers that called for `took`.
    pub(crate) fn of(mut times: Vec<Duration>, took: Duration) -> Self {
        times.sort_unstable();
        let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
        Self { rate: times.len() as f64 / took.as_secs_f64(), p99_ms: p99.as_secs_f64() * 1e3 }
    }
}

/// Has so many connections send one request after the other for a while.
pub(crate) async fn drive(
    address: SocketAddr,
    n_connections: usize,
    duration: Duration,
    request: impl Fn(u64) -> Vec<u8> + Clone + Send + 'static,
) -> Load {
    let mut connections = Vec::new();
    for _ in 0..n_connections {
        connections.push(Connection::open(address).await);
    }
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for (number, mut connection) in connections.into_iter().enumerate() {
        let request = request.clone();
        callers.spawn(async move {
            let mut times = Vec::new();
            let mut next = number as u64;
            while started.elapsed() < duration {
                let request = request(next);
                let sent = Instant::now();
                connection.call(&request).await;
                times.push(sent.elapsed());
                next += n_connections as u64;
            }
            times
        });
    }
    let times = callers.join_all().await.into_iter().flatten().collect();
    Load::of(times, started.elapsed())
}

/// The body of the answer to one request.
pub(crate) async fn body(address: SocketAddr, request: &[u8]) -> String {
    let mut connection = Connection::open(address).await;
    let body = connection.call(request).await;
    String::from_utf8_lossy(body).into_owned()
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        stream.set_nodelay(true).expect("set");
        Self { stream, received: Vec::with_capacity(64 * 1024) }
    }

    /// Sends a request and gives the body of its answer, which is one that succeeded.
    pub(crate) async fn call(&mut self, request: &[u8]) -> &[u8] {
        self.stream.write_all(request).await.expect("sent");
        self.received.clear();
        let (head, length) = loop {
            if let Some(found) = head_of(&self.received) {
                break found;
            }
            self.read().await;
        };
        while self.received.len() < head + length {
            self.read().await;
        }
        let answer = &self.received[..];
        let succeeded = answer.starts_with(b"HTTP/1.1 2");
        assert!(succeeded, "{}", String::from_utf8_lossy(answer));
        &answer[head..]
    }

    async fn read(&mut self) {
        let n_read = self.stream.read_buf(&mut self.received).await.expect("read");
        assert!(n_read > 0, "the connection was closed");
    }
}

/// The length of the head, once all of it is there, and of the body that it announces.
fn head_of(received: &[u8]) -> Option<(usize, usize)> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&received[..end]).expect("a head is text");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().expect("a length"))
    });
    Some((end + 4, length.unwrap_or(0)))
}
