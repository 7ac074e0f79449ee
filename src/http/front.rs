//! What every request passes: request id, host check, old paths, the doors, query names, and on the
//! way back problem bodies, security headers and metrics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt;
use poem::http::uri::Scheme;
use poem::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use poem::{Endpoint, IntoResponse, Request, Response};
use poem_openapi::OperationId;
use poem_openapi::types::ToJSON;
use tracing::{Instrument, field};

use super::ApiSettings;
use super::doors::{Doors, text_of};
use super::error::{ApiError, from_framework};
use super::operations::{Meant, Operation};
use super::values::BodyLimits;
use crate::ports::Clock;
use crate::telemetry::metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const DEMO: HeaderName = HeaderName::from_static("x-tickerd-demo");

/// The prefix old clients use; every path answers under it too.
const OLD_PREFIX: &str = "/api/v1";

/// The longest address of a request that is looked at.
const MAX_URI_BYTES: usize = 8 * 1024;

/// What is left of a body of this size is read away after a refusal.
const SMALL_BODY_BYTES: u64 = 4 * 1024;

/// Stands before everything that answers.
pub struct Front<A, P> {
    /// The operations of the API; only what the doors found to be one gets there.
    operations: A,
    /// All else, which anyone may ask for.
    pages: P,
    doors: Arc<Doors>,
    settings: ApiSettings,
    /// Tells this process's request ids from those of others.
    id_prefix: String,
    n_requests: AtomicU64,
}

impl<A: Endpoint, P: Endpoint> Front<A, P> {
    pub fn new(
        operations: A,
        pages: P,
        doors: Arc<Doors>,
        settings: ApiSettings,
        clock: &dyn Clock,
    ) -> Self {
        let id_prefix = format!("{:x}-", clock.now().as_micros().unsigned_abs());
        Self { operations, pages, doors, settings, id_prefix, n_requests: AtomicU64::new(0) }
    }

