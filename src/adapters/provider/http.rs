//! The HTTP client all providers share: one time-out for the whole answer, a cap on the decoded
//! body, no redirects off the host, and no key or query string in any error.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE};
use time::PrimitiveDateTime;
use time::macros::format_description;

use super::reply::Reply;
use super::{BuildError, ProviderSettings};
use crate::model::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::provider::{FailureClass, ProviderError};

/// The most that an answer with quotes may weigh, decoded.
pub(super) const QUOTES_BYTES: usize = 8 << 20;
/// The most that a list of assets may weigh, decoded.
pub(super) const ASSETS_BYTES: usize = 32 << 20;

/// How we name ourselves where a provider does not insist on a browser.
pub(super) const USER_AGENT: &str = concat!("tickerd/", env!("CARGO_PKG_VERSION"));

const MAX_REDIRECTS: usize = 3;
/// The longest wait we let a provider ask for; a month covers the longest quota.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(31 * 24 * 3_600);
/// Shorter keys are not looked for in bodies: they would hit ordinary words.
const SHORTEST_REDACTED_KEY: usize = 6;

/// Makes GET requests for one provider.
pub(super) struct HttpClient {
    client: reqwest::Client,
    timeout: Duration,
    key: Option<Vec<u8>>,
    clock: Arc<dyn Clock>,
}

impl HttpClient {
    pub(super) fn new(
        settings: &ProviderSettings,
        user_agent: &'static str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        let client = reqwest::Client::builder()
            .user_agent(user_agent)
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::custom(follow_on_the_same_host))
            .build()
            .map_err(|error| BuildError::Client { reason: error.without_url().to_string() })?;
        let key = settings.key().map(|key| key.reveal().as_bytes().to_vec());
        Ok(Self { client, timeout: settings.timeout, key, clock })
    }

    /// The time an answer is stamped with.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Asks for `url` and reads at most `limit_bytes` of decoded body. Any status is a reply.
    ///
    /// # Errors
    /// [`FailureClass::UpstreamError`] when nothing whole came in time,
    /// [`FailureClass::BadPayload`] when the body is over the cap, cut off or cannot be decoded.
    pub(super) async fn get(
        &self,
        url: Url,
        headers: HeaderMap,
        limit_bytes: usize,
    ) -> Result<Reply, ProviderError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let explain = |error| self.explain(&host, error);
        let mut response = self.client.get(url).headers(headers).send().await.map_err(explain)?;
        let mut reply = Reply {
            status: response.status().as_u16(),
            content_type: header_text(response.headers(), &reqwest::header::CONTENT_TYPE),
            retry_after: parse_retry_after(
                &header_text(response.headers(), &RETRY_AFTER),
                self.clock.now(),
            ),
            cookies: cookies(response.headers()),
            body: Vec::new(),
        };
        while let Some(chunk) = response.chunk().await.map_err(explain)? {
            if reply.body.len() + chunk.len() > limit_bytes {
                return Err(ProviderError::new(
                    FailureClass::BadPayload,
                    format!("{host} answered more than {} MiB", limit_bytes >> 20),
                ));
            }
            reply.body.extend_from_slice(&chunk);
        }
        // Alpha Vantage repeats the key in its limit message: past this line no body holds it.
        if let Some(key) = self.key.as_deref().filter(|key| key.len() >= SHORTEST_REDACTED_KEY) {
            blank_out(&mut reply.body, key);
        }
        Ok(reply)
    }

    #[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
    fn explain(&self, host: &str, error: reqwest::Error) -> ProviderError {
        // Time-outs first: one in the middle of a body is a decode error too.
        let (class, why) = if error.is_timeout() {
            let why = format!("{host} did not answer within {:?}", self.timeout);
            (FailureClass::UpstreamError, why)
        } else if error.is_connect() {
            let why = format!("cannot connect to {host}: {}", root_cause(&error));
            (FailureClass::UpstreamError, why)
        } else if error.is_redirect() {
            (FailureClass::UpstreamError, format!("{host} redirects in a circle"))
        } else if error.is_decode() || error.is_body() {
            (FailureClass::BadPayload, format!("the body from {host} is cut off or garbled"))
        } else {
            (FailureClass::UpstreamError, format!("{host} hung up without an answer"))
        };
        ProviderError::new(class, why)
    }
}

