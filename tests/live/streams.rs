//! `/v1/stream` and `/v1/ws` over real connections.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::Response;
use serde_json::Value;
use tickerd::adapters::store::redb::RedbOptions;
use tickerd::services::live::LiveSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;

use super::service::{PATIENCE, Service};

async fn service(directory: &tempfile::TempDir) -> Service {
    Service::start(directory.path(), &RedbOptions::default(), LiveSettings::default()).await
}

/// One block of a stream of server-sent events, as its fields.
#[derive(Debug, Default, Clone, PartialEq)]
struct Event {
    event: String,
    id: String,
    data: String,
}

impl Event {
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).expect("JSON")
    }
}

struct Events {
    response: Response,
    text: String,
}

impl Events {
    async fn open(service: &Service, query: &str, last_event_id: Option<&str>) -> Self {
        let mut request = service.client.get(service.url(&format!("/v1/stream{query}")));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        Self { response, text: String::new() }
    }

    /// The next block as text; none at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                return Some(std::mem::replace(&mut self.text, rest));
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.expect("something in time").expect("a sound stream")?;
            self.text += std::str::from_utf8(&chunk).expect("UTF-8");
        }
    }

    /// The next block that has data.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let mut event = Event::default();
            for line in self.block().await?.lines() {
                match line.split_once(": ") {
                    Some(("event", value)) => event.event = value.into(),
                    Some(("id", value)) => event.id = value.into(),
                    Some(("data", value)) => event.data = value.into(),
                    _ => {}
                }
            }
            if !event.data.is_empty() {
                return Some(event);
            }
        }
    }
}

#[tokio::test]
async fn a_price_reaches_the_stream_with_all_its_fields() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = service(&directory).await;
    let mut events = Events::open(&service, "?symbols=aapl,EUR%2FUSD&types=price", None).await;
    assert_eq!(
        events.response.headers()["content-type"].to_str().expect("text"),
        "text/event-stream"
    );
    assert_eq!(events.response.headers()["cache-control"].to_str().expect("text"), "no-store");
    assert_eq!(events.block().await.as_deref(), Some("retry: 1000\nid: 0\n\n"));
    service.post("BTC-USD", "97000", 1).await;
    service.post("EUR/USD", "1.0841000", 2).await;
    let event = events.next().await.expect("an event");
    assert_eq!((event.event.as_str(), event.id.as_str()), ("price", "2"));
    assert!(event.data.contains(r#""price":1.0841,"#), "{}", event.data);
    let json = event.json();
    let mut names: Vec<&String> = json.as_object().expect("an object").keys().collect();
    names.sort();
    assert_eq!(
        names,
        ["currency", "kind", "price", "price_id", "provider", "received_at", "symbol", "timestamp"]
    );
    assert_eq!(json["symbol"], "EUR/USD");
    assert_eq!(json["kind"], "price.recorded");
    assert_eq!(json["timestamp"], "2024-05-01T10:00:02Z");
    service.stop();
    let end = events.next().await.expect("a last event");
    assert_eq!((end.event.as_str(), end.id.as_str()), ("end", "2"));
    assert_eq!(end.json()["reason"], "stopping");
    assert_eq!(events.next().await, None);
    service.stopped().await;
}

#[tokio::test]
async fn a_quiet_stream_says_that_it_lives_and_how_far_it_has_come() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = service(&directory).await;
    let mut events = Events::open(&service, "?symbols=MSFT", None).await;
    events.block().await.expect("the first block");
    service.post("AAPL", "1", 1).await;
    let mut heartbeats = Vec::new();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    // The stream may not have begun to wait when the clock moves, so it moves more than once.
    while heartbeats.last().map(String::as_str) != Some(": heartbeat\nid: 1\n\n") {
        assert!(tokio::time::Instant::now() < deadline, "{heartbeats:?}");
        service.clock.advance(Duration::from_secs(15));
        let block = tokio::time::timeout(Duration::from_millis(20), events.block()).await;
        heartbeats.extend(block.ok().flatten());
    }
    service.stopped().await;
}

