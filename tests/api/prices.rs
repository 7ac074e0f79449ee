//! Storing, listing, correcting and deleting prices.

use std::time::Duration;

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_kept_exactly_from_request_to_answer() {
    let app = TestApp::start().await;
    let body = r#"{"symbol":"btc-usd","price":0.10000000000000000001,"volume":3,
        "timestamp":"2024-05-01T12:00:00+02:00","source":"Desk","external_id":"t-1",
        "raw_data":{"big":12345678901234567890.123456789}}"#;
    let stored = app.post("/prices", body).await;
    assert_eq!(stored.status, 201, "{}", stored.text);
    assert!(stored.text.contains(r#""price":0.10000000000000000001"#), "{}", stored.text);
    assert!(stored.text.contains("12345678901234567890.123456789"), "{}", stored.text);
    let record = stored.json();
    assert_eq!(record["symbol"], "BTC-USD");
    assert_eq!(record["timestamp"], "2024-05-01T10:00:00Z");
    assert_eq!((&record["source"], &record["currency"]), (&"desk".into(), &"USD".into()));
    assert_eq!(stored.header("location"), format!("/prices/{}", record["id"]));
    assert_eq!(app.get(stored.header("location")).await.json(), record);
    let latest = app.get("/prices/latest?symbol=BTC-USD").await;
    assert!(latest.text.contains(r#""price":0.10000000000000000001"#), "{}", latest.text);
    assert_eq!(latest.json()["stale"], true);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_is_answered_as_before_and_another_value_is_a_conflict() {
    let app = TestApp::start().await;
    let body = r#"{"symbol":"AAPL","price":1.50,"timestamp":"2024-05-01T10:00:00Z"}"#;
    let first = app.post("/prices", body).await;
    let again = app.post("/api/v1/prices/", &body.replace("1.50", "1.5")).await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json(), again.json());
    let other = app.post("/prices", &body.replace("1.50", "2")).await;
    assert_eq!((other.status, &other.json()["code"]), (409, &"price-conflict".into()));
    assert_eq!(app.get("/prices").await.json().as_array().map(Vec::len), Some(1));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_and_deletions_keep_what_was_known_before() {
    let app = TestApp::start().await;
    let body = r#"{"symbol":"AAPL","price":10,"timestamp":"2024-05-01T10:00:00Z"}"#;
    let id = app.post("/prices", body).await.json()["id"].clone();
    let path = format!("/prices/{id}");
    app.clock.advance(Duration::from_secs(60));
    let corrected = app.put(&path, r#"{"price":11}"#).await.json();
    assert_eq!((&corrected["price"], &corrected["version"]), (&11.into(), &2.into()));
    let same = app.put(&path, r#"{"price":11.0}"#).await.json();
    assert_eq!(same["version"], 2);
    app.clock.advance(Duration::from_secs(60));
    let deleted = app.delete(&path).await;
    assert_eq!(deleted.status, 200);
    assert!(deleted.json()["message"].is_string());
    for (path, status) in [
        (path.clone(), 404),
        (format!("{path}?as_of=2024-06-01T12:00:30Z"), 200),
        (format!("{path}?as_of=2024-06-01T11:59:59Z"), 404),
        ("/prices/latest?symbol=AAPL".into(), 404),
    ] {
        assert_eq!(app.get(&path).await.status, status, "{path}");
    }
    let then = app.get("/prices/latest?symbol=AAPL&as_of=2024-06-01T12:00:30Z").await.json();
    assert_eq!(then["price"], 10);
    let history = app.get(&format!("{path}/history")).await.json();
    let versions: Vec<_> = history.as_array().expect("a list").iter().collect();
    assert_eq!(versions.len(), 3);
    assert_eq!(versions[0]["superseded_at"], "2024-06-01T12:01:00Z");
    assert_eq!(
        (&versions[2]["deleted"], &versions[2]["superseded_at"]),
        (&true.into(), &().into())
    );
    assert_eq!(app.delete(&path).await.status, 404);
    let again = app.post("/prices", body).await;
    assert_eq!(
        (again.status, &again.json()["id"], &again.json()["version"]),
        (201, &id, &4.into())
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_may_not_rename_a_price() {
    let app = TestApp::start().await;
    let body = r#"{"symbol":"AAPL","price":10,"timestamp":"2024-05-01T10:00:00Z","source":"x"}"#;
    let id = app.post("/prices", body).await.json()["id"].clone();
    let path = format!("/prices/{id}");
    let repeated = app.put(&path, &body.replace("10,", "11,")).await;
    assert_eq!(repeated.status, 200, "{}", repeated.text);
    let renamed = app.put(&path, r#"{"symbol":"MSFT","price":1}"#).await;
    assert_eq!(
        (renamed.status, &renamed.json()["errors"][0]["pointer"]),
        (422, &"#/symbol".into())
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another_without_gap_or_repetition() {
    let app = TestApp::start().await;
    for (symbol, price) in [("AAPL", 1), ("MSFT", 2), ("AAPL", 3), ("FB", 4), ("MSFT", 5)] {
        let body = format!(
            r#"{{"symbol":"{symbol}","price":{price},"timestamp":"2024-05-01T10:00:0{price}Z"}}"#
        );
        assert_eq!(app.post("/prices", &body).await.status, 201);
    }
    for (order, expected) in [("desc", [5, 4, 3, 2, 1]), ("asc", [1, 2, 3, 4, 5])] {
        let mut path = format!("/prices?limit=2&order={order}");
        let mut seen = Vec::new();
        loop {
            let page = app.get(&path).await;
            let records = page.json();
            seen.extend(records.as_array().expect("a list").iter().map(|r| r["price"].as_i64()));
            let Some(next) = page.header("link").strip_prefix('<') else { break };
            assert!(next.ends_with(">; rel=\"next\""), "{next}");
            path = next.split('>').next().expect("a link").to_owned();
        }
        assert_eq!(seen, expected.map(Some), "{order}");
    }
    let skipped = app.get("/prices/?skip=1&limit=1&symbol=AAPL").await.json();
    assert_eq!(skipped[0]["price"], 1);
    let range = "/prices?from=2024-05-01T10:00:02Z&to=2024-05-01T10:00:04Z";
    let ranged = app.get(range).await.json();
    assert_eq!(ranged.as_array().map(Vec::len), Some(2));
    assert_eq!(app.get("/prices/symbols").await.text, r#"{"symbols":["AAPL","FB","MSFT"]}"#);
    assert_eq!(app.get("/symbols").await.text, r#"["AAPL","FB","MSFT"]"#);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_price_is_never_shown_as_fresher_than_it_is() {
    let app = TestApp::start().await;
    let post = async |price: u32, at: &str| {
        let body = format!(r#"{{"symbol":"EUR/USD","price":{price},"timestamp":"{at}"}}"#);
        app.post("/prices", &body).await
    };
    post(1, "2024-06-01T11:59:30Z").await;
    let latest = async |query: &str| {
        app.get(&format!("/prices/latest?symbol=EUR%2FUSD{query}")).await.json()
    };
    assert_eq!(latest("").await["stale"], false);
    assert_eq!(latest("&max_age=29").await["stale"], true);
    // A late price is not the newest, whatever came last.
    post(2, "2024-05-01T00:00:00Z").await;
    assert_eq!(latest("").await["price"], 1);
    // A stamp from the future ages from when we had it.
    post(3, "2024-06-01T12:30:00Z").await;
    app.clock.advance(Duration::from_secs(61));
    let future = latest("").await;
    assert_eq!((&future["price"], &future["stale"]), (&3.into(), &true.into()));
    app.stop().await;
}
