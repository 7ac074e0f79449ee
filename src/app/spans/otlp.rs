//! Spans to an `OpenTelemetry` collector, by OTLP over HTTP.
//!
//! Spans are sent in batches by a thread of their own. A collector that is away costs spans, never
//! a request.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;

use crate::app::run::VERSION;
use crate::telemetry::logging::{Asked, Listener};

/// The longest wait for the collector.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What sends the spans.
pub(super) struct Export(SdkTracerProvider);

/// Sends the spans of this crate to the collector at `endpoint`, from the runtime of the caller.
///
/// # Errors
/// When the endpoint is no address.
pub(super) fn open(endpoint: &str) -> anyhow::Result<(Listener, Export)> {
    let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(TIMEOUT)
        .with_http_client(OnRuntime { http, runtime: Handle::current() })
        .build()?;
    let resource = Resource::builder()
        .with_service_name("tickerd")
        .with_attribute(KeyValue::new("service.version", VERSION))
        .build();
    let provider =
        SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("tickerd"));
    // Without this the client that sends the spans would tell of itself.
    let own = Targets::new().with_target("tickerd", tracing::Level::DEBUG);
    Ok((spans.with_filter(Asked(own)).boxed(), Export(provider)))
}

impl Export {
    /// Sends what is still here, for at most five seconds. Blocks.
    pub(super) fn finish(&self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
    }
}

/// The thread that sends has no runtime, and our client of HTTP needs one.
#[derive(Debug)]
struct OnRuntime {
    http: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let answer = self.runtime.spawn(async move {
            let response = http.execute(request.try_into()?).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, response.bytes().await?))
        });
        let (status, headers, body) = answer.await??;
        let mut response = http::Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}
