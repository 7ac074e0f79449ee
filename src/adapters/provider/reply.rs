//! An HTTP answer as the parsers see it, and the tests every answer passes first: status, then
//! content type and first byte (PROVIDERS.md section 1, "HTTP 200 proves nothing").

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::QuoteResults;
use super::figures::Change;
use crate::model::{Amount, Invalid};
use crate::model::{Currency, ProviderName, RawPayload, Symbol, TimeSource, Timestamp};
use crate::ports::provider::{FailureClass, ProviderError, QuotaWindow, Quote};

/// Longest part of a provider's own words that goes into a failure.
const DETAIL_CHARACTERS: usize = 160;

/// What came back for one request; the body is decoded and within the cap.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub content_type: String,
    /// What `Retry-After` asks for, counted from the receipt.
    pub retry_after: Option<Duration>,
    /// `name=value` of each `Set-Cookie`.
    pub cookies: Vec<String>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub(super) fn text(&self) -> Result<&str, ProviderError> {
        let text = std::str::from_utf8(&self.body)
            .map_err(|_| self.failure(FailureClass::BadPayload, "the body is not UTF-8"))?;
        Ok(text.trim_start_matches('\u{feff}').trim())
    }

    /// The body as text that starts like JSON.
    ///
    /// The content type is only used to explain: Alpha Vantage and text-typed proxies send JSON
    /// under other names, and HTML comes as `application/json` from some gateways.
    pub(super) fn json_text(&self) -> Result<&str, ProviderError> {
        let text = self.text()?;
        if text.starts_with(['{', '[']) {
            return Ok(text);
        }
        let found = match text.chars().next() {
            None => "an empty body".to_owned(),
            Some('<') => "a page".to_owned(),
            Some(_) => format!("`{}`", clip(&self.content_type)),
        };
        Err(self.failure(FailureClass::BadPayload, format!("{found} instead of JSON")))
    }

    /// The body as a JSON object; none when it is something else. For error bodies, which are
    /// never lists: the long ones are not read twice.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_str(self.json_text().ok().filter(|text| text.starts_with('{'))?).ok()
    }

    /// The whole JSON that `text` holds, as it was sent.
    pub(super) fn whole<'a>(&self, text: &'a str) -> Result<&'a RawValue, ProviderError> {
        let part = serde_json::from_str(text).map_err(|error| self.trouble(&error))?;
        self.readable(part)
    }

    /// The members of the JSON object that `text` holds, each as it was sent.
    pub(super) fn members<'a>(
        &self,
        text: &'a str,
    ) -> Result<BTreeMap<String, &'a RawValue>, ProviderError> {
        let members: BTreeMap<String, &'a RawValue> =
            serde_json::from_str(text).map_err(|error| self.trouble(&error))?;
        members.into_iter().map(|(name, part)| Ok((name, self.readable(part)?))).collect()
    }

    /// The items of the JSON array that `text` holds, each as it was sent.
    pub(super) fn items<'a>(&self, text: &'a str) -> Result<Vec<&'a RawValue>, ProviderError> {
        let items: Vec<&'a RawValue> =
            serde_json::from_str(text).map_err(|error| self.trouble(&error))?;
        items.into_iter().map(|part| self.readable(part)).collect()
    }

    /// Raw parts are only skimmed when they are cut out: nesting past the parser's depth and half
    /// of a surrogate pair show when they are read. Here, so that [`value_of`] cannot fail.
    fn readable<'a>(&self, part: &'a RawValue) -> Result<&'a RawValue, ProviderError> {
        match serde_json::from_str::<Value>(part.get()) {
            Ok(_) => Ok(part),
            Err(error) => Err(self.trouble(&error)),
        }
    }

    fn trouble(&self, error: &serde_json::Error) -> ProviderError {
        let why = match error.classify() {
            Category::Eof => "the JSON is truncated",
            Category::Data => "the JSON has another shape",
            Category::Syntax | Category::Io => "the JSON is broken",
        };
        self.failure(FailureClass::BadPayload, why)
    }

    /// A failure of this reply; carries `Retry-After` where waiting helps.
    pub(super) fn failure(&self, class: FailureClass, detail: impl AsRef<str>) -> ProviderError {
        let waiting_helps =
            matches!(class, FailureClass::RateLimited(_) | FailureClass::UpstreamError);
        ProviderError {
            class,
            detail: format!("{} (HTTP {})", clip(detail.as_ref()), self.status),
            retry_after: self.retry_after.filter(|_| waiting_helps),
        }
    }

    /// The class that the status alone tells; none for a success.
    pub(super) fn class_of_status(&self) -> Option<FailureClass> {
        class_of_status(self.status)
    }
}

