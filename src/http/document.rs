//! The `OpenAPI` document, completed: what every operation needs and what it may answer for want of
//! it, said once for all of them, and the bounds of what bodies may hold.

use serde_json::{Value, json};

use super::roles::{self, Needs};

/// Adds the security schemes, the role of each operation, and the answers of the doors.
pub fn complete(spec: &str) -> Value {
    let mut document: Value = serde_json::from_str(spec).unwrap_or_default();
    document["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key: `Authorization: Bearer tkd_<id>_<secret>`"
        },
        "api_key": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "The same key for clients that cannot send the other header"
        }
    });
    for (schemas, member, bounds) in bounds() {
        for schema in schemas {
            let members = &mut document["components"]["schemas"][schema]["properties"];
            if let Some(Value::Object(member)) = members.get_mut(member) {
                member.extend(bounds.as_object().cloned().unwrap_or_default());
            }
        }
    }
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (_, operations) in paths {
        for (_, operation) in operations.as_object_mut().into_iter().flatten() {
            describe(operation);
        }
    }
    document
}

/// What members of bodies may hold, as far as a schema can say it: the checks themselves are those
/// of the model, which say more. By schema and member.
fn bounds() -> Vec<(&'static [&'static str], &'static str, Value)> {
    const PRICES: &[&str] = &["NewPrice", "CorrectedPrice"];
    const JOBS: &[&str] = &["NewJob", "JobPatch"];
    let symbol = json!({ "minLength": 1, "maxLength": 32, "pattern": "^[A-Za-z0-9./^=-]+$" });
    let provider = json!({ "minLength": 1, "maxLength": 32, "pattern": "^[A-Za-z0-9_.-]+$" });
    let printable = json!({ "minLength": 1, "maxLength": 100, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$" });
    let mut item = symbol.clone();
    item["type"] = json!("string");
    let symbols = json!({ "minItems": 1, "maxItems": 1000, "items": item });
    let below = 1_000_000_000_000_000_u64;
    vec![
        (PRICES, "symbol", symbol),
        (
            PRICES,
            "price",
            json!({ "minimum": 0, "exclusiveMinimum": true, "maximum": below, "exclusiveMaximum": true }),
        ),
        (PRICES, "volume", json!({ "minimum": 0, "maximum": below, "exclusiveMaximum": true })),
        (PRICES, "timestamp", json!({ "format": "date-time" })),
        (PRICES, "source", provider.clone()),
        (PRICES, "currency", json!({ "pattern": "^[A-Za-z0-9]{3,8}$" })),
        (PRICES, "external_id", json!({ "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$" })),
        (JOBS, "symbols", symbols),
        (JOBS, "interval", json!({ "minimum": 1, "maximum": 31_622_400 })),
        (JOBS, "cron", json!({ "minLength": 9, "maxLength": 100 })),
        (JOBS, "name", printable.clone()),
        (JOBS, "provider", provider),
        (&["JobPatch"], "status", json!({ "enum": ["active", "paused"] })),
        (&["NewKeyBody"], "role", json!({ "enum": ["read", "write", "admin"] })),
        (&["NewKeyBody"], "name", printable),
        (&["NewKeyBody"], "expires_at", json!({ "format": "date-time" })),
    ]
}

fn describe(operation: &mut Value) {
    let needs = roles::of(operation["operationId"].as_str().unwrap_or_default());
    let Needs::Role(role) = needs else {
        operation["security"] = json!([]);
        return;
    };
    operation["security"] = json!([{ "bearer": [] }, { "api_key": [] }]);
    operation["x-tickerd-role"] = json!(role.name());
    let challenge = json!({ "WWW-Authenticate": { "schema": { "type": "string" } } });
    let wait = json!({ "Retry-After": { "schema": { "type": "integer" } } });
    for (status, description, headers) in [
        ("401", "A key is needed, and this is none that is valid", challenge),
        ("403", "The key has too low a role, or the host name is not served", json!({})),
        ("429", "Too many requests", wait),
    ] {
        operation["responses"][status] = json!({
            "description": description,
            "headers": headers,
            "content": { "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" }
            } }
        });
    }
}
