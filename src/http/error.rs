//! Failures as RFC 9457 problems: one error type, one body.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};

use crate::ports::{StoreError, StoreErrorKind};
use crate::services::draft::FieldError;

/// What callers are told of a fault of the service.
const FAULT: &str = "a fault of the service; see the log";

/// A problem (RFC 9457).
#[derive(Debug, Clone, Object)]
#[oai(read_only_all)]
pub struct Problem {
    /// A URI that names the kind of problem.
    #[oai(rename = "type")]
    pub kind: String,
    /// The kind of problem in words, always the same for one `code`.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// A stable name for programs to decide on.
    pub code: String,
    /// The id of the request, also in `X-Request-Id` and in the log.
    pub request_id: String,
    /// What is wrong with which part of the input.
    #[oai(default, skip_serializing_if_is_empty)]
    pub errors: Vec<ProblemPart>,
}

/// What is wrong with one part of the input.
#[derive(Debug, Clone, Object)]
#[oai(read_only_all)]
pub struct ProblemPart {
    /// A JSON pointer into the body (`#/price`), or the name of a query parameter (`?limit`).
    pub pointer: String,
    pub detail: String,
}

/// A failure on its way out. The request id is put in by [`super::front`], which renders it.
#[derive(Debug, Clone)]
pub struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub detail: String,
    pub errors: Vec<ProblemPart>,
    pub retry_after_secs: Option<u64>,
    /// The methods of a path, when another was used.
    pub allow: Option<String>,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_secs: None,
            allow: None,
        }
    }

    /// What no caller is to blame for; the reason is in the log alone.
    pub fn fault() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-error", FAULT)
    }

    /// The path is there, but not with this method; `allow` are those it has.
    pub fn method_not_allowed(allow: &str) -> Self {
        let detail = format!("the method is not allowed here; there are: {allow}");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self { allow: Some(allow.to_owned()), ..Self::new(status, "method-not-allowed", detail) }
    }

    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// Input of the right form with values that cannot be.
    pub fn invalid(errors: Vec<ProblemPart>) -> Self {
        let detail = errors
            .iter()
            .map(|part| format!("{}: {}", part.pointer, part.detail))
            .collect::<Vec<_>>()
            .join("; ");
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { errors, ..Self::new(status, "validation-failed", detail) }
    }

    /// One query parameter with a value that cannot be.
    pub fn invalid_parameter(name: &str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![ProblemPart { pointer: format!("?{name}"), detail: detail.into() }])
    }

    fn title(&self) -> &'static str {
        match self.code {
            "validation-failed" => "The input is not valid",
            "malformed-body" => "The body cannot be read",
            "unknown-price" => "There is no such price",
            "unknown-symbol" => "There is no price of this symbol",
            "not-enough-data" => "There are not enough prices",
            "price-conflict" => "Another value is stored already",
            "key-missing" | "key-unknown" | "key-revoked" | "key-expired" => "A key is needed",
            "role-missing" => "The key may not do this",
            "host-not-allowed" => "This page or host name is not served",
            "rate-limited" => "Too many requests",
            "overloaded" => "Too much work is waiting",
            "store-full" => "The disk is full",
            "store-unavailable" => "The store does not answer",
            _ => self.status.canonical_reason().unwrap_or("Problem"),
        }
    }

    /// The body, with the id of the request.
    pub fn problem(&self, request_id: &str) -> Problem {
        Problem {
            kind: format!("urn:tickerd:problem:{}", self.code),
            title: self.title().to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.to_owned(),
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
        }
    }
}

impl From<Vec<FieldError>> for ApiError {
    fn from(errors: Vec<FieldError>) -> Self {
        let part = |error: FieldError| ProblemPart {
            pointer: format!("#/{}", error.field),
            detail: error.detail,
        };
        Self::invalid(errors.into_iter().map(part).collect())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request failed at the store");
        let (status, code, detail) = match error.kind {
            StoreErrorKind::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store-unavailable",
                "the store does not answer; nothing was changed",
            ),
            StoreErrorKind::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "too many writes wait already; nothing was changed",
            ),
            StoreErrorKind::Full => (
                StatusCode::INSUFFICIENT_STORAGE,
                "store-full",
                "there is no room left on the disk; nothing was changed",
            ),
            StoreErrorKind::Corrupt => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "store-corrupt",
                "stored data cannot be read; see the log",
            ),
        };
        let retry_after_secs = (error.kind != StoreErrorKind::Corrupt).then_some(1);
        Self { retry_after_secs, ..Self::new(status, code, detail) }
    }
}

