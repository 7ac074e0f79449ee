//! Many prices in one request.

use std::fmt::Write as _;

use reqwest::Method;

use crate::app::TestApp;
use crate::proxy::Proxy;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_cut_off_can_be_sent_again_as_a_whole() {
    const N_ROWS: u64 = 20_000;
    let app = TestApp::start().await;
    let server = app.base.trim_start_matches("http://").parse().expect("an address");
    let proxy = Proxy::to(server).await;
    let mut csv = String::from("symbol,price,timestamp,external_id\n");
    for row in 0..N_ROWS {
        writeln!(csv, "A,{}.5,2024-05-01T10:00:00Z,{row}", row + 1).expect("written");
    }
    let send = async || {
        let request = app.http.post(format!("http://{}/prices/batch", proxy.address));
        request.header("content-type", "text/csv").body(csv.clone()).send().await
    };
    for cut_after in [1_000, 300_000, 700_000] {
        proxy.cut_after(cut_after);
        let cut = send().await;
        assert!(cut.is_err(), "cut after {cut_after} bytes: {cut:?}");
    }
    // The client sees the cut before the service has stored what came through.
    app.eventually("/v1/system", |system| system["prices"].as_u64() > Some(0)).await;
    proxy.heal();
    let stored_and_duplicates = async || {
        let text = send().await.expect("an answer").text().await.expect("text");
        let report: serde_json::Value = serde_json::from_str(&text).expect("a report");
        ["stored", "duplicates"].map(|name| report[name].as_u64().expect("a count"))
    };
    let [stored, duplicates] = stored_and_duplicates().await;
    assert_eq!(stored + duplicates, N_ROWS);
    assert!(duplicates > 0, "the cut requests stored nothing");
    // So many are not counted one by one by every store, but they are told from new ones.
    assert_eq!(stored_and_duplicates().await, [0, N_ROWS]);
    app.stop().await;
}
