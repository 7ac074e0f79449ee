//! The embedded files over a real connection. They hold for the page in the dashboard's place too.

use tickerd::adapters::store::redb::RedbOptions;
use tickerd::services::live::LiveSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::service::Service;

async fn service(directory: &tempfile::TempDir) -> Service {
    Service::start(directory.path(), &RedbOptions::default(), LiveSettings::default()).await
}

fn header(response: &reqwest::Response, name: &str) -> String {
    let value = response.headers().get(name).unwrap_or_else(|| panic!("no {name}"));
    value.to_str().expect("text").to_owned()
}

/// A request as written, for what a client library would tidy up.
async fn raw(service: &Service, request_line: &str) -> String {
    let mut stream = TcpStream::connect(service.address).await.expect("a connection");
    let request = format!("{request_line}\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("read");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_page_comes_with_its_policy_and_is_validated_by_its_hash() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = service(&directory).await;
    let page = service.get("/").await;
    assert_eq!(page.status(), 200);
    assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&page, "cache-control"), "no-cache");
    assert_eq!(header(&page, "x-content-type-options"), "nosniff");
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{policy}");
    let etag = header(&page, "etag");
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 20, "{etag}");
    let length = header(&page, "content-length");
    let html = page.text().await.expect("text");
    assert_eq!(length, html.len().to_string());

    for (known, status) in [
        (etag.clone(), 304),
        (format!("W/{etag}"), 304),
        (format!("\"other\", {etag}"), 304),
        ("*".into(), 304),
        ("\"other\"".into(), 200),
        (etag.trim_matches('"').to_owned(), 200),
    ] {
        let request = service.client.get(service.url("/")).header("if-none-match", &known);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{known}");
        assert_eq!(header(&answer, "etag"), etag, "{known}");
    }
    service.stopped().await;
}

#[tokio::test]
async fn what_the_page_names_is_there_and_kept_for_good_where_hashed() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = service(&directory).await;
    let html = service.get("/").await.text().await.expect("text");
    let names = html.split('"').filter(|part| part.starts_with("/assets/"));
    for name in names {
        let file = service.get(name).await;
        assert_eq!(file.status(), 200, "{name}");
        let expected = match name.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            _ => "text/css; charset=utf-8",
        };
        assert_eq!(header(&file, "content-type"), expected, "{name}");
        assert!(header(&file, "cache-control").ends_with("immutable"), "{name}");
    }
    service.stopped().await;
}

#[tokio::test]
async fn head_is_get_without_the_body_and_other_methods_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = service(&directory).await;
    let get = service.get("/").await;
    let head = raw(&service, "HEAD / HTTP/1.1").await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", header(&get, "content-length"))));
    assert!(head.ends_with("\r\n\r\n"), "no body: {head}");
    let post = service.client.post(service.url("/")).send().await.expect("an answer");
    assert_eq!(post.status(), 405);
    assert_eq!(header(&post, "allow"), "GET, HEAD");
    assert_eq!(header(&post, "content-type"), "application/problem+json");
    service.stopped().await;
}

#[tokio::test]
async fn no_path_reaches_anything_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = service(&directory).await;
    for path in [
        "/assets/",
        "/assets/../index.html",
        "/assets/%2e%2e/index.html",
        "/../Cargo.toml",
        "/..%2fCargo.toml",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/assets\\..\\index.html",
        "/index.html%00",
    ] {
        let answer = raw(&service, &format!("GET {path} HTTP/1.1")).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "404"].contains(&status), "{path}: {answer}");
        assert!(!answer.contains("<html"), "{path}");
    }
    service.stopped().await;
}

#[tokio::test]
async fn the_documentation_still_works_beside_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = service(&directory).await;
    let docs = service.get("/docs").await;
    assert_eq!(docs.status(), 200);
    // Its page has its scripts inline, and its policy names them.
    let policy = docs.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    let page = docs.text().await.expect("a page");
    assert!(page.contains("SwaggerUIBundle") && page.contains("X-API-Key"), "the whole document");
    let document = service.get("/openapi.json").await.text().await.expect("text");
    for path in ["/v1/stream", "/v1/ws", "/prices/latest"] {
        assert!(document.contains(&format!("\"{path}\"")), "{path}");
    }
    assert_eq!(service.get("/v1/nothing").await.status(), 404);
    service.stopped().await;
}