impl From<ApiError> for poem::Error {
    fn from(error: ApiError) -> Self {
        let mut carrier = Self::from_response(error.clone().into_response());
        // The carrier's own data replaces that of the response it carries.
        carrier.set_data(error);
        carrier
    }
}

/// Carries the error as an extension; the front writes the body when it knows the request id.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.status).finish();
        if let Some(secs) = self.retry_after_secs {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if let Some(Ok(allow)) = self.allow.as_deref().map(HeaderValue::from_str) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"tickerd\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The content type of problems in the document.
struct ProblemPayload;

impl Payload for ProblemPayload {
    const CONTENT_TYPE: &'static str = "application/problem+json";

    fn schema_ref() -> MetaSchemaRef {
        Problem::schema_ref()
    }
}

/// The statuses any operation can answer besides its own.
const STATUSES: [(u16, &str); 14] = [
    (400, "The body cannot be read"),
    (403, "This host name is not served"),
    (404, "There is no such thing"),
    (405, "The method is not allowed here"),
    (408, "The body took too long to arrive"),
    (409, "The request contradicts what is stored"),
    (413, "The body is too large"),
    (414, "The address is too long"),
    (415, "The content type is not accepted"),
    (422, "The input is not valid"),
    (429, "Too many requests"),
    (500, "A fault of the service"),
    (503, "A part of the service is away"),
    (507, "The disk is full"),
];

impl ApiResponse for ApiError {
    fn meta() -> MetaResponses {
        let response = |(status, description)| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType {
                content_type: ProblemPayload::CONTENT_TYPE,
                schema: ProblemPayload::schema_ref(),
            }],
            headers: Vec::new(),
        };
        MetaResponses { responses: STATUSES.into_iter().map(response).collect() }
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

/// Any error the framework makes, as one of ours.
pub fn from_framework(error: poem::Error) -> Response {
    if error.is_from_response() {
        return error.into_response();
    }
    let ours = if let Some(parse) = error.downcast_ref::<poem_openapi::error::ParseParamError>() {
        ApiError::invalid_parameter(parse.name, clean(&parse.reason))
    } else if let Some(parse) = error.downcast_ref::<poem_openapi::error::ParsePathError>() {
        let pointer = format!("{{{}}}", parse.name);
        ApiError::invalid(vec![ProblemPart { pointer, detail: clean(&parse.reason) }])
    } else {
        let status = error.status();
        let code = match status {
            StatusCode::BAD_REQUEST => "bad-request",
            StatusCode::NOT_FOUND => "not-found",
            StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
            StatusCode::REQUEST_TIMEOUT => "request-timeout",
            StatusCode::PAYLOAD_TOO_LARGE => "body-too-large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported-media-type",
            StatusCode::UNPROCESSABLE_ENTITY => "validation-failed",
            _ if status.is_client_error() => "bad-request",
            _ => "internal-error",
        };
        let detail = if status.is_server_error() {
            tracing::error!(%error, "a request failed");
            FAULT.to_owned()
        } else if error.is::<poem::error::NotFoundError>() {
            "there is nothing here".to_owned()
        } else {
            error.to_string()
        };
        ApiError::new(status, code, detail)
    };
    let headers = error.into_response().headers().clone();
    let mut response = ours.into_response();
    if let Some(allow) = headers.get(header::ALLOW) {
        response.headers_mut().insert(header::ALLOW, allow.clone());
    }
    response
}

/// The framework's message without the framework's words around it.
fn clean(reason: &str) -> String {
    match reason.split_once("\": ") {
        Some((head, tail)) if head.starts_with("failed to parse \"") => tail.to_owned(),
        _ => reason.to_owned(),
    }
}
