//! A provider's stand-in: a local HTTP server that answers what a test told it to, well or badly.
//!
//! Written straight on the socket, so that it can break off in the middle of a body or never
//! answer, which a correct HTTP library will not do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Canned {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Canned {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let content_type = content_type.to_owned();
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// How a path behaves.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    Answer(Canned),
    /// Answers after a pause.
    Slow(Duration, Canned),
    /// Promises the whole body, sends half of it and closes.
    BreaksOff(Canned),
    /// Takes the request and never answers.
    Hangs,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Path and query, percent-encoded.
    pub(crate) target: String,
    /// The header lines, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct State {
    /// The longest matching prefix of the target decides.
    behaviours: Vec<(String, Behaviour)>,
    requests: Vec<Request>,
}

/// The running server; it stops when dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _server: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(Mutex::new(State::default()));
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, _server: server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets how targets that start with `prefix` behave.
    pub(crate) fn on(&self, prefix: &str, behaviour: Behaviour) {
        let mut state = self.state.lock().expect("no test panicked here");
        state.behaviours.retain(|(known, _)| known != prefix);
        state.behaviours.push((prefix.to_owned(), behaviour));
    }

    /// Everything asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.lock().expect("no test panicked here").requests.clone()
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&state)));
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    let behaviour = {
        let mut state = state.lock().expect("no test panicked here");
        let matching = state.behaviours.iter().filter(|(p, _)| request.target.starts_with(p));
        let behaviour = matching.max_by_key(|(prefix, _)| prefix.len()).map(|(_, b)| b.clone());
        state.requests.push(request);
        behaviour
    };
    let (canned, sent_part) = match behaviour {
        Some(Behaviour::Answer(canned)) => (canned, 1),
        Some(Behaviour::Slow(pause, canned)) => {
            tokio::time::sleep(pause).await;
            (canned, 1)
        }
        Some(Behaviour::BreaksOff(canned)) => (canned, 2),
        Some(Behaviour::Hangs) => return std::future::pending().await,
        None => (Canned::new(404, "text/plain", "no such path"), 1),
    };
    let mut head = format!(
        "HTTP/1.1 {} Canned\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n",
        canned.status,
        canned.content_type,
        canned.body.len()
    );
    for (name, value) in &canned.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let body = &canned.body[..canned.body.len() / sent_part];
    // The client may hang up first; that is its right.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body).await;
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers =
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some(Request { target, headers })
}
