//! The object's bytes with a hole where the store puts the revision.

use orch_store::Stamped;
use serde_json::{Map, Value};

/// Encodes an object; `metadata.resourceVersion` is the last field of `metadata`, and the hole.
pub fn stamp(object: &Value) -> Stamped {
    let mut head = Vec::with_capacity(1024);
    head.push(b'{');
    let mut tail = Vec::with_capacity(1024);
    tail.extend_from_slice(b"\"}");
    let none = Map::new();
    let fields = object.as_object().unwrap_or(&none);
    // Identity first, as upstream orders it: a reader of the first bytes knows what it has.
    for name in ["apiVersion", "kind"] {
        if let Some(value) = fields.get(name) {
            field(&mut head, name, value);
            head.push(b',');
        }
    }
    head.extend_from_slice(b"\"metadata\":{");
    let metadata = fields.get("metadata").and_then(Value::as_object).unwrap_or(&none);
    for (name, value) in metadata.iter().filter(|(name, _)| *name != "resourceVersion") {
        field(&mut head, name, value);
        head.push(b',');
    }
    head.extend_from_slice(b"\"resourceVersion\":\"");
    for (name, value) in fields.iter().filter(|(name, _)| !is_first(name)) {
        tail.push(b',');
        field(&mut tail, name, value);
    }
    tail.push(b'}');
    Stamped { head: head.into(), tail: tail.into() }
}

fn is_first(name: &str) -> bool {
    ["apiVersion", "kind", "metadata"].contains(&name)
}

fn field(out: &mut Vec<u8>, name: &str, value: &Value) {
    // Not through `Display`: that goes through the formatter for every token.
    let written = serde_json::to_writer(&mut *out, name).and_then(|()| {
        out.push(b':');
        serde_json::to_writer(&mut *out, value)
    });
    written.expect("writing JSON to memory cannot fail");
}

/// The bytes as they would be stored at a revision; for answers that are not.
pub fn stamped_at(object: &Value, revision: &str) -> bytes::Bytes {
    let Stamped { head, tail } = stamp(object);
    [&head[..], revision.as_bytes(), &tail[..]].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn head_revision_and_tail_make_the_object() {
        let mut object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"a\"b": "\u{1}\n"},
            "metadata": {"name": "x", "resourceVersion": "old", "labels": {"resourceVersion": "y"}},
        });
        let bytes = stamped_at(&object, "42");
        object["metadata"]["resourceVersion"] = "42".into();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), object);
        let bare: Value = serde_json::from_slice(&stamped_at(&json!({}), "1")).unwrap();
        assert_eq!(bare, json!({"metadata": {"resourceVersion": "1"}}));
    }
}
