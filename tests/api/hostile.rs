//! Clients that mean no good: foreign hosts, slow senders, silent connections.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_host_or_origin_is_refused() {
    let app = TestApp::start().await;
    for (header, value, status) in [
        ("host", "evil.example", 403),
        ("host", "localhost", 200),
        ("host", "[::1]:9", 200),
        ("origin", "http://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "http://localhost:8000", 200),
    ] {
        let request = app.http.get(format!("{}/health", app.base)).header(header, value);
        assert_eq!(app.send(request).await.status, status, "{header}: {value}");
    }
    app.stop().await;
}

/// Reads until the service closes; the test fails when it does not within the deadline.
async fn closed_by_service(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    // A reset is an end as well.
    let _ = tokio::time::timeout(Duration::from_secs(10), end).await.expect("closed in time");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_half_a_body_and_silence_are_all_closed() {
    let app = TestApp::start_with(|config| {
        config.server.header_timeout = Duration::from_millis(300);
        config.server.body_timeout = Duration::from_millis(300);
    })
    .await;
    let address = app.base.trim_start_matches("http://").to_owned();
    let connect = async |sent: &str| {
        let mut stream = TcpStream::connect(&address).await.expect("connected");
        stream.write_all(sent.as_bytes()).await.expect("sent");
        stream
    };
    closed_by_service(connect("").await).await;
    closed_by_service(connect("GET /health HTTP/1.1\r\nHost: loc").await).await;
    let idle = connect("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(closed_by_service(idle).await.starts_with(b"HTTP/1.1 200"));
    let head = "POST /prices HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let stalled = connect(&format!("{head}Content-Length: 50\r\n\r\n{{")).await;
    let answer = String::from_utf8(closed_by_service(stalled).await).expect("text");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(app.get("/health").await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_cap_wait_and_are_served_later() {
    let app = TestApp::start_with(|config| {
        config.server.max_connections = 2;
        config.server.header_timeout = Duration::from_millis(300);
    })
    .await;
    let address = app.base.trim_start_matches("http://").to_owned();
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(&address).await.expect("connected"));
    }
    assert_eq!(app.get("/health").await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_too_large_is_refused() {
    let app = TestApp::start().await;
    let request =
        app.http.get(format!("{}/health", app.base)).header("x-large", "x".repeat(300_000));
    let status = request.send().await.map(|answer| answer.status().as_u16());
    assert!(matches!(status, Ok(431) | Err(_)), "{status:?}");
    assert_eq!(app.get("/health").await.status, 200);
    app.stop().await;
}

/// Sends bytes as they are, and answers what came back until the service closed.
pub(super) async fn raw(app: &TestApp, request: &str) -> String {
    let address = app.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    String::from_utf8_lossy(&closed_by_service(stream).await).into_owned()
}
