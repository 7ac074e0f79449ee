//! What several processes of one installation agree on at the door.

use crate::installation::{Installation, Process};

const KEY: &str = "an-old-clients-key";
const QUOTA: u32 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn processes_count_one_quota_and_read_the_cursors_of_each_other() {
    let Some(installation) = Installation::new() else { return };
    // In a day, so that nothing grows back while the test runs.
    let settings = [
        ("API_KEY", KEY),
        ("TICKERD_LIMITS__ROUTES", "/prices/symbols 20/24h"),
        ("TICKERD_LIMITS__REQUESTS", "100000"),
    ];
    let one = installation.start_with("api", &settings).await;
    let other = installation.start_with("api", &settings).await;
    let n_allowed = async |process: &Process, n_requests: u32| {
        let mut n_allowed = 0;
        for _ in 0..n_requests {
            let status = get(&installation, process, "/prices/symbols").await.status();
            assert!([200, 429].contains(&status.as_u16()), "{status}");
            n_allowed += u32::from(status == 200);
        }
        n_allowed
    };
    assert_eq!(n_allowed(&one, 15).await, 15);
    assert_eq!(n_allowed(&other, 15).await, QUOTA - 15, "of all {QUOTA}");
    assert_eq!(n_allowed(&one, 5).await, 0);

    for second in 0..3 {
        let body = serde_json::json!({
            "symbol": "A", "price": 1, "timestamp": crate::build::second(second).to_string(),
        });
        let request = installation.http.post(format!("{}/prices", one.base)).json(&body);
        assert_eq!(request.bearer_auth(KEY).send().await.expect("an answer").status(), 201);
    }
    let page = get(&installation, &one, "/prices?limit=2").await;
    let link = page.headers()["link"].to_str().expect("text").to_owned();
    let next = link.trim_start_matches('<').split('>').next().expect("a path");
    let rest = get(&installation, &other, next).await;
    assert_eq!(rest.status(), 200);
    let rest: serde_json::Value = rest.json().await.expect("JSON");
    assert_eq!(rest.as_array().map(Vec::len), Some(1));
}

async fn get(installation: &Installation, process: &Process, path: &str) -> reqwest::Response {
    let request = installation.http.get(format!("{}{path}", process.base)).bearer_auth(KEY);
    request.send().await.expect("an answer")
}
