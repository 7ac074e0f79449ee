//! What browsers are told and what pages of others may not do: hosts, origins, policies, paths.

use reqwest::Method;
use serde_json::Value;
use tickerd::adapters::provider::Secret;

use crate::app::TestApp;
use crate::hostile::raw;

const KEY: &str = "an-old-clients-key";

/// Every method and path of the document, with something in the place of each parameter.
async fn operations(app: &TestApp) -> Vec<(Method, String)> {
    let document: Value = app.get("/openapi.json").await.json();
    let mut found = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let segment =
            |segment: &str| if segment.starts_with('{') { "9" } else { segment }.to_owned();
        let path: Vec<String> = path.split('/').map(segment).collect();
        for method in operations.as_object().expect("operations").keys() {
            let method = method.to_uppercase().parse().expect("a method");
            found.push((method, path.join("/")));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_another_host_or_site_drives_any_operation() {
    let app = TestApp::start().await;
    let operations = operations(&app).await;
    assert!(operations.len() > 30);
    for (method, path) in operations {
        for (headers, setting) in [
            (&[("host", "evil.example")][..], "server.allowed_hosts"),
            (&[("host", "localhost.evil.example:8000")], "server.allowed_hosts"),
            (&[("origin", "https://evil.example")], "server.cors_origins"),
            (&[("origin", "null")], "server.cors_origins"),
            (&[("sec-fetch-site", "cross-site")], "server.cors_origins"),
            (
                &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
                "server.cors_origins",
            ),
        ] {
            let mut request = app.http.request(method.clone(), format!("{}{path}", app.base));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = app.send(request).await;
            assert_eq!(answer.status, 403, "{method} {path} {headers:?}: {}", answer.text);
            let problem = answer.json();
            assert_eq!(problem["code"], "host-not-allowed");
            assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(setting)));
            assert_eq!(answer.header("access-control-allow-origin"), "", "{method} {path}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_origins_of_the_configuration_may_read_answers() {
    let app = TestApp::start_with(|config| {
        config.access.api_key = Secret::new(KEY);
        config.server.cors_origins = vec!["https://desk.example".into()];
    })
    .await;
    let ask = async |method: Method, origin: &str| {
        let request = app.http.request(method, format!("{}/prices", app.base));
        let request = request.header("origin", origin).header("sec-fetch-site", "cross-site");
        app.send(request.header("access-control-request-method", "POST").bearer_auth(KEY)).await
    };
    let allowed = ask(Method::GET, "https://desk.example").await;
    assert_eq!(allowed.status, 200, "{}", allowed.text);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://desk.example");
    assert_eq!(allowed.header("access-control-allow-credentials"), "");
    assert_eq!(ask(Method::OPTIONS, "https://desk.example").await.status, 204);
    for origin in
        ["https://evil.example", "http://desk.example", "https://desk.example.evil.example"]
    {
        for method in [Method::GET, Method::OPTIONS] {
            let refused = ask(method, origin).await;
            assert_eq!(refused.status, 403, "{origin}");
            assert_eq!(refused.header("access-control-allow-origin"), "", "{origin}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_its_headers_and_no_policy_is_unsafe() {
    let app = TestApp::start().await;
    let long = format!("/prices?symbol={}", "A".repeat(9_000));
    for path in
        ["/", "/docs", "/openapi.json", "/prices", "/nowhere", "/prices/x", &long, "/metrics"]
    {
        let answer = app.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src '"), "{path:.40}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path:.40}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path:.40}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{path:.40}");
        }
        assert!(!answer.header("x-request-id").is_empty(), "{path:.40}");
        assert_eq!(answer.header("server"), "", "{path:.40}");
    }
    // What the dashboard holds of script and style lies in files that its policy allows; the page of
    // the documentation names its own by their hashes.
    let page = app.get("/").await.text;
    for inline in ["<style", " style=", " onload=", " onclick=", "javascript:"] {
        assert!(!page.contains(inline), "{inline}");
    }
    let mut scripts = page.split("<script").skip(1).map(|rest| rest.split('>').next());
    assert!(scripts.all(|tag| tag.is_some_and(|tag| tag.contains("src="))), "{page}");
    assert!(app.get("/docs").await.header("content-security-policy").contains("'sha256-"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_reaches_a_file_that_is_no_part_of_the_dashboard() {
    let app = TestApp::start().await;
    for path in [
        "/../Cargo.toml",
        "/../../../../etc/passwd",
        "/assets/../../../../etc/passwd",
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%5c..%5cetc%5cpasswd",
        "/..\\..\\etc\\passwd",
        "//etc/passwd",
        "/etc/passwd",
        "/.git/config",
        "/.env",
        "/tickerd.toml",
        "/data/tickerd.redb",
        "/assets/",
        "/assets",
        "/index.html%00.png",
        "/docs/../etc/passwd",
        "/docs/%2e%2e/%2e%2e/etc/passwd",
        "/docs/swagger-ui.js/..",
        "file:///etc/passwd",
        "http://evil.example/etc/passwd",
        "/\u{202e}txt.exe",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = raw(&app, &request).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "403", "404"].contains(&status), "{path}: {answer}");
        assert!(!answer.contains("root:") && !answer.contains("[package]"), "{path}");
    }
    app.stop().await;
}
