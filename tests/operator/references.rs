//! The references are written from what they describe.

use std::fmt::Write as _;

use tickerd::app::config::EXAMPLE;
use tickerd::telemetry::metrics::{Kind, TABLE};

use crate::golden::assert_current;

#[test]
fn the_metrics_reference_is_current() {
    let mut page = String::from(
        "# Metrics\n\n\
         Answered at `/metrics` in the text format of Prometheus. This page is written from\n\
         `src/telemetry/metrics.rs` by `scripts/golden`; a histogram `x` has the series `x_bucket`,\n\
         `x_sum` and `x_count`. Labels come from closed sets: never a symbol, never a URL.\n\n\
         | metric | kind | labels | what it tells |\n|---|---|---|---|\n",
    );
    for metric in TABLE {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "| `{}` | {kind} | {} | {} |", metric.name, labels.join(", "), metric.help)
            .expect("written");
    }
    page.push_str(
        "\nDashboards and alerts that use them: `deploy/grafana`, `deploy/prometheus`. A test keeps\n\
         them from naming a metric or a label that is not in this table.\n",
    );
    assert_current("docs/metrics.md", &page);
}

#[test]
fn the_configuration_reference_is_current() {
    let page = configuration(EXAMPLE);
    assert_current("docs/configuration.md", &page);
}

/// The reference of a configuration file in which comments stand above what they explain.
fn configuration(example: &str) -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         This page is written from `config.example.toml`, which is compiled into the binary as its\n\
         defaults, by `scripts/golden`.\n\n",
    );
    let mut section = String::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut in_table = false;
    let mut lines = example.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = format!("{name}.");
            write!(page, "\n## `[{name}]`\n\n").expect("written");
            if !comment.is_empty() {
                write!(page, "{}\n\n", comment.join(" ")).expect("written");
            }
            comment.clear();
            in_table = false;
        } else if let Some((key, value)) = line.split_once(" = ") {
            let mut value = value.to_owned();
            // An array may go over several lines.
            while value.starts_with('[') && !value.ends_with(']') {
                value.push_str(lines.next().expect("the end of the array").trim());
            }
            if !in_table {
                page.push_str("| key | default | environment | meaning |\n|---|---|---|---|\n");
                in_table = true;
            }
            let key = format!("{section}{key}");
            let variable = key.to_ascii_uppercase().replace('.', "__");
            let meaning = comment.join(" ").replace('|', "\\|");
            writeln!(page, "| `{key}` | `{value}` | `TICKERD_{variable}` | {meaning} |")
                .expect("written");
            comment.clear();
        } else if line.is_empty() {
            // A comment with a blank line behind it explains the file.
            if !comment.is_empty() {
                write!(page, "{}\n\n", comment.join("\n")).expect("written");
                comment.clear();
            }
            in_table = false;
        } else {
            panic!("config.example.toml: this reference does not know what to make of `{line}`");
        }
    }
    page
}

#[test]
fn a_setting_is_told_with_its_default_and_its_variable() {
    let page = configuration("# Of the server.\n[server]\n# Where it\n# listens.\nport = 8000\n");
    let row = "| `server.port` | `8000` | `TICKERD_SERVER__PORT` | Where it listens. |";
    assert!(page.contains(row), "{page}");
    assert!(page.contains("Of the server."), "{page}");
}
