//! Every failure is a problem with the same body.

use reqwest::Method;

use crate::app::{Answer, TestApp};

fn assert_problem(answer: &Answer, status: u16, code: &str, label: &str) {
    assert_eq!(answer.status, status, "{label}: {}", answer.text);
    assert_eq!(answer.header("content-type"), "application/problem+json", "{label}");
    let problem = answer.json();
    assert_eq!(problem["status"], status, "{label}");
    assert_eq!(problem["code"], code, "{label}: {problem}");
    assert_eq!(problem["request_id"], answer.header("x-request-id"), "{label}");
    for field in ["type", "title", "detail"] {
        assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{label}: {field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_told_in_one_form() {
    let app = TestApp::start().await;
    for (path, status, code, pointer) in [
        ("/nowhere", 404, "not-found", None),
        ("/prices/999", 404, "unknown-price", None),
        ("/prices/9007199254740993", 404, "unknown-price", None),
        ("/prices/latest?symbol=NONE", 404, "unknown-symbol", None),
        ("/prices/latest", 422, "validation-failed", Some("?symbol")),
        ("/prices/latest?symbol=A%20B", 422, "validation-failed", Some("?symbol")),
        ("/prices/latest?symbol=A&windw=5", 422, "validation-failed", Some("?windw")),
        ("/prices/latest?symbol=A&symbol=B", 422, "validation-failed", Some("?symbol")),
        ("/prices?limit=0", 422, "validation-failed", Some("?limit")),
        ("/prices?limit=1001", 422, "validation-failed", Some("?limit")),
        ("/prices?limit=1000000000000000000000", 422, "validation-failed", Some("?limit")),
        ("/prices?cursor=abc", 400, "cursor-invalid", None),
        ("/prices?from=yesterday", 422, "validation-failed", Some("?from")),
        ("/prices?order=up", 422, "validation-failed", Some("?order")),
        ("/prices/AAPL/moving-average?window=0", 422, "validation-failed", Some("?window")),
        ("/prices/AAPL/moving-average?window=1001", 422, "validation-failed", Some("?window")),
        ("/health?x=1", 422, "validation-failed", Some("?x")),
    ] {
        let answer = app.get(path).await;
        assert_problem(&answer, status, code, path);
        if let Some(pointer) = pointer {
            assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{path}");
        }
    }
    for (method, path, status) in [
        (Method::PATCH, "/prices", 405),
        (Method::POST, "/health", 405),
        (Method::PUT, "/prices/x", 422),
    ] {
        let answer = app.body(method, path, "application/json", r#"{"price":1}"#).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_is_refused_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let digits = "1".repeat(40);
    let forty = format!(r#"{{"symbol":"A","price":{digits}}}"#);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(10));
    let large = format!(r#"{{"symbol":"A","price":1,"raw_data":"{}"}}"#, "x".repeat(200_000));
    for (label, body, status, pointer) in [
        ("blank", r#"{"symbol":"A B","price":1}"#, 422, "#/symbol"),
        ("negative", r#"{"symbol":"A","price":-1}"#, 422, "#/price"),
        ("zero", r#"{"symbol":"A","price":0.0}"#, 422, "#/price"),
        ("text", r#"{"symbol":"A","price":"1"}"#, 422, "#/price"),
        ("forty digits", &forty, 422, "#/price"),
        (
            "far future",
            r#"{"symbol":"A","price":1,"timestamp":"2999-01-01T00:00:00Z"}"#,
            422,
            "#/timestamp",
        ),
        ("no time", r#"{"symbol":"A","price":1,"timestamp":"soon"}"#, 422, "#/timestamp"),
        ("unknown field", r#"{"symbol":"A","price":1,"cost":2}"#, 422, "#/cost"),
        ("missing price", r#"{"symbol":"A"}"#, 422, "#"),
        ("not an object", "[]", 422, "#"),
        ("NaN", r#"{"symbol":"A","price":NaN}"#, 400, ""),
        ("cut off", r#"{"symbol":"A""#, 400, ""),
        ("empty", "", 400, ""),
        ("two values", r#"{"symbol":"A","price":1} {}"#, 400, ""),
        ("deep", &deep, 422, ""),
        ("large", &large, 413, ""),
    ] {
        let answer = app.post("/prices", body).await;
        assert_eq!(answer.status, status, "{label}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{label}");
        if !pointer.is_empty() {
            assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{label}: {}", answer.text);
        }
    }
    let form = app.body(Method::POST, "/prices", "text/plain", r#"{"symbol":"A","price":1}"#).await;
    assert_problem(&form, 415, "unsupported-media-type", "content type");
    assert_eq!(app.get("/prices").await.text, "[]");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_request_id_comes_back_unless_it_is_unfit_for_a_log() {
    let app = TestApp::start().await;
    for (given, kept) in [("abc-1.2:3", true), ("a b", false), (&"x".repeat(65), false)] {
        let request = app.http.get(format!("{}/health", app.base)).header("x-request-id", given);
        let answer = app.send(request).await;
        assert_eq!(answer.header("x-request-id") == given, kept, "{given}");
        assert_eq!(answer.text, r#"{"status":"healthy"}"#);
    }
    app.stop().await;
}
