//! A recorded reply and what it must give: one entry of `expected.json`.

use std::path::{Path, PathBuf};

use reqwest::Url;
use serde_json::Value;
use tickerd::adapters::provider::Reply;
use tickerd::model::Symbol;

use super::upstream::Canned;

pub(super) struct Case {
    /// The path of the body within the set: `yahoo/quote-AAPL.json`.
    pub(super) name: String,
    pub(super) provider: String,
    /// What was asked; none for "any" request and for sockets.
    pub(super) url: Option<Url>,
    pub(super) canned: Canned,
    pub(super) expected: Value,
}

impl Case {
    /// Reads every case of the set in `directory`.
    pub(super) fn read_all(directory: &Path) -> Vec<Self> {
        let list = directory.join("expected.json");
        let text = std::fs::read_to_string(&list)
            .unwrap_or_else(|error| panic!("{}: {error}", list.display()));
        let entries: serde_json::Map<String, Value> = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", list.display()));
        entries.iter().map(|(name, entry)| Self::read(directory, name, entry)).collect()
    }

    fn read(directory: &Path, name: &str, entry: &Value) -> Self {
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        let file: PathBuf = directory.join(name);
        let body =
            std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let status = entry["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        let mut canned = Canned::new(
            status.unwrap_or_else(|| panic!("{name}: no status")),
            text("content_type"),
            body,
        );
        for (header, value) in entry["headers"].as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            canned = canned.with_header(header, &value);
        }
        let request = text("request");
        let folder = name.split('/').next().unwrap_or_default();
        let provider = if request.contains("api.kraken.com") { "kraken" } else { folder };
        Self {
            name: name.to_owned(),
            provider: provider.to_owned(),
            url: request.strip_prefix("GET ").and_then(url_of),
            canned,
            expected: entry["expected"].clone(),
        }
    }

    /// The reply as the parsers see it.
    pub(super) fn reply(&self) -> Reply {
        let retry_after =
            self.canned.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
        Reply {
            status: self.canned.status,
            content_type: self.canned.content_type.clone(),
            retry_after: retry_after
                .and_then(|(_, secs)| secs.parse().ok())
                .map(std::time::Duration::from_secs),
            cookies: Vec::new(),
            body: self.canned.body.clone(),
        }
    }

    pub(super) fn path(&self) -> &str {
        self.url.as_ref().map_or("", Url::path).trim_end_matches('/')
    }

    /// A parameter of the query, decoded; empty is none.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.url.as_ref()?.query_pairs();
        let value = pairs.find(|(key, _)| key == name)?.1.into_owned();
        Some(value).filter(|value| !value.is_empty())
    }

    /// The items of a comma-separated parameter, without blanks around them.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let value = self.parameter(name).unwrap_or_default();
        let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }

    pub(super) fn quotes(&self) -> &[Value] {
        self.expected["quotes"].as_array().map_or(&[], Vec::as_slice)
    }

    pub(super) fn errors(&self) -> &[Value] {
        self.expected["errors"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The symbols that the expectation names.
    pub(super) fn expected_symbols(&self) -> Vec<Symbol> {
        let named = self.quotes().iter().chain(self.errors());
        named.filter_map(|entry| Symbol::parse(entry["symbol"].as_str()?).ok()).collect()
    }
}

/// The URL in a request line; words after it are remarks, `any …` is no URL.
fn url_of(request: &str) -> Option<Url> {
    let target = request.split_whitespace().next()?;
    match target.starts_with('/') {
        true => Url::parse(&format!("http://upstream{target}")).ok(),
        false => Url::parse(target).ok(),
    }
}
