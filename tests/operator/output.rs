//! What the verbs write: to readers that leave early, and what the start card tells.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use crate::service::{Service, tickerd};

#[test]
fn a_reader_that_has_left_ends_a_verb_quietly() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("one.csv"), "symbol,timestamp,price\nA,2024-01-01,1\n")
        .expect("written");
    let imported =
        tickerd(&directory).args(["import", "one.csv", "--time-format", "date"]).status();
    assert!(imported.expect("run").success());
    for arguments in [
        &["config", "show"][..],
        &["config", "check", "--json"],
        &["openapi"],
        &["completions", "zsh"],
        &["man"],
        &["export"],
        &["keys", "list", "--json"],
        &["audit", "head"],
        &["dead-letters", "list"],
        &["import", "one.csv", "--time-format", "date"],
        &["backup", "copy"],
        &["selftest", "--chaos", "--kills", "0", "--clients", "1"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = tickerd(&directory);
        let output = command.args(arguments).stdout(writer).output().expect("run");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), errors.as_ref()), (Some(141), ""), "{arguments:?}");
    }
}

#[test]
fn a_disk_that_is_full_is_no_reader_that_has_left() {
    let directory = tempfile::tempdir().expect("a directory");
    let full = File::options().write(true).open("/dev/full").expect("the device");
    let output = tickerd(&directory).args(["config", "show"]).stdout(full).output().expect("run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("No space left"), "{errors}");
}

#[test]
fn a_configuration_is_checked_for_programs_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let check = |environment: &[(&str, &str)]| {
        let mut command = tickerd(&directory);
        command.args(["config", "check", "--json"]).envs(environment.iter().copied());
        let output = command.output().expect("run");
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), told)
    };
    let (code, told) = check(&[]);
    assert_eq!((code, &told["valid"]), (Some(0), &Value::Bool(true)), "{told}");
    let (code, told) = check(&[("PORT", "many"), ("LOG_LEVEL", "")]);
    assert_eq!((code, &told["valid"]), (Some(1), &Value::Bool(false)), "{told}");
    let mistakes = told["mistakes"].as_array().expect("a list");
    assert!(mistakes.iter().any(|mistake| mistake.to_string().contains("PORT")), "{told}");
}

/// The start card of a service; the service is gone when this returns.
fn card(directory: &TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = tickerd(directory);
    command.args(["serve", "--port", "0"]).args(arguments).envs(environment.iter().copied());
    for provider in ["YAHOO", "COINGECKO", "KRAKEN"] {
        command.env(format!("TICKERD_PROVIDERS__{provider}__ENABLED"), "false");
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
    let mut card = String::new();
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    while let Some(Ok(line)) = lines.next() {
        card.push_str(&line);
        card.push('\n');
        // The last of its lines that is always there, and the one behind it.
        if line.starts_with("  access") {
            if let Some(Ok(line)) = lines.next() {
                card.push_str(&line);
            }
            break;
        }
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    card
}

#[test]
fn the_start_card_tells_who_is_let_in_and_how_to_get_a_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let local = card(&directory, &[], &[]);
    assert!(local.contains("open to this machine"), "{local}");
    assert!(local.contains("keys create --role admin --url http://127.0.0.1:"), "{local}");

    let environment = [("API_KEY", "of-the-operator-test-00000000")];
    let reachable = card(&directory, &["--host", "0.0.0.0"], &environment);
    assert!(!reachable.contains("open to this machine"), "{reachable}");
    assert!(reachable.contains("url        http://127.0.0.1:"), "{reachable}");
    assert!(reachable.contains("every other address"), "{reachable}");
    assert!(reachable.contains("with a key; more by `tickerd keys create --url"), "{reachable}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invented_prices_cannot_be_asked_for_outside_the_demo() {
    let service = Service::start(&[], &[]);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    for provider in ["simulated", "replay"] {
        for (method, path) in [
            (reqwest::Method::GET, format!("/prices/latest?symbol=BTC-USD&provider={provider}")),
            (reqwest::Method::POST, format!("/poll/BTC-USD?provider={provider}")),
        ] {
            let request = client.request(method, format!("{}{path}", service.base));
            let answer = request.send().await.expect("an answer");
            assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        }
        let job =
            format!(r#"{{"symbols": ["BTC-USD"], "interval": 60, "provider": "{provider}"}}"#);
        let request = client.post(format!("{}/prices/poll", service.base));
        let request = request.header("content-type", "application/json").body(job);
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_client_error(), "a job on {provider}: {}", answer.status());
    }
}
