//! Imports point down: every `crate::x` under a floor must name a floor it may use.

use std::path::{Path, PathBuf};

/// What each floor may import, itself aside. `app` may use everything.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("telemetry", &[]),
    ("ports", &["model"]),
    ("codec", &["model"]),
    ("adapters", &["model", "ports", "codec", "telemetry"]),
    ("services", &["model", "ports", "telemetry"]),
    ("http", &["model", "ports", "services", "telemetry"]),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The first path segments behind each `crate::` in a text, those in braces included.
fn crate_paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("crate::") {
        let rest = &text[start + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let inner = group.split('}').next().unwrap_or("");
                found.extend(inner.split(',').map(|part| first_segment(part.trim())));
            }
            None => found.push(first_segment(rest)),
        }
    }
    found
}

fn first_segment(path: &str) -> String {
    path.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    let mut n_imports = 0;
    for (floor, allowed) in MAY_USE {
        let mut files = Vec::new();
        sources(&root.join(floor), &mut files);
        assert!(!files.is_empty(), "there is no floor {floor}");
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a source file");
            for used in crate_paths(&text) {
                n_imports += 1;
                if used != *floor && !allowed.contains(&used.as_str()) {
                    broken.push(format!("{}: crate::{used}", file.display()));
                }
            }
        }
    }
    assert!(n_imports > 100, "only {n_imports} imports were seen: is the test blind?");
    assert!(broken.is_empty(), "imports that point up or sideways:\n{}", broken.join("\n"));
}

#[test]
fn adapters_do_not_know_each_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/adapters");
    for port in std::fs::read_dir(&root).expect("a directory").flatten() {
        if !port.path().is_dir() {
            continue;
        }
        let own = port.file_name();
        let mut files = Vec::new();
        sources(&port.path(), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a source file");
            let foreign = text.match_indices("crate::adapters::").find_map(|(start, found)| {
                // A file beside the folders is no adapter.
                let named = first_segment(&text[start + found.len()..]);
                (named.as_str() != own && root.join(&named).is_dir()).then_some(named)
            });
            assert_eq!(foreign, None, "{}", file.display());
        }
    }
}

#[test]
fn the_test_sees_what_it_forbids() {
    assert_eq!(crate_paths("use crate::{model::X, http};"), ["model", "http"]);
    assert_eq!(crate_paths("crate::services::query::Query"), ["services"]);
}
