//! The Postman collection is made from the OpenAPI document, one request an operation.
//!
//! Requests take their bodies from the examples of `docs/api.md`, so both show the same, and in the
//! same order: what one creates the next reads. Each has tests: the status is one of those that the
//! document promises, the answer names its request, failures are problem bodies.

use serde_json::{Value, json};

use crate::golden::{assert_current, read};
use crate::guide::{Example, examples};

/// Operations that a collection runner cannot play: streams do not end.
const WITHOUT_END: [&str; 2] = ["stream", "stream_ws"];

/// What every request is tested for.
const TESTS: &[&str] = &[
    "pm.test('the status is one that the document names', () => {",
    "  pm.expect(STATUSES).to.include(pm.response.code);",
    "});",
    "pm.test('the answer names its request', () => pm.response.to.have.header('X-Request-Id'));",
    "pm.test('it works, or says why not as a problem', () => {",
    "  if (pm.response.code >= 400) {",
    "    pm.expect(pm.response.headers.get('Content-Type')).to.include('application/problem+json');",
    "    pm.expect(pm.response.json()).to.include.keys('code', 'status', 'request_id');",
    "  }",
    "});",
    "const type = pm.response.headers.get('Content-Type') || '';",
    "if (type.includes('application/json')) {",
    "  const body = pm.response.json();",
    "  if (body.id && !pm.collectionVariables.get('id')) pm.collectionVariables.set('id', body.id);",
    "  if (body.job_id) pm.collectionVariables.set('job_id', body.job_id);",
    "  if (body.key) {",
    "    pm.collectionVariables.set('key_id', body.id);",
    "    if (!pm.collectionVariables.get('key')) pm.collectionVariables.set('key', body.key);",
    "  }",
    "}",
];

fn operation<'a>(document: &'a Value, name: &str) -> &'a Value {
    let paths = document["paths"].as_object().expect("paths").values();
    let mut operations = paths.flat_map(|path| path.as_object().expect("operations").values());
    operations.find(|operation| operation["operationId"] == name).expect("an operation")
}

/// What stands behind a flag of an example's curl, quoted or not.
fn argument<'a>(commands: &'a str, flag: &str) -> Option<&'a str> {
    let rest = commands.split_once(&format!(" {flag} "))?.1.trim_start();
    match rest.chars().next()? {
        quote @ ('\'' | '"') => rest[1..].split(quote).next(),
        _ => rest.split_whitespace().next(),
    }
}

fn item(document: &Value, example: &Example) -> Value {
    let operation = operation(document, &example.operation);
    let commands = example.commands.as_str();
    // What is done with each of a list is the example, not the list.
    let commands = commands.split_once("; do\n").map_or(commands, |(_, each)| each);
    let url = commands.split_once("\"$TICKERD").expect("an address").1.split('"').next();
    let url = url.expect("its end").replace("$ID", "{{id}}").replace("$JOB_ID", "{{job_id}}");
    let url = url.replace("$KEY_ID", "{{key_id}}").replace("$letter", "{{letter}}");
    let rows = commands.split_once("<<'ROWS'\n").map(|(_, rows)| rows.trim_end_matches("ROWS"));
    let body = rows.or_else(|| argument(commands, "-d"));
    let method = argument(commands, "-X").unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let header = argument(commands, "-H").and_then(|header| header.split_once(": "));
    // The collection has its own way to send a key.
    let content_type = header.filter(|(name, _)| *name != "Authorization");
    let statuses: Vec<u16> = operation["responses"]
        .as_object()
        .expect("answers")
        .keys()
        .filter_map(|status| status.parse().ok())
        .collect();
    let mut script = vec![format!("const STATUSES = {statuses:?};")];
    script.extend(TESTS.iter().map(|line| (*line).to_owned()));
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let query: Vec<Value> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    let mut request = json!({
        "method": method,
        "description": operation["summary"],
        "header": content_type
            .map(|(key, value)| vec![json!({ "key": key, "value": value })])
            .unwrap_or_default(),
        "url": {
            "raw": format!("{{{{base}}}}{url}"),
            "host": ["{{base}}"],
            "path": path.trim_start_matches('/').split('/').collect::<Vec<_>>(),
            "query": query,
        },
    });
    if let Some(body) = body {
        request["body"] = json!({ "mode": "raw", "raw": body });
    }
    json!({
        "name": example.operation,
        "event": [{ "listen": "test", "script": { "type": "text/javascript", "exec": script } }],
        "request": request,
    })
}

#[test]
fn the_postman_collection_is_current() {
    let document: Value = serde_json::from_str(&read("tests/golden/openapi.json")).expect("JSON");
    let examples = examples(&read("docs/api.md"));
    let shown = examples.iter().filter(|example| !WITHOUT_END.contains(&&*example.operation));
    let items: Vec<Value> = shown.map(|example| item(&document, example)).collect();
    let collection = json!({
        "info": {
            "name": "tickerd",
            "description": document["info"]["description"],
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "auth": {
            "type": "apikey",
            "apikey": [
                { "key": "key", "value": "X-API-Key" },
                { "key": "value", "value": "{{key}}" },
                { "key": "in", "value": "header" },
            ],
        },
        "variable": [
            { "key": "base", "value": "http://127.0.0.1:8000" },
            { "key": "key", "value": "" },
            { "key": "id", "value": "" },
            { "key": "job_id", "value": "" },
            { "key": "key_id", "value": "" },
            // There is none on a service that works: the answer is 404 then.
            { "key": "letter", "value": "1" },
        ],
        "item": items,
    });
    let text = serde_json::to_string_pretty(&collection).expect("JSON") + "\n";
    assert_current("deploy/postman/tickerd.json", &text);
}
