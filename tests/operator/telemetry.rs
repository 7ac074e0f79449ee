//! A request can be followed through the log to its averages, and what is promised is measured.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::service::Service;

async fn send(
    service: &Service,
    method: reqwest::Method,
    path: &str,
    body: String,
    request_id: &str,
) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client
        .request(method, format!("{}{path}", service.base))
        .header("content-type", "application/json")
        .header("x-request-id", request_id)
        .body(body);
    let answer = request.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON")
}

async fn post_price(service: &Service, price: &str, request_id: &str) -> Value {
    let body = format!(r#"{{"symbol":"AAPL","price":{price},"source":"desk"}}"#);
    send(service, reqwest::Method::POST, "/prices", body, request_id).await
}

async fn get(service: &Service, path: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(format!("{}{path}", service.base)).send().await.expect("an answer");
    answer.text().await.expect("a body")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_leads_to_the_averages_of_its_price() {
    follow(&[]).await;
}

/// The client of PostgreSQL asks after each statement whether to tell of it, which once cost the
/// next line its place in the log.
#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_leads_to_the_averages_of_its_price_in_postgres() {
    let Some(options) = crate::postgres::fresh_options() else { return };
    follow(&[
        ("TICKERD_STORE__BACKEND", "postgres"),
        ("TICKERD_STORE__POSTGRES_URL", options.url.as_str()),
        ("TICKERD_STORE__POSTGRES_SCHEMA", options.schema.as_str()),
    ])
    .await;
    crate::postgres::drop_schema(&options).await;
}

/// Follows a price, its correction and its deletion from the request to the averager.
async fn follow(environment: &[(&str, &str)]) {
    // The libraries stay quiet, as with everybody who looks for one request.
    let level = [("TICKERD_LOG__LEVEL", "info,tickerd=debug")];
    let mut service = Service::start(&["--log-format", "json"], &[environment, &level].concat());
    let price = post_price(&service, "189.84", "trace-1").await;
    let path = format!("/prices/{}", price["id"]);
    let corrected = r#"{"price":189.85}"#.to_owned();
    send(&service, reqwest::Method::PUT, &path, corrected, "trace-2").await;
    send(&service, reqwest::Method::DELETE, &path, String::new(), "trace-3").await;
    for (request_id, change) in
        [("trace-1", "recorded"), ("trace-2", "corrected"), ("trace-3", "deleted")]
    {
        let stored = service.logged(|line| {
            line["message"] == "stored" && line["span"]["request_id"] == *request_id
        });
        assert_eq!((&stored["price_id"], &stored["change"]), (&price["id"], &change.into()));
        let averaged = service.logged(|line| {
            line["message"] == "averaged"
                && (&line["price_id"], &line["version"])
                    == (&stored["price_id"], &stored["version"])
        });
        assert!(averaged["message_id"].is_string(), "{averaged}");
    }
    let answered = service
        .logged(|line| line["message"] == "answered" && line["span"]["request_id"] == "trace-1");
    assert_eq!((&answered["operation"], &answered["status"]), (&"store_price".into(), &201.into()));
    assert!(answered["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{answered}");
    assert!(service.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_a_file_has_times_and_no_colours() {
    let mut service = Service::start(&[], &[("TICKERD_LOG__LEVEL", "debug")]);
    post_price(&service, "1", "trace-2").await;
    assert!(service.terminate().success());
    let log = service.log();
    assert!(log.len() > 1, "{log:?}");
    for line in log {
        assert!(!line.contains('\u{1b}'), "{line:?}");
        assert!(line.starts_with("20") && line.contains("Z "), "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_calls_quotes_and_delays_are_measured() {
    let service = Service::start(&[], &[]);
    for price in ["1", "2"] {
        post_price(&service, price, "trace-3").await;
    }
    get(&service, "/prices/latest?symbol=AAPL").await;
    get(&service, "/prices/latest?symbol=NOBODY").await;
    // The averager works beside the requests.
    let mut metrics = get(&service, "/metrics").await;
    let deadline = Instant::now() + Duration::from_secs(120);
    while !metrics.contains("tickerd_average_delay_seconds_count 2") {
        assert!(Instant::now() < deadline, "the averages never came:\n{metrics}");
        metrics = get(&service, "/metrics").await;
    }
    for wanted in [
        r#"tickerd_part_state{part="store"} 1"#,
        r#"tickerd_part_state{part="outbox"} 1"#,
        r#"tickerd_quotes_total{outcome="fresh"} 1"#,
        r#"tickerd_quotes_total{outcome="none"} 1"#,
        r#"tickerd_store_call_duration_seconds_count{call="append"} 2"#,
        r#"tickerd_jobs{status="failing"} 0"#,
        "tickerd_store_symbols 1",
        "tickerd_bus_lag 0",
        r#"mode="edge""#,
    ] {
        assert!(metrics.contains(wanted), "{wanted} is not in\n{metrics}");
    }
}
