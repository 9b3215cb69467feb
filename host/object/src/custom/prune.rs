//! Fields the schema does not know are dropped, and named for those who want to hear of it.

use serde_json::{Map, Value};

use super::schema::{Additional, Schema};

/// Fields of every object, whatever its schema says.
const OF_EVERY_OBJECT: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Drops unknown fields of a whole resource; returns their paths.
pub(crate) fn prune(schema: &Schema, object: &mut Value) -> Vec<String> {
    let mut dropped = Vec::new();
    value(schema, object, true, "", &mut dropped);
    dropped
}

fn value(schema: &Schema, value_: &mut Value, resource: bool, path: &str, dropped: &mut Vec<String>) {
    match value_ {
        Value::Object(fields) => object(schema, fields, resource, path, dropped),
        Value::Array(items) => {
            // A list without a schema for its items is kept as it is.
            let Some(item) = &schema.items else { return };
            for (index, each) in items.iter_mut().enumerate() {
                value(item, each, item.embedded, &format!("{path}[{index}]"), dropped);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn object(
    schema: &Schema,
    fields: &mut Map<String, Value>,
    resource: bool,
    path: &str,
    dropped: &mut Vec<String>,
) {
    fields.retain(|name, each| {
        let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if resource && OF_EVERY_OBJECT.contains(&name.as_str()) {
            return true;
        }
        if let Some(field) = schema.field(name) {
            value(field, each, field.embedded, &at, dropped);
            return true;
        }
        if schema.preserves_unknown || matches!(schema.additional, Additional::Any) {
            return true;
        }
        dropped.push(at);
        false
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pruned(schema: Value, mut object: Value) -> (Value, Vec<String>) {
        let dropped = prune(&Schema::parse(&schema), &mut object);
        (object, dropped)
    }

    #[test]
    fn unknown_fields_are_dropped_at_any_depth() {
        let schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": {
            "list": { "type": "array", "items": { "type": "object", "properties": { "a": { "type": "string" } } } },
            "map": { "type": "object", "additionalProperties": { "type": "object", "properties": { "b": {} } } },
        } } } });
        let object = json!({ "kind": "X", "metadata": { "any": 1 }, "other": 1,
            "spec": { "list": [{ "a": "1", "z": 2 }], "map": { "k": { "b": 1, "c": 2 } }, "x": null } });
        let (object, dropped) = pruned(schema, object);
        let expected = json!({ "kind": "X", "metadata": { "any": 1 },
            "spec": { "list": [{ "a": "1" }], "map": { "k": { "b": 1 } } } });
        assert_eq!(object, expected);
        assert_eq!(dropped, ["other", "spec.list[0].z", "spec.map.k.c", "spec.x"]);
    }

    #[test]
    fn unknown_fields_stay_where_the_schema_keeps_them() {
        let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
            "strict": { "type": "object", "properties": {} },
            "pod": { "type": "object", "x-kubernetes-embedded-resource": true },
        } });
        let object = json!({ "free": { "a": 1 }, "strict": { "a": 1 },
            "pod": { "kind": "Pod", "metadata": { "name": "p" }, "spec": {} } });
        let (object, dropped) = pruned(schema, object);
        assert_eq!(object["free"], json!({ "a": 1 }));
        assert_eq!(object["pod"], json!({ "kind": "Pod", "metadata": { "name": "p" } }));
        assert_eq!(dropped, ["pod.spec", "strict.a"]);
    }
}