    /// The caller's id when it is fit to be logged, else one of our own.
    fn request_id(&self, request: &Request) -> Arc<str> {
        let fit = |id: &&str| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        };
        match text_of(request, &REQUEST_ID).filter(fit) {
            Some(id) => id.into(),
            None => {
                let number = self.n_requests.fetch_add(1, Ordering::Relaxed);
                format!("{}{number:x}", self.id_prefix).into()
            }
        }
    }

    async fn answer(&self, mut request: Request, request_id: &Arc<str>) -> Response {
        if let Err(error) = self.doors.check_host(&request) {
            return error.into_response();
        }
        if request.uri().path_and_query().map_or(0, |uri| uri.as_str().len()) > MAX_URI_BYTES {
            let detail = format!("an address has at most {MAX_URI_BYTES} bytes");
            return ApiError::new(StatusCode::URI_TOO_LONG, "uri-too-long", detail).into_response();
        }
        let cross_origin = self.doors.cross_origin(&request);
        if let Some(origin) = &cross_origin
            && request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return preflight(origin.clone());
        }
        if let Some(uri) = canonical(request.uri()) {
            *request.uri_mut() = uri;
        }
        let doors = &self.doors;
        let mut response = match doors.operations().find(request.method(), request.uri().path()) {
            Meant::Operation(operation) => self.operate(operation, request, request_id).await,
            Meant::OtherMethods(methods) => {
                let allow: Vec<&str> = methods.into_iter().map(Method::as_str).collect();
                ApiError::method_not_allowed(&allow.join(", ")).into_response()
            }
            Meant::Nothing => caught(self.pages.call(request)).await,
        };
        if let Some(origin) = cross_origin {
            may_be_read_by(&mut response, origin);
        }
        response
    }

    /// Answers a request for an operation if its caller may have it.
    async fn operate(
        &self,
        operation: &Operation,
        mut request: Request,
        request_id: &Arc<str>,
    ) -> Response {
        let (note, admitted) = self.doors.admit(&request, operation, request_id).await;
        let checked = admitted.and_then(|caller| {
            operation.check_query(request.uri())?;
            check_encoding(&request)?;
            Ok(caller)
        });
        let mut response = match checked {
            Ok(caller) => {
                if let Some(caller) = caller {
                    request.set_data(caller);
                }
                request.set_data(BodyLimits {
                    max_bytes: self.settings.max_body_bytes,
                    timeout: self.settings.body_timeout,
                });
                caught(self.operations.call(request)).await
            }
            Err(error) => {
                let mut response = error.into_response();
                response.set_data(OperationId(operation.id));
                response
            }
        };
        if let Some(note) = note {
            note.write(&mut response);
        }
        response
    }

    fn finish(&self, response: &mut Response, request_id: &str, encrypted: bool) {
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
            (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if encrypted {
            // A browser that was here once does not come back in the clear for a year.
            let always = HeaderValue::from_static("max-age=31536000");
            headers.insert(header::STRICT_TRANSPORT_SECURITY, always);
        }
        // Pages bring a policy of their own; nothing else is a page.
        if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
            let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
            headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
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

/// The answer, or the problem that stands for an error or a panic.
async fn caught(answer: impl Future<Output = poem::Result<impl IntoResponse>>) -> Response {
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(Ok(response)) => response.into_response(),
        Ok(Err(error)) => {
            let operation = error.data::<OperationId>().copied();
            let mut response = from_framework(error);
            if let Some(operation) = operation {
                response.set_data(operation);
            }
            response
        }
        Err(_) => ApiError::fault().into_response(),
    }
}

/// Whether a body comes along that is not known to be small.
fn brings_much(request: &Request) -> bool {
    let length = text_of(request, &header::CONTENT_LENGTH).map(str::parse::<u64>);
    match length {
        Some(length) => length.map_or(true, |length| length > SMALL_BODY_BYTES),
        None => request.headers().contains_key(header::TRANSFER_ENCODING),
    }
}

/// Bodies are taken as they are: what is packed may unpack to anything.
fn check_encoding(request: &Request) -> Result<(), ApiError> {
    match text_of(request, &header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(encoding) if encoding.eq_ignore_ascii_case("identity") => Ok(()),
        Some(_) => {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let detail = "send the body as it is, without `Content-Encoding`";
            Err(ApiError::new(status, "unsupported-encoding", detail))
        }
    }
}

/// Allows what a page of another origin has to ask for before it sends its request.
fn preflight(origin: HeaderValue) -> Response {
    let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, x-api-key, x-request-id, last-event-id",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    may_be_read_by(&mut response, origin);
    response
}

fn may_be_read_by(response: &mut Response, origin: HeaderValue) {
    let exposed = "link, location, ratelimit, ratelimit-policy, retry-after, x-request-id";
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

impl<A: Endpoint, P: Endpoint> Endpoint for Front<A, P> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let request_id = self.request_id(&request);
        let encrypted = *request.scheme() == Scheme::HTTPS;
        let brings_much = brings_much(&request);
        // Whatever is logged on the way of this request carries its id. At `info` there is no span,
        // because one costs as much as a fifth of a whole request.
        let id = &*request_id;
        let span = tracing::debug_span!("request", request_id = id, otel.name = field::Empty);
        let mut response = self.answer(request, &request_id).instrument(span.clone()).await;
        let operation = response.data::<OperationId>().map_or("other", |operation| operation.0);
        self.finish(&mut response, &request_id, encrypted);
        if brings_much && !response.status().is_success() {
            // The rest of its body is not read; whoever keeps the connection must not count on it.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        let status = response.status().as_u16();
        let elapsed = started.elapsed();
        metrics::http_request(operation, status, elapsed);
        let duration_us = elapsed.as_micros() as u64;
        if status == StatusCode::INTERNAL_SERVER_ERROR.as_u16() {
            tracing::error!(
                operation,
                status,
                request_id = id,
                duration_us,
                "answered with a fault"
            );
        } else {
            span.in_scope(|| tracing::debug!(operation, status, duration_us, "answered"));
        }
        // How a collector calls the span; last, because lines of the log repeat what a span has.
        span.record("otel.name", operation);
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
}
