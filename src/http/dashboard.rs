//! The dashboard's files, embedded by `build.rs`: floor 4.
//!
//! Only the exact names of embedded files are answered; every other path goes on to the API, so no
//! path can reach anything else. Routes within the dashboard lie in the fragment of its address.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Body, Endpoint, IntoResponse, Request, Response};
use poem_openapi::OperationId;
use rust_embed::RustEmbed;

use super::error::ApiError;

/// Everything from our own host, nothing inline (web/README.md).
const POLICY: &str = "default-src 'self'; base-uri 'none'; object-src 'none'; \
                      frame-ancestors 'none'; form-action 'self'";

// `struct Files`, written by build.rs: it knows the directory, and rust-embed's own way to name one
// below OUT_DIR brings six more crates.
include!(concat!(env!("OUT_DIR"), "/files.rs"));

struct File {
    body: Bytes,
    content_type: &'static str,
    cache_control: &'static str,
    /// Strong: a hash of the bytes, in quotes.
    etag: HeaderValue,
}

/// Answers the dashboard's paths itself and hands all others on.
pub struct Dashboard<E> {
    files: Arc<HashMap<String, File>>,
    others: E,
}

impl<E> Dashboard<E> {
    pub fn before(others: E) -> Self {
        let files = Files::iter().filter_map(|name| {
            let file = Files::get(&name)?;
            let hash: String = file.metadata.sha256_hash()[..16]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let body = match file.data {
                std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
            };
            let path = if name == "index.html" { "/".to_owned() } else { format!("/{name}") };
            let file = File {
                body,
                content_type: content_type(&name),
                // Vite puts a hash of the content into the names of what lies there.
                cache_control: if name.starts_with("assets/") {
                    "public, max-age=31536000, immutable"
                } else {
                    "no-cache"
                },
                etag: HeaderValue::from_str(&format!("\"{hash}\"")).ok()?,
            };
            Some((path, file))
        });
        Self { files: Arc::new(files.collect()), others }
    }
}

impl<E: Endpoint> Endpoint for Dashboard<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let Some(file) = self.files.get(request.uri().path()) else {
            return self.others.call(request).await.map(IntoResponse::into_response);
        };
        let mut response = file.answer(&request);
        response.set_data(OperationId("dashboard"));
        Ok(response)
    }
}

impl File {
    fn answer(&self, request: &Request) -> Response {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let error = ApiError::new(status, "method-not-allowed", "method not allowed");
            let mut response = error.into_response();
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let mut response = Response::builder()
            .header(header::ETAG, self.etag.clone())
            .header(header::CACHE_CONTROL, self.cache_control)
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .finish();
        let known = request.headers().get_all(header::IF_NONE_MATCH).iter();
        if known.filter_map(|value| value.to_str().ok()).any(|known| self.is_among(known)) {
            response.set_status(StatusCode::NOT_MODIFIED);
            return response;
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        if request.method() == Method::GET {
            response.set_body(Body::from_bytes(self.body.clone()));
        }
        response
    }

    /// `If-None-Match` compares weakly (RFC 9110, section 13.1.2).
    fn is_among(&self, known: &str) -> bool {
        known.split(',').map(str::trim).any(|tag| {
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == self.etag.as_bytes()
        })
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml; charset=utf-8",
        "json" | "map" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
