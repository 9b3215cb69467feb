//! What values and types of a custom resource look like to its rules.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};

use super::schema::{Additional, Kind, List, Schema};
use crate::cel::{self, Key, Merge, Value};

/// An optional that may be empty.
pub(super) fn optional(value: Option<Value>) -> Value {
    value.map_or_else(Value::none, Value::some)
}

/// A value as rules see it: by its schema, with the fields its schema names.
pub(super) fn value(schema: &Schema, json: &Json, resource: bool) -> Value {
    match json {
        Json::Number(number) => match (schema.kind, number.as_i64()) {
            (Some(Kind::Number), _) | (_, None) => Value::Double(number.as_f64().unwrap_or(0.0)),
            (_, Some(whole)) => Value::Int(whole),
        },
        Json::String(text) => string(schema, text),
        Json::Array(items) => {
            let empty = Schema::default();
            let item = schema.items.as_deref().unwrap_or(&empty);
            let merge = match &schema.list {
                List::Atomic => None,
                List::Set => Some(Merge::Set),
                List::Map(keys) => Some(Merge::Map(keys.iter().map(|key| escaped(key)).collect())),
            };
            Value::List(cel::List {
                items: Arc::new(items.iter().map(|each| value(item, each, item.embedded)).collect()),
                merge: merge.map(Arc::new),
            })
        }
        Json::Object(fields) => object(schema, fields, resource),
        Json::Null | Json::Bool(_) => Value::from_json(json),
    }
}

/// Nulls are absent fields.
fn object(schema: &Schema, fields: &Map<String, Json>, resource: bool) -> Value {
    let present = fields.iter().filter(|(_, each)| !each.is_null());
    let entry = |(name, each): (&String, &Json)| match (schema.properties.get(name), &schema.additional) {
        (Some(field), _) => Some((escaped(name), value(field, each, field.embedded))),
        (None, Additional::Each(field)) => Some((name.clone(), value(field, each, field.embedded))),
        (None, _) if resource => of_every_object(name, each),
        (None, Additional::Any | Additional::None | Additional::Unspecified) => None,
    };
    Value::map(present.filter_map(entry).map(|(name, each)| (Key::String(name.into()), each)))
}

/// Of metadata only the names are there.
fn of_every_object(name: &str, json: &Json) -> Option<(String, Value)> {
    match name {
        "apiVersion" | "kind" => Some((name.to_owned(), Value::text(json.as_str().unwrap_or_default()))),
        "metadata" => {
            let known = ["name", "generateName"].into_iter();
            let fields = known.filter_map(|name| Some((name, Value::text(json[name].as_str()?))));
            Some((name.to_owned(), Value::fields(fields)))
        }
        _ => None,
    }
}

fn string(schema: &Schema, text: &str) -> Value {
    let typed = match schema.limits.format.as_deref() {
        Some("date-time" | "datetime") => cel::parse_timestamp(text).map(Value::Timestamp),
        Some("date") => cel::parse_timestamp(&format!("{text}T00:00:00Z")).map(Value::Timestamp),
        Some("duration") => cel::parse_duration(text).map(Value::Duration),
        Some("byte") => STANDARD.decode(text).ok().map(|bytes| Value::Bytes(bytes.into())),
        Some(_) | None => None,
    };
    typed.unwrap_or_else(|| Value::text(text))
}

/// A field's name as an identifier.
pub(crate) fn escaped(name: &str) -> String {
    if cel::RESERVED.contains(&name) || name == "__proto__" {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}
