//! The least that an HTTP server can do: one body, the same for everybody, from hyper alone.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// This bench, started with it, is the bare server.
pub(crate) const ARGUMENT: &str = "--bare";

/// The server, in a process of its own like the service.
pub(crate) struct Bare {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Bare {
    pub(crate) async fn start(body: &str) -> Self {
        let address = super::service::free_address();
        let child = Command::new(std::env::current_exe().expect("a path"))
            .args([ARGUMENT, body])
            .env("BARE_ADDRESS", address.to_string())
            .stdin(Stdio::null())
            .spawn()
            .expect("started");
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Self { address, child }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until it is killed.
pub(crate) async fn serve(body: String) {
    let address = std::env::var("BARE_ADDRESS").expect("an address");
    let listener = TcpListener::bind(address).await.expect("bound");
    let body = Bytes::from(body);
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("accepted");
        stream.set_nodelay(true).expect("set");
        let body = body.clone();
        connections.spawn(async move {
            let service = service_fn(|_| {
                let mut response = hyper::Response::new(Full::new(body.clone()));
                let json = HeaderValue::from_static("application/json; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, json);
                async { Ok::<_, Infallible>(response) }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
