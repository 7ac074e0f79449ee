//! The `OpenAPI` document is a golden file: a change of the API shows in the diff.
//! `UPDATE_GOLDEN=1 cargo test --test api openapi` writes it anew.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tickerd::telemetry::metrics::{Metric, TABLE};

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_the_golden_one() {
    let app = TestApp::start().await;
    let document = app.get("/openapi.json").await.json();
    let text = format!("{}\n", serde_json::to_string_pretty(&document).expect("JSON"));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/openapi.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &text).expect("written");
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(text == expected, "the API changed: UPDATE_GOLDEN=1 and look at the diff");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_has_a_name_and_no_path_is_listed_twice() {
    let app = TestApp::start().await;
    let document = app.get("/openapi.json").await;
    let mut names = Vec::new();
    for (path, operations) in document.json()["paths"].as_object().expect("paths") {
        assert_eq!(document.text.matches(&format!("\"{path}\":")).count(), 1, "{path}");
        for (method, operation) in operations.as_object().expect("operations") {
            let name = operation["operationId"].as_str();
            names.push(name.unwrap_or_else(|| panic!("{method} {path} has no name")).to_owned());
        }
    }
    let n_names = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), n_names);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_docs_and_readiness_answer() {
    let app = TestApp::start().await;
    app.post("/prices", r#"{"symbol":"A","price":1}"#).await;
    let is_shown = |text: &str, metric: &Metric| {
        text.contains(metric.name) || metric.name.contains("http") || !metric.labels.is_empty()
    };
    // What the averager measures is there when it has worked.
    let mut missing = Vec::new();
    for _ in 0..6_000 {
        let text = app.get("/metrics").await.text;
        missing = TABLE.iter().filter(|metric| !is_shown(&text, metric)).map(|m| m.name).collect();
        if missing.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(missing, Vec::<&str>::new());
    assert!(app.get("/docs").await.text.contains("<html"));
    let ready: Value = app.get("/ready").await.json();
    assert_eq!(
        (&ready["status"], &ready["checks"]["store"]["status"]),
        (&"ready".into(), &"ok".into())
    );
    app.stop().await;
}