/// Where an API lives: the provider's host or the `base_url` that stands in for it.
#[derive(Debug, Clone)]
pub(super) struct BaseUrl(Url);

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl BaseUrl {
    /// The origin for paths that start with `prefix` (`/api/v3`); a `base_url` may be given with
    /// the prefix or without.
    pub(super) fn new(
        settings: &ProviderSettings,
        default: &str,
        prefix: &str,
    ) -> Result<Self, BuildError> {
        let text = settings.base_url.as_deref().unwrap_or(default).trim_end_matches('/');
        let text = text.strip_suffix(prefix).unwrap_or(text);
        let refuse = |reason: &str| BuildError::BadBaseUrl { reason: reason.to_owned() };
        let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(refuse("no http host"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it has a query or a fragment"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it has a user name or a password"));
        }
        Ok(Self(url))
    }

    /// The URL of a path given as segments, each percent-encoded whole, and a query.
    pub(super) fn join(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        // Yahoo wants these two encoded in a path (`^GSPC`, `EURUSD=X`); the URL standard does not.
        let path = url.path().replace('^', "%5E").replace('=', "%3D");
        url.set_path(&path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

/// One header that carries a secret.
///
/// # Errors
/// [`BuildError::KeyMalformed`] when the key cannot stand in a header.
pub(super) fn secret_header(name: &'static str, value: &str) -> Result<HeaderMap, BuildError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| BuildError::KeyMalformed)?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(HeaderName::from_static(name), value)]))
}

/// Reads `Retry-After` as seconds or as an HTTP date; a date in the past is no wait.
pub(super) fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(secs) => Duration::from_secs(secs),
        Err(_) => {
            let form = format_description!(
                "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
            );
            let date = PrimitiveDateTime::parse(text, form).ok()?.assume_utc();
            Timestamp::from_secs(date.unix_timestamp()).ok()?.since(now)
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn follow_on_the_same_host(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error("too many redirects");
    }
    let origin =
        |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port());
    let stays = attempt.previous().last().is_some_and(|from| origin(from) == origin(attempt.url()));
    if stays { attempt.follow() } else { attempt.stop() }
}

fn header_text(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    values
        .filter_map(|cookie| cookie.split(';').next())
        .map(|pair| pair.trim().to_owned())
        .collect()
}

fn blank_out(body: &mut [u8], key: &[u8]) {
    let mut start = 0;
    while let Some(found) = body[start..].windows(key.len()).position(|window| window == key) {
        body[start + found..start + found + key.len()].fill(b'*');
        start += found + key.len();
    }
}

/// The innermost reason, which names neither URL nor key: `connection refused` and the like.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_date() {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").expect("an instant");
        for (given, expected) in [
            ("53", Some(53)),
            ("0", Some(0)),
            ("Thu, 01 Jan 2026 00:02:00 GMT", Some(120)),
            ("Wed, 31 Dec 2025 00:00:00 GMT", Some(0)),
            ("99999999999", Some(31 * 24 * 3_600)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(parse_retry_after(given, now), expected, "{given}");
        }
    }

    #[test]
    fn a_base_url_is_taken_with_or_without_the_path_of_the_api() {
        for given in
            ["http://host:1", "http://host:1/", "http://host:1/api/v3", "http://host:1/api/v3/"]
        {
            let settings = ProviderSettings {
                enabled: true,
                api_key: None,
                base_url: Some(given.into()),
                timeout: Duration::from_secs(1),
            };
            let base = BaseUrl::new(&settings, "https://unused", "/api/v3").expect("a URL");
            let url = base.join(&["api", "v3", "a/b^c=d"], &[("q", "x y&z")]);
            assert_eq!(url.as_str(), "http://host:1/api/v3/a%2Fb%5Ec%3Dd?q=x+y%26z", "{given}");
        }
    }

    #[test]
    fn the_key_is_blanked_out_wherever_a_body_repeats_it() {
        let mut body = b"key SECRET1 and SECRET1SECRET1".to_vec();
        blank_out(&mut body, b"SECRET1");
        assert_eq!(body, b"key ******* and **************");
    }
}
