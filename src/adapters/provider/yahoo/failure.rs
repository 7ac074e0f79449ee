//! What the replies of all Yahoo endpoints have in common: their failures.

use serde_json::Value;

use crate::adapters::provider::reply::Reply;
use crate::ports::provider::{FailureClass, ProviderError, QuotaWindow};

/// The failure that a reply of any endpoint tells; none when it may hold data.
pub fn failure_in(reply: &Reply) -> Option<ProviderError> {
    checked(reply).err()
}

/// The body's text, once status and error object are tested.
///
/// Errors come under `chart`, `quoteResponse` or, for the other endpoints, `finance` (fixture
/// yahoo/search-400-noq); a 429 is plain text.
pub(super) fn checked(reply: &Reply) -> Result<&str, ProviderError> {
    let error = reply.json().and_then(|body| error_of(&body));
    if let Some((code, description)) = error {
        let class = match code.as_str() {
            "Not Found" => FailureClass::UnknownSymbol,
            "Unauthorized" => FailureClass::Auth,
            "Forbidden" => FailureClass::Forbidden,
            "Too Many Requests" => FailureClass::RateLimited(QuotaWindow::Minute),
            "Bad Request" => FailureClass::BadRequest,
            _ => reply.class_of_status().unwrap_or(FailureClass::UpstreamError),
        };
        let why = if description.is_empty() { code } else { description };
        return Err(reply.failure(class, why));
    }
    if let Some(class) = reply.class_of_status() {
        return Err(reply.failure(class, "yahoo refused the call"));
    }
    let text = reply.text()?;
    if is_limit_text(text) {
        let class = FailureClass::RateLimited(QuotaWindow::Minute);
        return Err(reply.failure(class, "too many requests"));
    }
    reply.json_text()
}

/// `Too Many Requests` or `Edge: Too Many Requests`, as it also came without its status.
pub(super) fn is_limit_text(text: &str) -> bool {
    text.len() < 200 && text.contains("Too Many Requests")
}

fn error_of(body: &Value) -> Option<(String, String)> {
    let error = body.as_object()?.values().find_map(|member| member.get("error"))?;
    let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match error {
        Value::Null => None,
        Value::String(words) => Some((words.clone(), String::new())),
        _ => Some((text("code"), text("description"))),
    }
}
