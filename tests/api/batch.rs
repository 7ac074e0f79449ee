//! Many prices in one request.

use reqwest::Method;

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_as_json_ndjson_or_csv_and_a_bad_one_stops_no_other() {
    let app = TestApp::start().await;
    let csv = "symbol,price,timestamp\nA,1,2024-05-01T10:00:00Z\nA,-1,2024-05-01T10:00:01Z\nA B,1,\nA,2,2024-05-01T10:00:02Z\n";
    let ndjson = "{\"symbol\":\"A\",\"price\":1,\"timestamp\":\"2024-05-01T10:00:00Z\"}\n{\"symbol\":\"A\"\n{\"symbol\":\"B\",\"price\":0.30}\n";
    let array = r#"[{"symbol":"A","price":9,"timestamp":"2024-05-01T10:00:00Z"},{"symbol":"C","price":1,"cost":2}]"#;
    for (content_type, body, stored, duplicates, rejected) in [
        ("text/csv", csv, 2, 0, 2),
        ("application/x-ndjson; charset=utf-8", ndjson, 1, 1, 1),
        ("application/json", array, 0, 0, 2),
    ] {
        let answer = app.body(Method::POST, "/prices/batch", content_type, body).await;
        assert_eq!(answer.status, 200, "{content_type}: {}", answer.text);
        let report = answer.json();
        let counts = ["stored", "duplicates", "rejected"].map(|name| report[name].as_u64());
        assert_eq!(counts, [stored, duplicates, rejected].map(Some), "{content_type}: {report}");
        assert_eq!(report["errors"].as_array().map(|errors| errors.len() as u64), Some(rejected));
    }
    for (content_type, body, status) in [
        ("text/csv", "", 400),
        ("text/csv", "symbol,cost\nA,1\n", 400),
        ("application/json", "{}", 400),
        ("application/json", "[{}", 400),
        ("text/plain", "x", 415),
    ] {
        let answer = app.body(Method::POST, "/prices/batch", content_type, body).await;
        assert_eq!(answer.status, status, "{content_type} {body:?}: {}", answer.text);
    }
    app.stop().await;
}
