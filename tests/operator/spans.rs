//! Spans reach a collector when the build can send them; a build that cannot says so.

#[cfg(feature = "otlp")]
use std::io::{Read, Write};
#[cfg(feature = "otlp")]
use std::net::{TcpListener, TcpStream};
#[cfg(feature = "otlp")]
use std::sync::mpsc;

#[cfg(feature = "otlp")]
use crate::service::Service;

/// One request to the collector: the line with the path, and the body.
#[cfg(feature = "otlp")]
fn receive(mut stream: TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let n_read = stream.read(&mut chunk).ok()?;
        bytes.extend_from_slice(&chunk[..n_read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            if n_read == 0 {
                return None;
            }
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        if bytes.len() >= end + 4 + length {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).ok()?;
            let line = head.lines().next().unwrap_or_default().to_owned();
            return Some((line, bytes.split_off(end + 4)));
        }
        if n_read == 0 {
            return None;
        }
    }
}

#[cfg(feature = "otlp")]
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_the_spans_of_a_request_and_of_its_average() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for received in listener.incoming().flatten().filter_map(receive) {
            if tell.send(received).is_err() {
                return;
            }
        }
    });
    let mut service = Service::start(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client
        .post(format!("{}/prices", service.base))
        .header("content-type", "application/json")
        .header("x-request-id", "trace-of-a-span")
        .body(r#"{"symbol":"AAPL","price":1,"source":"desk"}"#);
    assert_eq!(request.send().await.expect("an answer").status(), 201);
    loop {
        let answer = client.get(format!("{}/metrics", service.base)).send().await;
        let metrics = answer.expect("an answer").text().await.expect("a body");
        if metrics.contains("tickerd_average_delay_seconds_count 1") {
            break;
        }
    }
    assert!(service.terminate().success());
    // What was not sent before is sent at the end.
    let received: Vec<(String, Vec<u8>)> = told.try_iter().collect();
    assert!(received.iter().all(|(line, _)| line.starts_with("post /v1/traces")), "{received:?}");
    let bodies: Vec<u8> = received.into_iter().flat_map(|(_, body)| body).collect();
    let text = String::from_utf8_lossy(&bodies);
    for wanted in ["tickerd", "store_price", "trace-of-a-span", "averaged"] {
        assert!(text.contains(wanted), "no {wanted} in {text:?}");
    }
    // The log is as quiet as it was told to be.
    assert!(!service.log().iter().any(|line| line.contains("DEBUG")), "{:?}", service.log());
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_that_cannot_send_spans_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = crate::service::tickerd(&directory);
    command.args(["serve", "--port", "0"]);
    let output = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").output();
    let output = output.expect("run");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("log.otlp_endpoint") && errors.contains("`otlp`"), "{errors}");
}
