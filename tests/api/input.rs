//! Requests that are too large, too deep, too many or packed: refused with a 4xx, whoever sends
//! them, and the service goes on.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use tickerd::adapters::provider::Secret;

use crate::app::TestApp;
use crate::hostile::raw;

const JSON: &str = "application/json";

fn head(path: &str, rest: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\n{rest}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_however_its_length_is_told() {
    let app = TestApp::start().await;
    let large = "x".repeat((1 << 20) + 1);
    let declared = app.post("/prices", &format!(r#"{{"symbol":"{large}"}}"#)).await;
    assert_eq!((declared.status, declared.json()["code"].as_str()), (413, Some("body-too-large")));
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(4));
    for (label, rest, statuses) in [
        ("chunks without a length", chunked.as_str(), &["413"][..]),
        ("a length beyond all", "Content-Length: 18446744073709551615\r\n\r\n{", &["413", "431"]),
        ("a length that is none", "Content-Length: 1e3\r\n\r\n{", &["400"]),
        ("two lengths", "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", &["400"]),
        (
            "a length and chunks",
            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            &["400"],
        ),
    ] {
        let answer = raw(&app, &head("/prices", rest)).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(statuses.contains(&status), "{label}: {answer}");
    }
    let batch = TestApp::start_with(|config| config.server.max_batch_bytes = 1_000).await;
    let rows = r#"{"symbol":"A","price":1}"#.repeat(100);
    let answer = batch.body(Method::POST, "/prices/batch", "application/x-ndjson", &rows).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("body-too-large")));
    assert_eq!(app.get("/health").await.status, 200);
    batch.stop().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_goes_too_deep_is_refused() {
    let app = TestApp::start().await;
    for depth in [200, 50_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let price = format!(r#"{{"symbol":"A","price":1,"raw_data":{deep}}}"#);
        for (path, body) in [("/prices", deep.clone()), ("/prices", price.clone())] {
            let answer = app.post(path, &body).await;
            assert!([400, 413, 422].contains(&answer.status), "{path}: {:.300}", answer.text);
        }
        for (content_type, body) in
            [(JSON, format!("[{price}]")), (JSON, deep), ("application/x-ndjson", price)]
        {
            let answer = app.body(Method::POST, "/prices/batch", content_type, &body).await;
            let stored = answer.status == 200 && answer.json()["stored"] != 0;
            assert!(!stored && answer.status < 500, "{content_type}: {:.300}", answer.text);
        }
    }
    assert_eq!(app.get("/prices").await.text, "[]");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_is_not_taken_for_an_object() {
    let app = TestApp::start().await;
    app.post("/prices/poll", r#"{"symbols":["A"]}"#).await;
    for (method, path, body) in [
        (Method::POST, "/prices", r#"["A", 1.5]"#),
        (Method::POST, "/prices/poll", r#" [["A"], 60]"#),
        (Method::PATCH, "/prices/poll/poll_1", "[null, null]"),
        (Method::POST, "/v1/keys", r#"["admin"]"#),
    ] {
        let answer = app.body(method, path, JSON, body).await;
        assert_eq!(answer.status, 422, "{path}: {}", answer.text);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_bodies_are_not_unpacked() {
    let app = TestApp::start().await;
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        packer.write_all(&[b' '; 1 << 20]).expect("packed");
    }
    let bomb = packer.finish().expect("packed");
    for path in ["/prices", "/prices/batch"] {
        for encoding in ["gzip", "GZIP", "br", "deflate, gzip"] {
            let request = app.http.post(format!("{}{path}", app.base));
            let request = request.header("content-type", JSON).header("content-encoding", encoding);
            let answer = app.send(request.body(bomb.clone())).await;
            assert_eq!(answer.status, 415, "{path} {encoding}: {}", answer.text);
            assert_eq!(answer.json()["code"], "unsupported-encoding");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_headers_and_numbers_have_their_limits() {
    let app = TestApp::start().await;
    let long = "A".repeat(9_000);
    let many = "A,".repeat(2_000) + "A";
    for (path, status) in [
        (format!("/prices?symbol={long}"), 414),
        (format!("/prices/{long}/moving-average"), 414),
        (format!("/{}", "a/".repeat(5_000)), 414),
        (format!("/v1/quotes?symbols={many}"), 422),
        (format!("/v1/stream?symbols={many}"), 422),
        ("/prices?limit=1000000000".to_owned(), 422),
        ("/prices?limit=-1".to_owned(), 422),
        ("/prices?limit=99999999999999999999999999".to_owned(), 422),
        ("/prices?skip=1000001".to_owned(), 422),
        ("/prices/AAPL/moving-average?window=18446744073709551616".to_owned(), 422),
        ("/prices?from=999999999999999-01-01T00:00:00Z".to_owned(), 422),
        ("/v1/bars/A?interval=1s&from=0001-01-01T00:00:00Z&to=9999-12-31T00:00:00Z".to_owned(), 0),
        ("/prices/%FF%FE/moving-average".to_owned(), 0),
        ("/prices?symbol=%00".to_owned(), 422),
        ("/prices?symbol=%FF".to_owned(), 0),
    ] {
        let answer = app.get(&path).await;
        let expected = if status == 0 { answer.status < 500 } else { answer.status == status };
        assert!(expected, "{path:.60}: {} {:.200}", answer.status, answer.text);
    }
    let headers: String = (0..150).map(|number| format!("X-{number}: 1\r\n")).collect();
    let request = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let answer = raw(&app, &request).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let rows = format!("{}\n", "x".repeat(5 << 20));
    for content_type in ["application/x-ndjson", "text/csv", JSON] {
        let answer = app.body(Method::POST, "/prices/batch", content_type, &rows).await;
        let stored = answer.status == 200 && answer.json()["stored"] != 0;
        assert!(!stored && answer.status < 500, "{content_type}: {:.200}", answer.text);
    }
    assert_eq!(app.get("/health").await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_json_client_sends_is_no_write() {
    // A page can make a browser send these without asking first.
    let app =
        TestApp::start_with(|config| config.access.api_key = Secret::new("a-key-of-16-chars"))
            .await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let request =
            app.http.post(format!("{}/prices", app.base)).bearer_auth("a-key-of-16-chars");
        let request = request.header("content-type", content_type);
        let answer = app.send(request.body(r#"{"symbol":"A","price":1}"#)).await;
        assert_eq!(answer.status, 415, "{content_type}: {}", answer.text);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_in_a_query_is_a_fault() {
    let app = TestApp::start().await;
    let document = app.get("/openapi.json").await.json();
    let mut n_texts = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
                let name = parameter["name"].as_str().expect("a name");
                let path = path.replace(['{', '}'], "");
                let url = format!("{}{path}?{name}=%00", app.base);
                let method = method.to_uppercase().parse::<Method>().expect("a method");
                let answer = app.send(app.http.request(method.clone(), url)).await;
                assert!(answer.status < 500, "{method} {path}?{name}: {}", answer.text);
                n_texts += 1;
            }
        }
    }
    assert!(n_texts > 20, "{n_texts}");
    // Refused before the letter is looked for: its reason would go into the trail.
    let url = format!("{}/v1/dead-letters/1?reason=a%00b", app.base);
    let answer = app.send(app.http.delete(url)).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (422, Some("validation-failed")));
    app.stop().await;
}
