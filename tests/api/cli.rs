//! Verbs that ask providers, as a user types them, with a stand-in for the provider's own host.

use std::process::Output;

use serde_json::Value;

use crate::upstream::{Behaviour, Canned, Upstream};

const TICKER: &str = r#"{"error":[],"result":{
    "BTC/USD":{"a":["1","1","1"],"b":["1","1","1"],"c":["64000.50000","0.1"],"v":["1","1"],"p":["1","1"],"t":[1,1],"l":["1","1"],"h":["1","1"],"o":"64000.0"}}}"#;

/// Runs the binary with Kraken, as the stand-in plays it, as the only provider without a key.
async fn tickerd(upstream: &Upstream, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tickerd"));
    command
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .envs(crate::children::measured())
        .env("TICKERD_PROVIDERS__KRAKEN__BASE_URL", upstream.url())
        .env("TICKERD_PROVIDERS__YAHOO__ENABLED", "false")
        .env("TICKERD_PROVIDERS__COINGECKO__ENABLED", "false")
        .kill_on_drop(true);
    command.output().await.expect("it runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&output.stdout)))
}

#[tokio::test]
async fn the_doctor_names_the_step_that_fails_and_its_remedy() {
    let upstream = Upstream::start().await;
    for (answer, well, remedy) in [
        (Canned::new(200, "application/json", TICKER), true, ""),
        (Canned::new(200, "text/html", "<html>log in</html>"), false, "interception page"),
        (Canned::new(503, "text/plain", "down"), false, "down or slow"),
    ] {
        upstream.on("/", Behaviour::Answer(answer));
        let output = tickerd(&upstream, &["doctor", "--json"]).await;
        assert_eq!(output.status.code(), Some(i32::from(!well)), "{remedy}");
        let report = json(&output);
        let kraken = report.as_array().expect("a list").iter().find(|p| p["provider"] == "kraken");
        let steps = kraken.expect("kraken is on")["steps"].as_array().expect("steps");
        let names: Vec<&str> = steps.iter().filter_map(|step| step["step"].as_str()).collect();
        assert_eq!(names, ["dns", "connect", "quote"]);
        assert_eq!(steps[2]["ok"], well, "{remedy}");
        assert!(steps[2]["remedy"].as_str().unwrap_or_default().contains(remedy), "{steps:?}");
        let yahoo = report.as_array().expect("a list").iter().find(|p| p["provider"] == "yahoo");
        assert_eq!(yahoo.expect("yahoo is listed")["enabled"], false);
    }
}

#[tokio::test]
async fn a_quote_is_asked_of_the_providers_and_failures_are_told() {
    let upstream = Upstream::start().await;
    upstream.on("/", Behaviour::Answer(Canned::new(200, "application/json", TICKER)));
    let output = tickerd(&upstream, &["quote", "--json", "btc-usd", "AAPL"]).await;
    assert!(output.status.success(), "{output:?}");
    let list = json(&output);
    assert_eq!(list["quotes"][0]["symbol"], "BTC-USD");
    assert_eq!(list["quotes"][0]["price"].to_string(), "64000.5");
    assert_eq!(list["errors"][0]["symbol"], "AAPL");

    let table = tickerd(&upstream, &["quote", "BTC-USD"]).await;
    let text = String::from_utf8_lossy(&table.stdout);
    assert!(text.contains("64000.5") && text.contains("kraken"), "{text}");
    let nobody = tickerd(&upstream, &["quote", "AAPL"]).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(!nobody.stderr.is_empty());
}