#[tokio::test]
async fn the_stream_continues_over_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = service(&directory).await;
    let mut events = Events::open(&first, "", None).await;
    first.post("AAPL", "1", 1).await;
    let id = events.next().await.expect("an event").id;
    drop(events);
    first.post("AAPL", "2", 2).await;
    first.stopped().await;

    let second = service(&directory).await;
    second.post("AAPL", "3", 3).await;
    // The header is newer than what the URL says.
    let mut events = Events::open(&second, "?since=0", Some(&id)).await;
    second.post("AAPL", "4", 4).await;
    for price in ["2", "3", "4"] {
        let event = events.next().await.expect("an event");
        assert!(event.data.contains(&format!(r#""price":{price},"#)), "{event:?}");
    }
    second.stopped().await;
}

#[tokio::test]
async fn a_place_that_is_gone_is_answered_with_a_reset() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = service(&directory).await;
    service.post("AAPL", "1", 1).await;
    let mut events = Events::open(&service, "", Some("12345")).await;
    let event = events.next().await.expect("an event");
    assert_eq!((event.event.as_str(), event.id.as_str()), ("reset", "1"));
    service.post("AAPL", "2", 2).await;
    assert_eq!(events.next().await.expect("an event").id, "2");
    service.stopped().await;
}

#[tokio::test]
async fn a_conflated_stream_brings_the_newest_and_not_all() {
    const N: u32 = 40;
    let directory = tempfile::tempdir().expect("a directory");
    let service = service(&directory).await;
    let mut events = Events::open(&service, "?conflate=1s", None).await;
    for second in 1..=N {
        service.post("AAPL", &second.to_string(), second).await;
    }
    let mut seen = Vec::new();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while seen.last() != Some(&N.to_string()) {
        assert!(tokio::time::Instant::now() < deadline, "{seen:?}");
        service.clock.advance(Duration::from_secs(1));
        let event = tokio::time::timeout(Duration::from_millis(20), events.next()).await;
        seen.extend(event.ok().flatten().map(|event| event.id));
    }
    assert!(seen.len() < N as usize, "all were delivered one by one: {seen:?}");
    service.stopped().await;
}

/// A connection of a client that takes little at a time, so that the service soon cannot send.
async fn narrow(service: &Service) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    socket.connect(service.address).await.expect("a connection")
}

/// Far more than the buffers between both sides hold.
const MANY: i64 = 40_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_too_slowly_is_told_so_and_dismissed() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = RedbOptions { log_history: 100, ..RedbOptions::default() };
    let live = LiveSettings { buffered_batches: 1, ..LiveSettings::default() };
    let service = Service::start(directory.path(), &options, live).await;

    let mut stream = narrow(&service).await;
    let request = format!("GET /v1/stream HTTP/1.1\r\nhost: {}\r\n\r\n", service.address);
    stream.write_all(request.as_bytes()).await.expect("sent");
    let url = format!("ws://{}/v1/ws", service.address);
    let socket = narrow(&service).await;
    let (mut socket, _) = tokio_tungstenite::client_async(url, socket).await.expect("an upgrade");
    let mut begun = [0; 64];
    stream.read_exact(&mut begun).await.expect("the answer's head");
    service.store_many(MANY).await;

    let mut text = String::new();
    let mut part = vec![0; 64 * 1024];
    let mut n_read = 0;
    // The end is in the last part or the one before it.
    while !text.contains("event: end\n") {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut part)).await.expect("in time");
        let read = read.expect("a sound stream");
        assert!(read > 0, "the stream ended without a reason: {text}");
        n_read += read;
        text = text.split_off(text.len().saturating_sub(1_000));
        text += &String::from_utf8_lossy(&part[..read]);
    }
    assert!(text.contains(r#""reason":"too-slow""#), "{text}");
    assert!(n_read < MANY as usize * 100, "all of it was delivered");

    let closed = loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time");
        if let Message::Close(frame) = message.expect("a close frame").expect("a message") {
            break frame.expect("a reason");
        }
    };
    assert_eq!((u16::from(closed.code), closed.reason.as_str()), (1008, "too-slow"));
    service.stopped().await;
}

