//! `/docs`: the API document, for people. Floor 4.
//!
//! The pages of Swagger UI as poem-openapi brings them hold script and style within, which our
//! policy forbids everywhere; here they are files of their own, and what is shown is the document
//! as it is served, roles included.

use bytes::Bytes;
use poem::http::{HeaderValue, header};
use poem::{Body, Response, Route};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const START: &str =
    "SwaggerUIBundle({ dom_id: '#ui', url: '/openapi.json', deepLinking: true });\n";

/// The page and its files. `bundle` is Swagger UI as one page; `version` keeps browsers from using
/// the files of another one.
pub(super) fn routes(bundle: &str, version: &str) -> Route {
    let between = |open: &str, close: &str| {
        let found = bundle.split_once(open).and_then(|(_, rest)| rest.split_once(close));
        Bytes::copy_from_slice(found.map_or("", |(found, _)| found).as_bytes())
    };
    let style = between("<style charset=\"UTF-8\">", "</style>");
    let script = between("<script charset=\"UTF-8\">", "</script>");
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>tickerd API</title>\
         <link rel=\"stylesheet\" href=\"/docs/swagger-ui.css?v={version}\">\
         <script src=\"/docs/swagger-ui.js?v={version}\" defer></script>\
         <script src=\"/docs/start.js?v={version}\" defer></script></head>\
         <body><div id=\"ui\"></div></body></html>\n"
    );
    Route::new()
        .at("/", file(Bytes::from(page), "text/html; charset=utf-8"))
        .at("/swagger-ui.css", file(style, "text/css; charset=utf-8"))
        .at("/swagger-ui.js", file(script, "text/javascript; charset=utf-8"))
        .at(
            "/start.js",
            file(Bytes::from_static(START.as_bytes()), "text/javascript; charset=utf-8"),
        )
}

fn file(body: Bytes, content_type: &'static str) -> poem::RouteMethod {
    poem::get(poem::endpoint::make_sync(move |_| {
        let is_page = content_type.starts_with("text/html");
        let caching = if is_page { "no-cache" } else { "public, max-age=86400" };
        let mut response = Response::builder().content_type(content_type).finish();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        response.set_body(Body::from_bytes(body.clone()));
        response
    }))
}
