//! What every request passes: request id, host check, old paths, query names, and on the way back
//! problem bodies, security headers and metrics.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt;
use poem::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use poem::{Endpoint, IntoResponse, Request, Response};
use poem_openapi::OperationId;
use poem_openapi::types::ToJSON;
use tracing::Instrument;

use super::ApiSettings;
use super::error::{ApiError, from_framework};
use super::query_names::QueryNames;
use super::values::BodyLimits;
use crate::ports::Clock;
use crate::telemetry::metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const DEMO: HeaderName = HeaderName::from_static("x-tickerd-demo");

/// The prefix old clients use; every path answers under it too.
const OLD_PREFIX: &str = "/api/v1";

/// Stands before the routes.
pub struct Front<E> {
    routes: E,
    names: QueryNames,
    settings: ApiSettings,
    /// Tells this process's request ids from those of others.
    epoch: u64,
    n_requests: AtomicU64,
}

impl<E: Endpoint> Front<E> {
    pub fn new(routes: E, names: QueryNames, settings: ApiSettings, clock: &dyn Clock) -> Self {
        let epoch = clock.now().as_micros().unsigned_abs();
        Self { routes, names, settings, epoch, n_requests: AtomicU64::new(0) }
    }

    /// The caller's id when it is fit to be logged, else one of our own.
    fn request_id(&self, request: &Request) -> String {
        let fit = |id: &&str| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        };
        match request.header(&REQUEST_ID).filter(fit) {
            Some(id) => id.to_owned(),
            None => {
                let number = self.n_requests.fetch_add(1, Ordering::Relaxed);
                format!("{:x}-{number:x}", self.epoch)
            }
        }
    }

    fn check_host(&self, request: &Request) -> Result<(), ApiError> {
        let allowed = &self.settings.allowed_hosts;
        if allowed.is_empty() {
            return Ok(());
        }
        let authority = request
            .header(header::HOST)
            .map(str::to_owned)
            .or_else(|| request.uri().authority().map(ToString::to_string))
            .unwrap_or_default();
        let host = host_of(&authority);
        let origin_ok = request.header(header::ORIGIN).is_none_or(|origin| {
            let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
            is_allowed(allowed, host_of(authority))
        });
        if !is_allowed(allowed, host) {
            return Err(refused(format!(
                "the host name `{}` is not served; name it in `server.allowed_hosts`",
                host.chars().filter(|c| !c.is_control()).take(80).collect::<String>()
            )));
        }
        if !origin_ok {
            return Err(refused(
                "a page of another origin may not use this service; name its host in \
                 `server.allowed_hosts`",
            ));
        }
        Ok(())
    }

    async fn answer(&self, mut request: Request) -> Response {
        if let Err(error) = self.check_host(&request) {
            return error.into_response();
        }
        if let Some(uri) = canonical(request.uri()) {
            *request.uri_mut() = uri;
        }
        if let Err(error) = self.names.check(request.method(), request.uri()) {
            return error.into_response();
        }
        request.set_data(BodyLimits {
            max_bytes: self.settings.max_body_bytes,
            timeout: self.settings.body_timeout,
        });
        match AssertUnwindSafe(self.routes.call(request)).catch_unwind().await {
            Ok(Ok(response)) => response.into_response(),
            Ok(Err(error)) => {
                let operation = error.data::<OperationId>().copied();
                let mut response = from_framework(error);
                if let Some(operation) = operation {
                    response.set_data(operation);
                }
                response
            }
            Err(_) => ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal-error",
                "a fault of the service; see the log",
            )
            .into_response(),
        }
    }

    fn finish(&self, response: &mut Response, request_id: &str) {
        if let Some(error) = response.extensions_mut().remove::<ApiError>() {
            let problem = error.problem(request_id).to_json().unwrap_or_default();
            response.set_body(problem.to_string());
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        }
        let headers = response.headers_mut();
        for (name, value) in [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if self.settings.demo {
            headers.insert(DEMO, HeaderValue::from_static("prices are replayed or simulated"));
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
    }
}

impl<E: Endpoint> Endpoint for Front<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let request_id = self.request_id(&request);
        // Whatever is logged on the way of this request carries its id. At `info` there is no span,
        // because one costs as much as a fifth of a whole request.
        let span = tracing::debug_span!("request", request_id);
        let mut response = self.answer(request).instrument(span.clone()).await;
        let operation = response.data::<OperationId>().map_or("other", |operation| operation.0);
        self.finish(&mut response, &request_id);
        let status = response.status().as_u16();
        let elapsed = started.elapsed();
        metrics::http_request(operation, status, elapsed);
        let duration_us = elapsed.as_micros() as u64;
        if status == StatusCode::INTERNAL_SERVER_ERROR.as_u16() {
            tracing::error!(operation, status, request_id, duration_us, "answered with a fault");
        } else {
            span.in_scope(|| tracing::debug!(operation, status, duration_us, "answered"));
        }
        Ok(response)
    }
}

/// The path without the old prefix and without a trailing slash; none when it is so already.
fn canonical(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let inner = match path.strip_prefix(OLD_PREFIX) {
        Some("") => "/",
        Some(inner) if inner.starts_with('/') => inner,
        _ => path,
    };
    // The documentation's files lie behind a slash of their own.
    let trimmed = inner.trim_end_matches('/');
    let trimmed = if trimmed.is_empty() { "/" } else { trimmed };
    if trimmed == path {
        return None;
    }
    let rewritten = match uri.query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    rewritten.parse().ok()
}

fn refused(detail: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "host-not-allowed", detail)
}

fn is_allowed(allowed: &[String], host: &str) -> bool {
    allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
}

/// The host in `host:port`, `[::1]:port` or either without a port.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_paths_and_trailing_slashes_are_rewritten() {
        for (given, expected) in [
            ("/prices", None),
            ("/prices/", Some("/prices")),
            ("/api/v1/prices/?limit=5", Some("/prices?limit=5")),
            ("/api/v1", Some("/")),
            ("/api/v1x", None),
            ("/", None),
        ] {
            let rewritten = canonical(&Uri::from_static(given)).map(|uri| uri.to_string());
            assert_eq!(rewritten.as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn the_host_is_told_from_the_port() {
        for (authority, host) in
            [("localhost:8000", "localhost"), ("[::1]:80", "::1"), ("127.0.0.1", "127.0.0.1")]
        {
            assert_eq!(host_of(authority), host);
        }
    }
}
