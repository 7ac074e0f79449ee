//! The examples of `docs/api.md` are run against a service, one by one and in order.
//!
//! Each operation of the API has a heading with its name and, below it, commands that must succeed.
//! An answer that is shown must have the fields of the real one; `UPDATE_GOLDEN=1` writes those that
//! have not anew.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::golden::read;
use crate::service::Service;
use crate::upstream::{Behaviour, Canned, Upstream};

const GUIDE: &str = "docs/api.md";

/// What the stand-in for Kraken answers.
const TICKER: &str = r#"{"error":[],"result":{"BTC/USD":{"a":["1","1","1"],"b":["1","1","1"],
    "c":["64000.50000","0.1"],"v":["1","1"],"p":["1","1"],"t":[1,1],"l":["1","1"],"h":["1","1"],"o":"64000.0"}}}"#;
const PAIRS: &str = r#"{"error":[],"result":{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD",
    "aclass_base":"currency","base":"XXBT","aclass_quote":"currency","quote":"ZUSD","status":"online"}}}"#;

/// One example: which operation it shows, the commands, and the lines of the answer shown below.
pub(crate) struct Example {
    pub(crate) operation: String,
    pub(crate) commands: String,
    /// Line numbers, first and behind the last, of the JSON shown.
    shown: Option<(usize, usize)>,
}

pub(crate) fn examples(guide: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut operation = String::new();
    let lines: Vec<&str> = guide.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        if let Some(name) = line.strip_prefix("### `") {
            operation = name.trim_end_matches('`').to_owned();
        } else if line == "```sh" || line == "```json" {
            let start = at;
            while lines[at] != "```" {
                at += 1;
            }
            if line == "```sh" {
                let commands = lines[start..at].join("\n");
                found.push(Example { operation: operation.clone(), commands, shown: None });
            } else {
                found.last_mut().expect("an answer stands below a command").shown =
                    Some((start, at));
            }
            at += 1;
        }
    }
    found
}

/// The fields of a value and the kinds of what they hold. Of a list its first item speaks.
fn shape(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => "x".into(),
        Value::Array(items) => format!("[{}]", items.first().map(shape).unwrap_or_default()),
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> =
                fields.iter().map(|(name, value)| (name, shape(value))).collect();
            // Null where the example had an object, or the other way round, is the same field.
            fields.into_iter().map(|(name, shape)| format!("{name}:{shape},")).collect()
        }
    }
}

fn run(commands: &str, environment: &BTreeMap<String, String>) -> String {
    // A status of 400 or more is a failure here; in a terminal one wants to see the answer.
    let script =
        format!("set -eu\ncurl() {{ command curl --fail-with-body -sS \"$@\"; }}\n{commands}");
    let output = Command::new("bash")
        .args(["-c", &script])
        .envs(environment)
        .env("no_proxy", "*")
        .output()
        .expect("bash runs");
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{commands}\n{answer}\n{said}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_guide_works() {
    if Command::new("curl").arg("--version").output().is_err() {
        let required = std::env::var("TICKERD_TEST_REQUIRE").unwrap_or_default();
        assert!(!required.contains("curl"), "there is no curl");
        println!("skipped: there is no curl");
        return;
    }
    let upstream = Upstream::start().await;
    upstream.on("/", Behaviour::Answer(Canned::new(200, "application/json", TICKER)));
    upstream
        .on("/0/public/AssetPairs", Behaviour::Answer(Canned::new(200, "application/json", PAIRS)));
    let environment = [
        ("TICKERD_PROVIDERS__KRAKEN__ENABLED", "true"),
        ("TICKERD_PROVIDERS__KRAKEN__BASE_URL", &upstream.url()),
    ];
    let service = Service::start(&[], &environment);

    let guide = read(GUIDE);
    let mut lines: Vec<String> = guide.lines().map(str::to_owned).collect();
    let examples = examples(&guide);
    let mut variables = BTreeMap::from([("TICKERD".to_owned(), service.base.clone())]);
    let mut outdated = Vec::new();
    for example in &examples {
        let answer = run(&example.commands, &variables);
        let Some((start, end)) = example.shown else { continue };
        let answer: Value = serde_json::from_str(&answer)
            .unwrap_or_else(|_| panic!("{}: not JSON: {answer}", example.operation));
        if !answer["id"].is_null() && !variables.contains_key("ID") {
            variables.insert("ID".into(), answer["id"].to_string());
        }
        for (variable, field) in [("JOB_ID", "job_id"), ("KEY", "key")] {
            if let Some(text) = answer[field].as_str() {
                variables.insert(variable.into(), text.to_owned());
            }
        }
        if let (Some(id), Some(_)) = (answer["id"].as_str(), answer["key"].as_str()) {
            variables.insert("KEY_ID".into(), id.to_owned());
        }
        let shown: Value = serde_json::from_str(&lines[start..end].join("\n")).expect("JSON");
        if shape(&shown) != shape(&answer) {
            outdated.push((start, end, answer, example.operation.clone()));
        }
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        for (start, end, answer, _) in outdated.iter().rev() {
            let pretty = serde_json::to_string_pretty(answer).expect("JSON");
            lines.splice(start..end, pretty.lines().map(str::to_owned));
        }
        std::fs::write(crate::golden::path(GUIDE), lines.join("\n") + "\n").expect("written");
    } else {
        let names: Vec<&str> = outdated.iter().map(|(.., name)| name.as_str()).collect();
        assert!(
            names.is_empty(),
            "answers with other fields, renew with scripts/golden: {names:?}"
        );
    }
}

#[test]
fn the_guide_shows_every_operation_and_no_other() {
    let document: Value = serde_json::from_str(&read("tests/golden/openapi.json")).expect("JSON");
    let paths = document["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|path| path.as_object().expect("operations").values());
    let all: BTreeSet<String> = operations
        .map(|operation| operation["operationId"].as_str().expect("a name").to_owned())
        .collect();
    let shown: BTreeSet<String> =
        examples(&read(GUIDE)).into_iter().map(|example| example.operation).collect();
    let missing: Vec<_> = all.difference(&shown).collect();
    let unknown: Vec<_> = shown.difference(&all).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing {missing:?}, unknown {unknown:?}");
}
