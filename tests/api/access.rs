//! Keys and roles, over real connections.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tickerd::adapters::provider::Secret;
use tickerd::model::Timestamp;
use tickerd::services::access::Refusal;

use crate::app::{Answer, NOW, TestApp};

/// Makes a key; `by` is none while the service is open.
async fn make_key(app: &TestApp, by: Option<&str>, body: &str) -> (String, String) {
    let request = app.http.post(format!("{}/v1/keys", app.base)).body(body.to_owned());
    let request = request.header("content-type", "application/json");
    let answer = app.send(with_key(request, by)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let text = |name: &str| answer.json()[name].as_str().expect("a text").to_owned();
    (text("id"), text("key"))
}

fn with_key(request: RequestBuilder, key: Option<&str>) -> RequestBuilder {
    match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    }
}

async fn get_with(app: &TestApp, path: &str, key: &str) -> Answer {
    app.send(app.http.get(format!("{}{path}", app.base)).bearer_auth(key)).await
}

/// A path of the document with something in the place of each parameter.
fn filled(path: &str) -> String {
    let segment = |segment: &str| match segment {
        "{symbol}" => "AAPL".to_owned(),
        "{asset_type}" => "stocks".to_owned(),
        "{name}" => "yahoo".to_owned(),
        "{job_id}" => "poll_9".to_owned(),
        other if other.starts_with('{') => "9".to_owned(),
        other => other.to_owned(),
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_refuses_no_key_a_lesser_a_revoked_and_an_expired_one() {
    let app = TestApp::start_with(|config| {
        // The matrix is about roles.
        config.limits.requests = 100_000.try_into().expect("a count");
        config.limits.routes.clear();
    })
    .await;
    let document = app.get("/openapi.json").await.json();
    let (_, admin) = make_key(&app, None, r#"{"role":"admin","name":"admin"}"#).await;
    let by = Some(admin.as_str());
    let (_, write) = make_key(&app, by, r#"{"role":"write"}"#).await;
    let (_, read) = make_key(&app, by, r#"{"role":"read"}"#).await;
    let (revoked_id, revoked) = make_key(&app, by, r#"{"role":"admin"}"#).await;
    let soon = Timestamp::parse(NOW).expect("a time").plus(std::time::Duration::from_secs(5));
    let expiring = format!(r#"{{"role":"admin","expires_at":"{soon}"}}"#);
    let (_, expired) = make_key(&app, by, &expiring).await;
    assert_eq!(get_with(&app, "/v1/keys", &expired).await.status, 200, "not expired yet");
    let revoke = app.http.delete(format!("{}/v1/keys/{revoked_id}", app.base));
    assert_eq!(app.send(revoke.bearer_auth(&admin)).await.status, 200);
    app.clock.advance(std::time::Duration::from_secs(5));
    let unknown = format!("{}x", &admin[..admin.len() - 1]);

    let keys = [("read", &read), ("write", &write), ("admin", &admin)];
    let refused = [
        (None, Refusal::Missing),
        (Some(&unknown), Refusal::Unknown),
        (Some(&revoked), Refusal::Revoked),
        (Some(&expired), Refusal::Expired),
    ];
    let rank = |role: &str| keys.iter().position(|(known, _)| *known == role);
    let mut n_checked = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("a name");
            let known = tickerd::http::roles::TABLE.iter().any(|(known, _)| *known == id);
            assert!(known, "{id} is not in the table of roles (src/http/roles.rs)");
            let ask = async |key: Option<&String>| {
                let method: Method = method.to_uppercase().parse().expect("a method");
                let request = app.http.request(method, format!("{}{}", app.base, filled(path)));
                // Only the head: a stream has no end.
                with_key(request, key.map(String::as_str)).send().await.expect("an answer")
            };
            let Some(needed) = operation["x-tickerd-role"].as_str() else {
                assert_eq!(operation["security"], Value::Array(Vec::new()), "{id}");
                assert!(ask(None).await.status().is_success(), "{id} is open");
                continue;
            };
            assert_eq!(operation["security"].as_array().map(Vec::len), Some(2), "{id}");
            n_checked += 1;
            for (key, why) in refused {
                let answer = ask(key).await;
                assert_eq!(answer.status(), 401, "{id}: {why:?}");
                assert!(answer.headers().contains_key("www-authenticate"), "{id}: {why:?}");
                let problem: Value = answer.json().await.expect("a problem");
                assert_eq!(problem["code"], format!("key-{}", why.name()), "{id}");
            }
            for (role, key) in keys {
                let answer = ask(Some(key)).await;
                if rank(role) >= rank(needed) {
                    let status = answer.status().as_u16();
                    assert!(![401, 403, 429, 500].contains(&status), "{id} as {role}: {status}");
                } else {
                    assert_eq!(answer.status(), 403, "{id} as {role}");
                    let problem: Value = answer.json().await.expect("a problem");
                    assert_eq!(problem["code"], "role-missing", "{id}");
                    let names_it = problem["detail"]
                        .as_str()
                        .is_some_and(|text| text.contains(&format!("`{needed}`")));
                    assert!(names_it, "{id}: {problem}");
                }
            }
        }
    }
    assert!(n_checked > 30, "only {n_checked} operations were checked");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_path_gets_around_a_key() {
    let app = TestApp::start().await;
    make_key(&app, None, r#"{"role":"admin"}"#).await;
    for path in [
        "/v1/keys",
        "/v1/keys/",
        "/v1//keys",
        "//v1/keys",
        "/v1/key%73",
        "/V1/keys",
        "/v1/./keys",
        "/v1/audit",
        "/api/v1/v1/keys",
        "/api/v1/prices/",
        "/v1/keys?",
        "/v1/keys%2f",
        "/v1%2fkeys",
        "/prices/%2e%2e/v1/keys",
        "/docs/../v1/keys",
        "/v1/keys;x",
        "/prices/1/history/",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let head = crate::hostile::raw(&app, &request).await;
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        assert!(["401", "404"].contains(&status.as_str()), "{path}: {head}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loopback_service_is_open_until_there_is_a_key() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/prices").await.status, 200);
    let forwarded = app.http.get(format!("{}/prices", app.base));
    let forwarded = app.send(forwarded.header("x-forwarded-for", "192.0.2.1")).await;
    assert_eq!(forwarded.status, 401, "a request from elsewhere needs a key");
    let (id, key) = make_key(&app, None, r#"{"role":"admin","name":"first"}"#).await;
    assert_eq!(app.get("/prices").await.status, 401);
    for header in ["authorization", "x-api-key"] {
        let value = if header == "x-api-key" { key.clone() } else { format!("bearer {key}") };
        let request = app.http.get(format!("{}/prices", app.base)).header(header, value);
        assert_eq!(app.send(request).await.status, 200, "{header}");
    }
    let keys = get_with(&app, "/v1/keys", &key).await;
    assert!(!keys.text.contains(key.rsplit('_').next().expect("a secret")), "{}", keys.text);
    let listed = keys.json()[0].clone();
    assert_eq!((&listed["id"], &listed["name"]), (&id.clone().into(), &"first".into()));
    assert_eq!(listed["last_used_at"], NOW);
    let revoke = app.http.delete(format!("{}/v1/keys/{id}", app.base)).bearer_auth(&key);
    assert_eq!(app.send(revoke).await.status, 200);
    assert_eq!(get_with(&app, "/prices", &key).await.status, 401);
    assert_eq!(app.get("/prices").await.status, 401, "the last key revoked does not open it");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_the_configuration_is_an_admin_key() {
    let app =
        TestApp::start_with(|config| config.access.api_key = Secret::new("an-old-clients-key"))
            .await;
    assert_eq!(app.get("/prices").await.status, 401);
    let request = app.http.get(format!("{}/v1/keys", app.base));
    let answer = app.send(request.header("x-api-key", "an-old-clients-key")).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "[]"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_is_refused() {
    let app = TestApp::start().await;
    for (label, body, pointer) in [
        ("role", r#"{"role":"root"}"#, "#/role"),
        ("name", r#"{"role":"read","name":""}"#, "#/name"),
        ("line break", r#"{"role":"read","name":"a\nb"}"#, "#/name"),
        ("past", r#"{"role":"read","expires_at":"2020-01-01T00:00:00Z"}"#, "#/expires_at"),
        ("no time", r#"{"role":"read","expires_at":"soon"}"#, "#/expires_at"),
        ("unknown", r#"{"role":"read","admin":true}"#, "#/admin"),
    ] {
        let answer = app.post("/v1/keys", body).await;
        assert_eq!(answer.status, 422, "{label}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{label}");
    }
    assert_eq!(app.delete("/v1/keys/nonsense").await.status, 404);
    assert_eq!(app.get("/v1/keys").await.text, "[]");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_in_the_trail_with_who_did_it() {
    let app = TestApp::start().await;
    app.post("/prices", r#"{"symbol":"A","price":1,"timestamp":"2024-06-01T00:00:00Z"}"#).await;
    let (id, key) = make_key(&app, None, r#"{"role":"admin"}"#).await;
    let send = async |method: Method, path: &str, body: &str| {
        let request = app.http.request(method, format!("{}{path}", app.base)).bearer_auth(&key);
        let request = request.header("x-request-id", "r-7");
        let request = request.header("content-type", "application/json").body(body.to_owned());
        app.send(request).await
    };
    let price = send(Method::GET, "/prices", "").await.json()[0]["id"].clone();
    send(Method::PUT, &format!("/prices/{price}"), r#"{"price":2}"#).await;
    send(Method::DELETE, &format!("/prices/{price}"), "").await;
    send(Method::POST, "/prices/batch", r#"[{"symbol":"B","price":1}]"#).await;
    send(Method::POST, "/prices", r#"{"symbol":"B","price":-1}"#).await;
    let job = send(Method::POST, "/prices/poll", r#"{"symbols":["A"],"interval":3600}"#).await;
    assert_eq!(job.status, 202, "{}", job.text);
    send(Method::PATCH, "/prices/poll/poll_1", r#"{"status":"paused"}"#).await;
    send(Method::POST, "/prices/delete-all-polling-jobs", "").await;
    assert_eq!(app.get("/prices").await.status, 401);
    let trail = get_with(&app, "/v1/audit", &key).await.json();
    let trail: Vec<&Value> = trail.as_array().expect("a list").iter().rev().collect();
    let told: Vec<_> = trail
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap_or("-");
            (text("actor"), text("action"), text("outcome"))
        })
        .collect();
    let me = id.as_str();
    assert_eq!(
        told,
        [
            ("local", "price.create", "done"),
            ("local", "key.create", "done"),
            (me, "price.correct", "done"),
            (me, "price.delete", "done"),
            (me, "price.batch", "done"),
            (me, "job.create", "done"),
            (me, "job.pause", "done"),
            (me, "job.delete", "1 done"),
            ("anonymous", "access.refused", "refused: missing"),
        ]
    );
    assert_eq!(trail[2]["request_id"], "r-7");
    assert_eq!(trail[2]["address"], "127.0.0.1");
    assert_eq!(trail[2]["target"], format!("prices/{price}"));
    assert_eq!(trail[5]["target"], "poll_1");
    assert_eq!(trail[8]["target"], "GET /prices");
    for (before, entry) in trail.iter().zip(&trail[1..]) {
        assert_eq!(entry["previous_hash"], before["hash"]);
    }
    let page = get_with(&app, "/v1/audit?limit=2&action=job.pause", &key).await.json();
    assert_eq!((page.as_array().map(Vec::len), &page[0]["sequence"]), (Some(1), &7.into()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn knocking_at_the_door_does_not_fill_the_trail() {
    let app = TestApp::start_with(|config| {
        config.access.api_key = Secret::new("an-old-clients-key");
        config.limits.requests = 100_000.try_into().expect("a count");
    })
    .await;
    for _ in 0..100 {
        assert_eq!(app.get("/prices").await.status, 401);
    }
    app.clock.advance(std::time::Duration::from_secs(60));
    app.get("/prices").await;
    let trail = get_with(&app, "/v1/audit", "an-old-clients-key").await.json();
    let entries = trail.as_array().expect("a list");
    assert_eq!(entries.len(), 12, "ten, the count of the rest, and the next");
    assert_eq!(entries[1]["target"], "90 more requests");
    app.stop().await;
}
