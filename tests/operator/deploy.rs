//! Dashboards and alerts ask only for metrics, and for labels of them, that the service has.

use std::collections::BTreeSet;

use serde_json::Value;
use tickerd::telemetry::metrics::{Kind, Metric, TABLE};

use crate::golden::{path, read};

/// Labels that Prometheus adds.
const ADDED: [&str; 3] = ["instance", "job", "le"];

fn dashboards() -> Vec<(String, Value)> {
    let folder = std::fs::read_dir(path("deploy/grafana/dashboards")).expect("a folder");
    let files = folder.map(|entry| entry.expect("a file").file_name().into_string().expect("text"));
    files
        .map(|name| {
            let text = read(&format!("deploy/grafana/dashboards/{name}"));
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect()
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().expect("panels")
}

/// Every expression of the dashboards and the alerts, with where it stands.
fn expressions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().expect("targets") {
                let place = format!("{name}: {}", panel["title"]);
                found.push((place, target["expr"].as_str().expect("text").to_owned()));
            }
        }
    }
    // The rules are read as text: whatever looks like a metric there is one.
    let rules = read("deploy/prometheus/alerts.yml");
    let rules: Vec<&str> =
        rules.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    found.push(("alerts.yml".to_owned(), rules.join("\n")));
    found
}

/// The metric of the table that a name in an expression means.
fn metric(name: &str) -> Option<&'static Metric> {
    TABLE.iter().find(|metric| match metric.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|suffix| name.strip_suffix(suffix) == Some(metric.name)),
        _ => metric.name == name,
    })
}

/// The names that start with `tickerd_`, each with the labels its braces name.
fn selectors(expression: &str) -> Vec<(String, Vec<String>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (start, _) in expression.match_indices("tickerd_") {
        let rest = &expression[start..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let mut labels = Vec::new();
        if let Some(braces) = rest.strip_prefix('{') {
            // A label is what stands before an operator; values are quoted and hold no braces.
            let braces = braces.split('}').next().unwrap_or_default();
            for (index, piece) in braces.split('"').enumerate() {
                if index % 2 == 1 {
                    continue;
                }
                let label = piece.trim_matches(|c: char| !is_name(c));
                if !label.is_empty() {
                    labels.push(label.to_owned());
                }
            }
        }
        found.push((name.to_owned(), labels));
    }
    found
}

#[test]
fn every_query_names_metrics_and_labels_that_exist() {
    let mut n_checked = 0;
    for (place, expression) in expressions() {
        for (name, labels) in selectors(&expression) {
            let metric =
                metric(&name).unwrap_or_else(|| panic!("{place}: no metric is named {name}"));
            for label in labels {
                let exists =
                    metric.labels.contains(&label.as_str()) || ADDED.contains(&label.as_str());
                assert!(exists, "{place}: {name} has no label {label}");
            }
            n_checked += 1;
        }
        for (_, grouping) in
            expression.match_indices(" by (").map(|(at, by)| expression.split_at(at + by.len()))
        {
            for label in grouping.split(')').next().unwrap_or_default().split(',').map(str::trim) {
                let exists = TABLE.iter().any(|metric| metric.labels.contains(&label))
                    || ADDED.contains(&label);
                assert!(exists, "{place}: nothing has a label {label}");
            }
        }
    }
    assert!(n_checked > 50, "only {n_checked} queries were found");
}

#[test]
fn a_metric_that_does_not_exist_would_be_noticed() {
    let made_up = selectors(r#"rate(tickerd_made_up_total{wrong="x",instance=~"$instance"}[5m])"#);
    let labels = vec!["wrong".to_owned(), "instance".to_owned()];
    assert_eq!(made_up, [("tickerd_made_up_total".to_owned(), labels)]);
    assert!(metric("tickerd_made_up_total").is_none());
    // A histogram has no series of its own name, a counter none with a suffix.
    assert!(metric("tickerd_http_request_duration_seconds").is_none());
    assert!(metric("tickerd_http_requests_total_count").is_none());
}

#[test]
fn there_are_four_dashboards_whose_panels_explain_themselves() {
    let dashboards = dashboards();
    let uids: BTreeSet<&str> =
        dashboards.iter().map(|(_, dashboard)| dashboard["uid"].as_str().expect("a uid")).collect();
    assert_eq!(uids.len(), 4, "{uids:?}");
    for (name, dashboard) in &dashboards {
        for panel in panels(dashboard) {
            assert!(panel["title"].as_str().is_some_and(|title| !title.is_empty()), "{name}");
            let unit = &panel["fieldConfig"]["defaults"]["unit"];
            assert!(unit.is_string(), "{name}: {} has no unit", panel["title"]);
        }
    }
}

#[test]
fn every_alert_has_a_section_in_the_troubleshooting_guide() {
    let guide = read("docs/troubleshooting.md");
    let rules = read("deploy/prometheus/alerts.yml");
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let missing: Vec<&str> = alerts.filter(|alert| !guide.contains(alert)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
