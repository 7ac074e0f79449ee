//! The `OpenAPI` document, completed: what every operation needs and what it may answer for want of
//! it, said once for all of them.

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
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (_, operations) in paths {
        for (_, operation) in operations.as_object_mut().into_iter().flatten() {
            describe(operation);
        }
    }
    document
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
