//! `/docs`: the OpenAPI document as a page to read and to try.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use poem::endpoint::make_sync;
use poem::http::header;
use poem::{IntoEndpoint, Response, get};
use sha2::{Digest, Sha256};

/// The page, whose scripts and styles are part of it. Its policy names each of them by its hash
/// (Content Security Policy level 3, section 2.3.1), so that nothing else runs.
pub(super) fn page(html: String) -> impl IntoEndpoint {
    let scripts = hashes(&html, "script");
    let styles = hashes(&html, "style");
    let policy = format!(
        "default-src 'none'; script-src{scripts}; style-src{styles}; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    get(make_sync(move |_| {
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, &policy)
            .body(html.clone())
    }))
}

/// The hashes of what stands between the tags of one kind, as the policy wants them.
fn hashes(html: &str, tag: &str) -> String {
    let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
    let mut rest = html;
    let mut found = String::new();
    while let Some((_, element)) = rest.split_once(&open) {
        let Some((_, content)) = element.split_once('>') else { break };
        let Some((content, behind)) = content.split_once(&close) else { break };
        let hash = BASE64_STANDARD.encode(Sha256::digest(content.as_bytes()));
        found.push_str(&format!(" 'sha256-{hash}'"));
        rest = behind;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_script_is_named_by_its_hash() {
        let html = "<style>a{}</style><script charset='UTF-8'>let a;</script><script></script>";
        let (filled, empty) = ("let a;", "");
        let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
        assert_eq!(
            hashes(html, "script"),
            format!(" 'sha256-{}' 'sha256-{}'", hash(filled), hash(empty))
        );
        assert_eq!(hashes(html, "style"), format!(" 'sha256-{}'", hash("a{}")));
    }
}
