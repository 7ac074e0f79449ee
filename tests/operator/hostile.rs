//! What callers and providers say is never taken for a line of the log, and no secret gets into
//! logs, metrics, answers or files.

use std::path::Path;

use reqwest::Method;

use crate::service::Service;
use crate::upstream::{Behaviour, Canned, Upstream};

/// Told to the service, each in another way; none may be found again.
const KEY: &str = "canary-of-the-configuration";
const UNKNOWN_KEY: &str = "canary-of-a-stranger";
const PROVIDER_KEY: &str = "canary-of-a-provider";
const MADE_KEY_PREFIX: &str = "tkd_";

/// Every byte of every file below a directory.
fn all_bytes(directory: &Path, into: &mut Vec<u8>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all_bytes(&path, into);
        } else {
            into.extend(std::fs::read(&path).expect("a file"));
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_stay_in_their_line_and_secrets_are_nowhere() {
    let upstream = Upstream::start().await;
    // A provider that repeats the key, with a line break and colours around it.
    let echo = format!("{{\"error\":\"\\u001b[31m bad {PROVIDER_KEY}\\n2026 ERROR forged\"}}");
    upstream.on("/", Behaviour::Answer(Canned::new(401, "application/json", echo)));
    let url = upstream.url();
    for format in ["json", "text"] {
        let environment = [
            ("API_KEY", KEY),
            ("TICKERD_LOG__LEVEL", "trace,hyper=info,h2=info"),
            ("TICKERD_PROVIDERS__FINNHUB__API_KEY", PROVIDER_KEY),
            ("TICKERD_PROVIDERS__FINNHUB__BASE_URL", url.as_str()),
        ];
        let mut service = Service::start(&["--log-format", format], &environment);
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let long = "x".repeat(10_000);
        let ask = async |method: Method, path: &str, key: &str, body: &str| {
            let request = http.request(method, format!("{}{path}", service.base)).bearer_auth(key);
            let request = request.header("content-type", "application/json");
            let request = request.header("x-request-id", "a b\tERROR forged");
            request.header("user-agent", &long[..2_000]).body(body.to_owned()).send().await
        };
        let mut answers = Vec::new();
        for (method, path, body) in [
            (Method::GET, "/prices/latest?symbol=A%0d%0a2026%20ERROR%20forged", ""),
            (Method::GET, "/prices/%1b%5b31mERROR/moving-average", ""),
            (Method::GET, "/nowhere%0aERROR%20forged", ""),
            (Method::GET, "/prices/latest?symbol=AAPL", ""),
            (Method::POST, "/poll/AAPL?provider=finnhub", ""),
            (Method::POST, "/prices", r#"{"symbol":"A\nERROR forged","price":1}"#),
            (Method::POST, "/prices", r#"{"symbol":"A","price":1,"source":"\u001b[31mred"}"#),
            (Method::POST, "/prices", r#"{"symbol":"<img src=x onerror=1>","price":1}"#),
            (Method::POST, "/prices/poll", r#"{"symbols":["A"],"name":"n\n2026 ERROR forged"}"#),
            (Method::DELETE, "/v1/dead-letters/7?reason=n%0a2026%20ERROR%20forged", ""),
            (Method::GET, "/v1/audit?actor=%0aERROR%20forged&action=%1b[31m", ""),
            (Method::GET, "/metrics", ""),
            (Method::GET, "/v1/system", ""),
            (Method::GET, "/v1/providers", ""),
        ] {
            for key in [KEY, UNKNOWN_KEY] {
                let answer = ask(method.clone(), path, key, body).await.expect("an answer");
                assert!(answer.status() != 500, "{path}: {}", answer.status());
                answers.push(answer.text().await.expect("a body"));
            }
        }
        let name = format!(r#"{{"symbols":["A"],"name":"{long}"}}"#);
        assert_eq!(
            ask(Method::POST, "/prices/poll", KEY, &name).await.expect("an answer").status(),
            422
        );
        let made =
            ask(Method::POST, "/v1/keys", KEY, r#"{"role":"read"}"#).await.expect("an answer");
        let made: serde_json::Value = made.json().await.expect("JSON");
        let made = made["key"].as_str().expect("a key").to_owned();
        let secret = made.rsplit('_').next().expect("a secret").to_owned();
        assert!(made.starts_with(MADE_KEY_PREFIX));
        assert_eq!(ask(Method::GET, "/prices", &made, "").await.expect("an answer").status(), 200);
        service.terminate();

        let log = service.log();
        assert!(log.len() > 20, "at this level it tells much: {log:?}");
        for line in &log {
            let control = line.chars().find(|c| c.is_control() && *c != '\t');
            assert_eq!(control, None, "{line:?}");
            match format {
                "json" => {
                    assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}")
                }
                // Each begins with its time: none is the rest of another, or forged.
                _ => assert!(line.starts_with("20") && line[..30].contains('T'), "{line}"),
            }
        }
        let mut bytes = log.join("\n").into_bytes();
        bytes.extend(answers.join("\n").into_bytes());
        all_bytes(&service.directory.path().join("data"), &mut bytes);
        for canary in [KEY, UNKNOWN_KEY, PROVIDER_KEY, &secret] {
            assert!(!holds(&bytes, canary), "{canary} is in the log, an answer or a file");
        }
    }
}
