//! Moving averages and bars.

use crate::app::TestApp;

async fn store(app: &TestApp, symbol: &str, prices: &[(&str, &str)]) {
    for (time, price) in prices {
        let body =
            format!(r#"{{"symbol":"{symbol}","price":{price},"timestamp":"2024-05-01T{time}Z"}}"#);
        let stored = app.post("/prices", &body).await;
        assert_eq!(stored.status, 201, "{}", stored.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_average_answers_under_every_path_at_once() {
    let app = TestApp::start().await;
    store(&app, "AAPL", &[("10:00:00", "1"), ("10:00:01", "2"), ("10:00:02", "4")]).await;
    let few = app.get("/prices/AAPL/moving-average?window=5").await;
    assert_eq!((few.status, &few.json()["code"]), (404, &"not-enough-data".into()));
    assert!(few.json()["detail"].as_str().expect("text").contains("3 of the 5"), "{}", few.text);
    store(&app, "AAPL", &[("10:00:03", "8"), ("10:00:04", "16.1")]).await;
    for path in [
        "/prices/AAPL/moving-average?window=5",
        "/prices/aapl/moving-average",
        "/prices/ma?symbol=AAPL&window=5",
        "/ma/AAPL?window=5",
        "/moving-average/AAPL",
        "/api/v1/ma/AAPL/?window=5",
    ] {
        let answer = app.get(path).await;
        assert_eq!(
            answer.json().to_string(),
            r#"{"moving_average":6.22,"symbol":"AAPL","timestamp":"2024-05-01T10:00:04Z","window":5,"window_size":5}"#,
            "{path}"
        );
    }
    let other = app.get("/prices/AAPL/moving-average?window=3").await.text;
    assert!(other.contains(r#""moving_average":9.366666666666666666666666667"#), "{other}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_prices_corrections_and_deletions_move_just_what_they_touch() {
    let app = TestApp::start_with(|config| {
        config.averages.windows = vec![tickerd::model::Window::new(2).expect("a window")];
    })
    .await;
    let times = ["10:00:00", "10:00:02", "10:00:04", "10:00:06"];
    store(&app, "X", &times.map(|time| (time, "10"))).await;
    store(&app, "X", &[("10:00:01", "20")]).await;
    let history = async || {
        app.settle().await;
        let list = app.get("/prices/X/moving-average/history?window=2").await.json();
        let means = list.as_array().expect("a list").iter().rev();
        means.map(|average| average["moving_average"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(history().await, ["15", "15", "10", "10"]);
    let prices = app.get("/prices?symbol=X&order=asc").await.json();
    let id = |index: usize| prices[index]["id"].to_string();
    app.put(&format!("/prices/{}", id(4)), r#"{"price":30}"#).await;
    assert_eq!(history().await, ["15", "15", "10", "20"]);
    app.delete(&format!("/prices/{}", id(0))).await;
    assert_eq!(history().await, ["15", "10", "20"]);
    app.delete(&format!("/prices/{}", id(4))).await;
    assert_eq!(history().await, ["15", "10"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bars_are_half_open_and_the_open_one_is_provisional() {
    let app = TestApp::start().await;
    let prices = [
        ("10:00:00", "5"),
        ("10:00:30", "9"),
        ("10:00:59.999999", "4"),
        ("10:01:00", "7"),
        ("10:04:10", "1"),
    ];
    store(&app, "X", &prices).await;
    app.post(
        "/prices",
        r#"{"symbol":"X","price":3,"volume":2,"timestamp":"2024-06-01T12:00:00Z"}"#,
    )
    .await;
    let bars = app.get("/v1/bars/X?interval=1m").await.json()["bars"].clone();
    assert_eq!(bars.as_array().map(Vec::len), Some(4));
    let first = &bars[0];
    let shape = ["open", "high", "low", "close", "count"].map(|name| first[name].to_string());
    assert_eq!(shape, ["5", "9", "4", "4", "3"]);
    assert_eq!((&first["provisional"], &first["volume"]), (&false.into(), &().into()));
    assert_eq!((&bars[3]["provisional"], &bars[3]["volume"]), (&true.into(), &2.into()));
    let from = "/v1/bars/X?interval=1m&from=2024-05-01T10:01:00Z&to=2024-05-01T10:04:10Z";
    let ranged = app.get(from).await.json()["bars"].clone();
    assert_eq!(ranged.as_array().map(Vec::len), Some(1));
    let last_two = app.get("/v1/bars/X?interval=1m&limit=2").await.json()["bars"].clone();
    assert_eq!(last_two[0]["timestamp"], "2024-05-01T10:04:00Z");
    assert_eq!(app.get("/v1/bars/X?interval=2m").await.status, 422);
    app.stop().await;
}
