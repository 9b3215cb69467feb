//! Defaults of the schema, set where a field is absent, or null although it may not be.

use serde_json::{Map, Value};

use super::schema::{Additional, Schema};

/// Nulls that mean "absent" go, defaults come.
pub(crate) fn default(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(fields) => object(schema, fields),
        Value::Array(items) => {
            if let Some(item) = &schema.items {
                items.iter_mut().for_each(|each| default(item, each));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn object(schema: &Schema, fields: &mut Map<String, Value>) {
    fields.retain(|name, value| {
        !(value.is_null() && schema.properties.get(name).is_some_and(|field| !field.nullable))
    });
    for (name, field) in &schema.properties {
        if let Some(value) = &field.default
            && !fields.contains_key(name)
        {
            fields.insert(name.clone(), value.clone());
        }
        if let Some(value) = fields.get_mut(name) {
            default(field, value);
        }
    }
    if let Additional::Each(each) = &schema.additional {
        let unnamed = fields.iter_mut().filter(|(name, _)| !schema.properties.contains_key(*name));
        for (_, value) in unnamed {
            if value.is_null()
                && !each.nullable
                && let Some(set) = &each.default
            {
                *value = set.clone();
            }
            default(each, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn absent_and_wrongly_null_fields_are_set() {
        let schema = Schema::parse(&json!({ "type": "object", "properties": {
            "a": { "type": "string", "default": "A" },
            "b": { "type": "string", "default": "B", "nullable": true },
            "c": { "type": "string" },
            "d": { "type": "object", "default": {}, "properties": { "e": { "type": "integer", "default": 1 } } },
            "l": { "type": "array", "items": { "type": "object", "properties": { "f": { "default": true } } } },
        } }));
        let mut object = json!({ "a": null, "b": null, "c": null, "l": [{}, { "f": false }] });
        default(&schema, &mut object);
        let expected = json!({ "a": "A", "b": null, "d": { "e": 1 }, "l": [{ "f": true }, { "f": false }] });
        assert_eq!(object, expected);
        let once = object.clone();
        default(&schema, &mut object);
        assert_eq!(object, once);
    }
}
