//! What the user sets for one provider, and why a provider cannot be built from it.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// A key or password that neither `Debug` nor any error prints.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The section `[providers.<name>]` of the configuration, budgets aside.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    pub enabled: bool,
    pub api_key: Option<Secret>,
    /// Asked instead of the provider's own host, so that tests and proxies can stand in. With or
    /// without the path of the API (`/api/v3`).
    pub base_url: Option<String>,
    /// The longest wait for one whole answer.
    pub timeout: Duration,
}

impl ProviderSettings {
    /// The key; a blank one, as an unset variable leaves it, is none.
    pub fn key(&self) -> Option<&Secret> {
        self.api_key.as_ref().filter(|key| !key.reveal().trim().is_empty())
    }
}

/// Why a provider is off, in words for the start card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("no provider is called `{name}`; there are {choices}")]
    UnknownProvider { name: String, choices: String },
    #[error("{name} is disabled in the configuration")]
    Disabled { name: &'static str },
    #[error("{name} needs an API key")]
    KeyMissing { name: &'static str },
    #[error("the API key has characters that no header may carry")]
    KeyMalformed,
    #[error("`base_url` must be an http or https URL without query: {reason}")]
    BadBaseUrl { reason: String },
    #[error("the HTTP client cannot be set up: {reason}")]
    Client { reason: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_do_not_print_the_key() {
        let settings = ProviderSettings {
            enabled: true,
            api_key: Some(Secret::new("hunter2hunter2")),
            base_url: None,
            timeout: Duration::from_secs(5),
        };
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