/// The class of an HTTP status; none for 2xx.
pub(super) fn class_of_status(status: u16) -> Option<FailureClass> {
    Some(match status {
        200..=299 => return None,
        401 => FailureClass::Auth,
        402 | 403 | 451 => FailureClass::Forbidden,
        429 => FailureClass::RateLimited(QuotaWindow::Minute),
        408 => FailureClass::UpstreamError,
        400..=499 => FailureClass::BadRequest,
        // 3xx: a redirect off the host, which is not followed.
        _ => FailureClass::UpstreamError,
    })
}

/// The figures of a quote before it is put together.
pub(super) struct Reading<'a> {
    pub(super) price: Amount,
    pub(super) change: Change,
    pub(super) currency: Currency,
    pub(super) observed_at: (Timestamp, TimeSource),
    pub(super) part: &'a RawValue,
}

impl Reading<'_> {
    /// Volume is left out on purpose: providers send the day's running total or a sum in the quote
    /// currency, while bars add up what each price brought.
    pub(super) fn into_quote(self, symbol: &Symbol) -> Quote {
        let (observed_at, time_source) = self.observed_at;
        Quote {
            symbol: symbol.clone(),
            price: self.price,
            change: self.change.absolute,
            percent_change: self.change.percent,
            volume: None,
            currency: self.currency,
            observed_at,
            time_source,
            raw: Some(RawPayload(Arc::from(compact(self.part.get())))),
        }
    }
}

/// Reads one part that [`Reply::members`], [`Reply::items`] or [`Reply::whole`] cut out.
pub(super) fn value_of(part: &RawValue) -> Value {
    serde_json::from_str(part.get()).expect("parts are read once when they are cut out")
}

/// Gives each symbol the answer that `read` finds, in the order asked.
pub(super) fn each<'a>(
    symbols: impl IntoIterator<Item = &'a Symbol>,
    mut read: impl FnMut(&Symbol) -> Result<Quote, ProviderError>,
) -> QuoteResults {
    symbols.into_iter().map(|symbol| (symbol.clone(), read(symbol))).collect()
}

/// The failure of a symbol that the reply does not hold.
pub(super) fn absent(symbol: &Symbol) -> ProviderError {
    ProviderError::new(FailureClass::UnknownSymbol, format!("{symbol} is absent from the answer"))
}

/// A constant provider name as the checked type.
pub(super) fn provider_name(name: &'static str) -> ProviderName {
    ProviderName::parse(name).unwrap_or_else(|Invalid(why)| unreachable!("{name}: {why}"))
}

/// JSON text without the white space between its tokens.
pub(super) fn compact(json: &str) -> String {
    let mut compacted = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        if in_string {
            compacted.push(character);
            in_string = escaped || character != '"';
            escaped = character == '\\' && !escaped;
        } else if !character.is_ascii_whitespace() {
            compacted.push(character);
            in_string = character == '"';
        }
    }
    compacted
}

/// A provider's words made fit for a log line: short, one line, no query strings.
fn clip(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .map(|word| match word.find("://").and_then(|_| word.find('?')) {
            Some(query) => &word[..query],
            None => word,
        })
        .collect();
    words.join(" ").chars().take(DETAIL_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compacting_keeps_strings_numbers_and_order() {
        let sent = "{\n \"b\" : \"a \\\" b\\\\\" ,\t\"a\": [ 1.50, -2e5 ]\r\n}";
        assert_eq!(compact(sent), r#"{"b":"a \" b\\","a":[1.50,-2e5]}"#);
    }

    #[test]
    fn bodies_that_are_no_json_are_told_apart() {
        for (body, words) in [
            (&b""[..], "empty body"),
            (b"<html>", "a page"),
            (b"Too Many Requests", "text/plain"),
            (b"\xff\xfe", "UTF-8"),
        ] {
            let reply = Reply {
                status: 200,
                content_type: "text/plain".into(),
                body: body.to_vec(),
                ..Reply::default()
            };
            let error = reply.json_text().expect_err("no JSON");
            assert_eq!(error.class, FailureClass::BadPayload);
            assert!(error.detail.contains(words), "{error}");
        }
    }

    #[test]
    fn parts_that_cannot_be_read_are_a_bad_payload_and_no_panic() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(400), "]".repeat(400));
        let reply = Reply { status: 200, ..Reply::default() };
        for text in [deep.as_str(), r#"{"a":"\ud800"}"#, r#"{"a":1"#, r#"{"a":NaN}"#] {
            let error = reply.members(text).expect_err("nothing to read");
            assert_eq!(error.class, FailureClass::BadPayload, "{error}");
        }
    }

    #[test]
    fn failures_hold_no_query_string_and_are_short() {
        let reply = Reply { status: 400, ..Reply::default() };
        let words = format!("see https://host/path?apikey=secret\nnow {}", "x".repeat(900));
        let error = reply.failure(FailureClass::BadRequest, words);
        assert!(!error.detail.contains("secret") && error.detail.len() < 200, "{error}");
        assert!(error.detail.starts_with("see https://host/path now"), "{error}");
    }
}
