//! The `OpenAPI` document as it is served: floor 4.
//!
//! What `poem-openapi` writes says that a member may be left out, and not that it may be null,
//! which is what we answer. Clients generated from the document, our dashboard's among them, would
//! take every null for a number or a text.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// The document with every optional member of every schema marked as nullable.
///
/// Only the schemas are read and written anew; the rest stays as the text that it is.
pub(super) fn with_nulls(spec: &str) -> String {
    let written = "poem-openapi writes a JSON object";
    let mut document: BTreeMap<&str, Box<RawValue>> = serde_json::from_str(spec).expect(written);
    if let Some(components) = document.get_mut("components") {
        let mut parts: Value = serde_json::from_str(components.get()).expect(written);
        let schemas = parts["schemas"].as_object_mut().into_iter().flatten();
        schemas.for_each(|(_, schema)| mark_optional(schema));
        *components = serde_json::value::to_raw_value(&parts).expect("a value is JSON");
    }
    serde_json::to_string(&document).expect("a value is JSON")
}

fn mark_optional(schema: &mut Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let members = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, member) in members.into_iter().flatten() {
        // Without a type a member may be anything, null too.
        let is_typed = ["type", "allOf"].iter().any(|key| member.get(key).is_some());
        if is_typed && !required.iter().any(|one| one == name.as_str()) {
            member["nullable"] = true.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn optional_members_and_only_they_may_be_null() {
        let schema = json!({
            "required": ["kept"],
            "properties": {
                "kept": {"type": "string"},
                "number": {"type": "number"},
                "object": {"allOf": [{"$ref": "#/components/schemas/Other"}]},
                "anything": {},
            },
        });
        let spec = json!({"paths": {"/a": {}}, "components": {"schemas": {"One": schema}}});
        let done: Value = serde_json::from_str(&with_nulls(&spec.to_string())).expect("JSON");
        let members = &done["components"]["schemas"]["One"]["properties"];
        for (name, nullable) in
            [("kept", false), ("number", true), ("object", true), ("anything", false)]
        {
            assert_eq!(members[name].get("nullable").is_some(), nullable, "{name}");
        }
        assert_eq!(done["paths"], spec["paths"]);
    }
}
