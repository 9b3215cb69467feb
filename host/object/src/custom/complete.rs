//! Whether an object needs nothing: no unknown field to drop, no default to set. Most that are read are
//! so, and are then sent as they are stored.

use serde_json::{Map, Value};

use super::schema::{Additional, Schema};

/// True when pruning and defaulting would leave the value as it is.
pub(super) fn is_complete(schema: &Schema, value: &Value, resource: bool) -> bool {
    match value {
        Value::Object(fields) => object(schema, fields, resource),
        Value::Array(items) => {
            let item = schema.items.as_deref();
            item.is_none_or(|item| items.iter().all(|each| is_complete(item, each, item.embedded)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn object(schema: &Schema, fields: &Map<String, Value>, resource: bool) -> bool {
    let keeps = schema.preserves_unknown || matches!(schema.additional, Additional::Any);
    let known = fields.iter().all(|(name, value)| {
        let of_every_object = resource && matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
        match schema.field(name) {
            // Pruning leaves these alone, defaulting does not.
            Some(_) if value.is_null() => false,
            Some(field) => is_complete(field, value, field.embedded),
            None => keeps || of_every_object,
        }
    });
    known
        && schema.properties.iter().all(|(name, field)| field.default.is_none() || fields.contains_key(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{default, prune};
    use super::*;

    #[test]
    fn it_agrees_with_what_pruning_and_defaulting_do() {
        let schema = Schema::parse(&json!({ "type": "object", "properties": { "spec": { "type": "object",
            "properties": { "a": { "type": "string", "default": "x" }, "list": { "type": "array",
                "items": { "type": "object", "properties": { "b": { "type": "integer" } } } } } },
            "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }));
        let cases = [
            json!({ "kind": "K", "metadata": { "z": 1 }, "spec": { "a": "y" } }),
            json!({ "spec": {} }),
            json!({ "spec": { "a": "y", "list": [{ "b": 1 }, { "c": 1 }] } }),
            json!({ "spec": { "a": "y", "list": [{ "b": 1 }] }, "free": { "any": { "thing": null } } }),
            json!({ "other": 1 }),
        ];
        for object in cases {
            let mut changed = object.clone();
            prune::prune(&schema, &mut changed);
            default::default(&schema, &mut changed);
            assert_eq!(is_complete(&schema, &object, true), changed == object, "{object}");
        }
    }
}
