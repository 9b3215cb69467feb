//! OpenAPI documents in protobuf, as gnostic's messages, which kubectl and client-go read.

mod v2;
mod v3;

use serde_json::{Map, Value};

use crate::protobuf::encode::{held as message, text, varint};

pub use v2::encode as v2;
pub use v3::encode as v3;

/// `x-…`, as YAML, of which JSON is a part.
fn extensions(out: &mut Vec<u8>, number: u32, holder: &Value) {
    let fields = holder.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("x-"));
    for (name, value) in fields {
        message(out, number, |out| {
            text(out, 1, name);
            message(out, 2, |out| any(out, value));
        });
    }
}

fn any(out: &mut Vec<u8>, value: &Value) {
    text(out, 2, &value.to_string());
}

/// Every entry of a map as a message of its name and its value.
fn named(out: &mut Vec<u8>, number: u32, map: &Value, write: impl Fn(&mut Vec<u8>, &Value)) {
    let none = Map::new();
    for (name, value) in map.as_object().unwrap_or(&none) {
        message(out, number, |out| {
            text(out, 1, name);
            message(out, 2, |out| write(out, value));
        });
    }
}

/// A message for an object that is there.
fn held(out: &mut Vec<u8>, number: u32, value: &Value, write: impl FnOnce(&mut Vec<u8>, &Value)) {
    if value.is_object() {
        message(out, number, |out| write(out, value));
    }
}

fn texts(out: &mut Vec<u8>, holder: &Value, fields: &[(u32, &str)]) {
    for (number, name) in fields {
        if let Some(value) = holder[*name].as_str() {
            text(out, *number, value);
        }
    }
}

fn booleans(out: &mut Vec<u8>, holder: &Value, fields: &[(u32, &str)]) {
    for (number, name) in fields {
        if holder[*name] == true {
            varint(out, *number, 1);
        }
    }
}

fn strings(out: &mut Vec<u8>, number: u32, values: &Value) {
    list(values).iter().filter_map(Value::as_str).for_each(|value| text(out, number, value));
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
