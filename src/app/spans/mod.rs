//! Where the spans of requests and averages go besides the log: to a collector, when one is named.

#[cfg(feature = "otlp")]
mod otlp;

use super::config::Config;
use crate::telemetry::logging::Listener;

/// What sends spans while the service runs.
pub(in crate::app) struct Spans {
    #[cfg(feature = "otlp")]
    export: Option<otlp::Export>,
}

impl Spans {
    /// Sends spans where the configuration says, and gives what is to be told of them.
    ///
    /// # Errors
    /// When this build cannot, or the address is none; the message names the setting.
    #[cfg(feature = "otlp")]
    pub(in crate::app) fn open(config: &Config) -> anyhow::Result<(Self, Option<Listener>)> {
        use anyhow::Context;

        let endpoint = &config.log.otlp_endpoint;
        if endpoint.is_empty() {
            return Ok((Self { export: None }, None));
        }
        let opened = otlp::open(endpoint);
        let (listener, export) =
            opened.with_context(|| format!("log.otlp_endpoint: {endpoint}"))?;
        Ok((Self { export: Some(export) }, Some(listener)))
    }

    /// Refuses to send spans.
    ///
    /// # Errors
    /// When the configuration asks for it.
    #[cfg(not(feature = "otlp"))]
    pub(in crate::app) fn open(config: &Config) -> anyhow::Result<(Self, Option<Listener>)> {
        if config.log.otlp_endpoint.is_empty() {
            Ok((Self {}, None))
        } else {
            Err(super::backends::missing("log.otlp_endpoint", "otlp"))
        }
    }

    /// Sends what has not been sent.
    pub(in crate::app) async fn finish(self) {
        #[cfg(feature = "otlp")]
        if let Some(export) = self.export {
            // It waits for the collector, and the runtime has to go on meanwhile.
            let _ = tokio::task::spawn_blocking(move || export.finish()).await;
        }
    }
}
