//! Cursors: every list goes on where its last page ended, and takes no cursor that it did not give.

use tickerd::adapters::provider::Secret;

use crate::app::{Answer, TestApp};

const KEY: &str = "an-old-clients-key";

async fn get(app: &TestApp, path: &str) -> Answer {
    app.send(app.http.get(format!("{}{path}", app.base)).bearer_auth(KEY)).await
}

fn next(answer: &Answer) -> Option<String> {
    let (path, rest) = answer.header("link").strip_prefix('<')?.split_once('>')?;
    assert_eq!(rest, "; rel=\"next\"");
    Some(path.to_owned())
}

async fn start(directory: &tempfile::TempDir) -> TestApp {
    let data = directory.path().join("data");
    TestApp::start_with(|config| {
        config.store.data_dir = data;
        config.access.api_key = Secret::new(KEY);
        config.limits.requests = 100_000.try_into().expect("a count");
        config.limits.routes.clear();
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_paged_and_a_tampered_cursor_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let app = start(&directory).await;
    let post = async |path: &str, body: &str| {
        let request = app.http.post(format!("{}{path}", app.base)).bearer_auth(KEY);
        let request = request.header("content-type", "application/json").body(body.to_owned());
        let answer = app.send(request).await;
        assert!([201, 202].contains(&answer.status), "{}", answer.text);
    };
    for number in 0..5 {
        let time = format!("2024-06-01T00:00:0{number}Z");
        post("/prices", &format!(r#"{{"symbol":"A","price":1,"timestamp":"{time}"}}"#)).await;
        post("/v1/keys", r#"{"role":"read"}"#).await;
    }
    let mut cursors = Vec::new();
    for path in ["/prices", "/v1/audit"] {
        let mut seen = Vec::new();
        let mut page = get(&app, &format!("{path}?limit=2")).await;
        loop {
            seen.extend(page.json().as_array().expect("a list").iter().cloned());
            let Some(next) = next(&page) else { break };
            cursors.push(next.clone());
            page = get(&app, &next).await;
            assert_eq!(page.status, 200, "{next}");
        }
        let whole = get(&app, path).await.json();
        assert_eq!(seen, *whole.as_array().expect("a list"), "{path}");
    }
    let of_prices = cursors.first().expect("a next page");
    let cursor = of_prices.split("cursor=").nth(1).expect("a cursor").to_owned();
    let (head, tail) = cursor.split_at(10);
    let other = if tail.starts_with('A') { "B" } else { "A" };
    let tampered = format!("{head}{other}{}", &tail[1..]);
    for (path, cursor) in [
        ("/prices", tampered.as_str()),
        ("/prices", &cursor[1..]),
        ("/prices", "7"),
        ("/prices", "%00"),
        ("/prices", ""),
        ("/v1/audit", &cursor),
        ("/v1/audit", "7"),
        ("/v1/dead-letters", &cursor),
        ("/prices/poll", &cursor),
        ("/v1/assets/stocks", &cursor),
        ("/v1/assets/stocks", "18446744073709551615"),
    ] {
        let answer = get(&app, &format!("{path}?cursor={cursor}")).await;
        assert_eq!(answer.status, 400, "{path} {cursor}: {}", answer.text);
        assert_eq!(answer.json()["code"], "cursor-invalid", "{path} {cursor}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_good_after_a_restart() {
    // In full mode every start of these tests has a store of its own.
    if crate::full::is_wanted() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let app = start(&directory).await;
    let rows = r#"[{"symbol":"A","price":1,"timestamp":"2024-06-01"},{"symbol":"B","price":2}]"#;
    let rows = rows.replace("2024-06-01", "2024-06-01T00:00:00Z");
    let request = app.http.post(format!("{}/prices/batch", app.base)).bearer_auth(KEY);
    let request = request.header("content-type", "application/json").body(rows);
    assert_eq!(app.send(request).await.json()["stored"], 2);
    let path = next(&get(&app, "/prices?limit=1").await).expect("a next page");
    app.stop().await;
    let app = start(&directory).await;
    let page = get(&app, &path).await;
    assert_eq!((page.status, page.json()[0]["symbol"].as_str()), (200, Some("A")));
    app.stop().await;
}
