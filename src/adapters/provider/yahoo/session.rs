//! The cookie and the crumb that the quote call asks for (PROVIDERS.md section 3, "Crumb flow").
//! Both live in memory only.
//!
//! The consent pages that visitors from the EU are sent to are not walked: they lie on another
//! host. There the crumb is refused, which is a typed failure, and the fallback is asked.

use parking_lot::Mutex;
use reqwest::header::{COOKIE, HeaderMap, HeaderValue};

use super::failure::is_limit_text;
use crate::adapters::provider::http::{BaseUrl, HttpClient, QUOTES_BYTES};
use crate::adapters::provider::reply::Reply;
use crate::ports::provider::{FailureClass, ProviderError, QuotaWindow};

/// The longest text that is taken for a crumb; those seen are far shorter.
const LONGEST_CRUMB: usize = 64;

pub(super) struct Session {
    cookie_page: BaseUrl,
    held: Mutex<Option<Held>>,
}

#[derive(Clone)]
struct Held {
    cookie: HeaderMap,
    crumb: String,
}

impl Session {
    pub(super) fn new(cookie_page: BaseUrl) -> Self {
        Self { cookie_page, held: Mutex::new(None) }
    }

    /// The cookie header and the crumb, fetched when none are held. Two callers at once may both
    /// fetch; the later one's stay.
    ///
    /// # Errors
    /// When the crumb is refused.
    pub(super) async fn open(
        &self,
        http: &HttpClient,
        base: &BaseUrl,
    ) -> Result<(HeaderMap, String), ProviderError> {
        let held = self.held.lock().clone();
        if let Some(held) = held {
            return Ok((held.cookie, held.crumb));
        }
        // The page's status does not matter: it is a 404 that sets the cookie.
        let page =
            http.get(self.cookie_page.join(&[], &[]), HeaderMap::new(), QUOTES_BYTES).await?;
        let mut cookie = HeaderMap::new();
        if let Ok(mut value) = HeaderValue::from_str(&page.cookies.join("; ")) {
            value.set_sensitive(true);
            cookie.insert(COOKIE, value);
        }
        let url = base.join(&["v1", "test", "getcrumb"], &[]);
        let reply = http.get(url, cookie.clone(), QUOTES_BYTES).await?;
        let crumb = parse_crumb(&reply)?.to_owned();
        *self.held.lock() = Some(Held { cookie: cookie.clone(), crumb: crumb.clone() });
        Ok((cookie, crumb))
    }

    /// Forgets cookie and crumb, unless another caller has renewed them meanwhile.
    pub(super) fn drop_crumb(&self, crumb: &str) {
        let mut held = self.held.lock();
        if held.as_ref().is_some_and(|held| held.crumb == crumb) {
            *held = None;
        }
    }
}

/// Reads `/v1/test/getcrumb`, which is plain text.
///
/// # Errors
/// When it is not a crumb: refused, empty, a page or a limit message.
pub fn parse_crumb(reply: &Reply) -> Result<&str, ProviderError> {
    let text = reply.text().unwrap_or_default();
    if is_limit_text(text) {
        let class = FailureClass::RateLimited(QuotaWindow::Minute);
        return Err(reply.failure(class, "too many requests for a crumb"));
    }
    if let Some(class) = reply.class_of_status() {
        return Err(reply.failure(class, "no crumb was given"));
    }
    let is_crumb = !text.is_empty()
        && text.len() <= LONGEST_CRUMB
        && !text.contains(['<', '{', ' '])
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_crumb {
        Ok(text)
    } else {
        Err(reply.failure(FailureClass::Auth, "what came is no crumb"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_short_word_is_a_crumb() {
        let limited = FailureClass::RateLimited(QuotaWindow::Minute);
        for (status, body, expected) in [
            (200, "aB3/d.e0F1g", Ok("aB3/d.e0F1g")),
            (200, "", Err(FailureClass::Auth)),
            (200, "<html>", Err(FailureClass::Auth)),
            (200, "no crumb", Err(FailureClass::Auth)),
            (200, "Too Many Requests", Err(limited)),
            (429, "Edge: Too Many Requests", Err(limited)),
            (401, "{}", Err(FailureClass::Auth)),
            (500, "", Err(FailureClass::UpstreamError)),
        ] {
            let reply = Reply { status, body: body.into(), ..Reply::default() };
            assert_eq!(parse_crumb(&reply).map_err(|error| error.class), expected, "{body}");
        }
    }
}