#[tokio::test]
async fn a_quiet_websocket_is_pinged() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = service(&directory).await;
    let url = format!("ws://{}/v1/ws?symbols=MSFT", service.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("an upgrade");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    // It may not have begun to wait when the clock moves, so the clock moves more than once.
    loop {
        assert!(tokio::time::Instant::now() < deadline, "no ping");
        service.clock.advance(Duration::from_secs(15));
        let message = tokio::time::timeout(Duration::from_millis(20), socket.next()).await;
        if let Ok(Some(Ok(Message::Ping(_)))) = message {
            break;
        }
    }
    service.stopped().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let live = LiveSettings { max_subscribers: 1, ..LiveSettings::default() };
    let service = Service::start(directory.path(), &RedbOptions::default(), live).await;
    for query in [
        "symbol=AAPL",
        "symbols=",
        "symbols=AAPL,",
        "symbols=A%20B",
        "symbols=AAPL&symbols=MSFT",
        "types=",
        "types=quote",
        "since=-1",
        "since=now",
        "conflate=250",
        "conflate=0ms",
        "conflate=2h",
    ] {
        for path in ["/v1/stream", "/v1/ws"] {
            let answer = service.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.status(), 422, "{path}?{query}");
            let content_type = answer.headers()["content-type"].to_str().expect("text").to_owned();
            assert_eq!(content_type, "application/problem+json", "{path}?{query}");
        }
    }
    assert_eq!(service.get("/v1/ws").await.status(), 400, "no upgrade asked for");
    let events = Events::open(&service, "?conflate=1s", None).await;
    let full = service.get("/v1/stream").await;
    assert_eq!(full.status(), 503);
    assert!(full.headers().contains_key("retry-after"));
    let problem: Value =
        serde_json::from_slice(&full.bytes().await.expect("a body")).expect("JSON");
    assert_eq!(problem["code"], "too-many-streams");
    // A client that leaves gives its place back.
    drop(events);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while service.get("/v1/stream").await.status() != 200 {
        assert!(tokio::time::Instant::now() < deadline, "the place is free again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    service.stopped().await;
}

#[tokio::test]
async fn a_websocket_brings_the_same_messages() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = service(&directory).await;
    service.post("AAPL", "1", 1).await;
    let url = format!("ws://{}/v1/ws?symbols=AAPL&since=0", service.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("an upgrade");
    let mut events = Events::open(&service, "?symbols=AAPL&since=0", None).await;
    // What a client says is passed over; a ping is answered.
    socket.send(Message::text("hello")).await.expect("sent");
    socket.send(Message::Ping("x".into())).await.expect("sent");
    service.post("AAPL", "2", 2).await;
    let mut n_texts = 0;
    let mut ponged = false;
    while n_texts < 2 || !ponged {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time");
        match message.expect("an open socket").expect("a message") {
            Message::Text(text) => {
                n_texts += 1;
                let event = events.next().await.expect("an event");
                let same = format!(
                    r#"{{"type":"{}","id":{},"data":{}}}"#,
                    event.event, event.id, event.data
                );
                assert_eq!(text.as_str(), same);
            }
            Message::Pong(_) => ponged = true,
            other => panic!("{other:?}"),
        }
    }
    service.stop();
    let end = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time");
    let end = end.expect("a message").expect("a message").into_text().expect("text");
    assert!(end.contains(r#""type":"end""#), "{end}");
    let close = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time");
    let Some(Ok(Message::Close(Some(frame)))) = close else { panic!("a close frame: {close:?}") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "stopping"));
    service.stopped().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_access_it_was_opened_with_and_withholds_nothing_for_good() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = service(&directory).await;
    let key = async |role: &str, admin: &str| -> Value {
        let request = service.client.post(service.url("/v1/keys")).bearer_auth(admin);
        let body = serde_json::json!({"role": role});
        request.json(&body).send().await.expect("an answer").json().await.expect("JSON")
    };
    let text = |key: &Value| key["key"].as_str().expect("a key").to_owned();
    let open = async |key: &str, since: &str| {
        let request = service.client.get(service.url("/v1/stream")).bearer_auth(key);
        let response = request.header("last-event-id", since).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        Events { response, text: String::new() }
    };
    let post = async |second: u32, admin: &str| {
        let body = format!(
            r#"{{"symbol":"AAPL","price":{second},"timestamp":"2024-05-01T10:00:{second:02}Z"}}"#
        );
        let request = service.client.post(service.url("/prices")).bearer_auth(admin).body(body);
        let answer = request.header("content-type", "application/json").send().await;
        assert_eq!(answer.expect("an answer").status(), 201);
    };

    service.post("AAPL", "1", 1).await;
    let mut anonymous = Events::open(&service, "", Some("0")).await;
    assert_eq!(anonymous.next().await.expect("an event").event, "price");
    // The first key closes the door, for those who are inside too.
    let admin = text(&key("admin", "").await);
    let guest = key("read", &admin).await;
    let mut guests = open(&text(&guest), "1").await;
    post(2, &admin).await;
    assert_eq!(anonymous.next().await.expect("an event").json()["reason"], "refused");
    assert_eq!(anonymous.next().await, None);
    assert_eq!(guests.next().await.expect("an event").json()["price"], 2);

    let revoke = service.url(&format!("/v1/keys/{}", guest["id"].as_str().expect("an id")));
    service.client.delete(revoke).bearer_auth(&admin).send().await.expect("an answer");
    post(3, &admin).await;
    let end = guests.next().await.expect("an event");
    assert_eq!((end.event.as_str(), &end.json()["reason"]), ("end", &"refused".into()));
    assert_eq!(guests.next().await, None);
    let mut again = open(&admin, &end.id).await;
    assert_eq!(again.next().await.expect("an event").json()["price"], 3);
    service.stopped().await;
}
