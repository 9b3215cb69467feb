//! Objects as upstream's types write them: what Go's JSON package leaves out because it is zero, and
//! what it writes though it is (`data/forms.txt`). Custom resources have no types; of them only
//! `metadata` is shaped.

use serde_json::{Map, Value};

use super::{Form, Node, ValueType};

/// Leaves out what is zero where upstream's types leave it out, and adds what they always write.
pub fn shape(node: Node<'_>, value: &mut Value) {
    walk(node, value, Mode::Stored);
}

/// As `shape`, but an empty list is not yet the same as none: who sent it comes to own it.
pub fn fill(node: Node<'_>, value: &mut Value) {
    walk(node, value, Mode::Sent);
}

/// Leaves out what is zero where upstream's types leave it out: to their defaulting it is absent.
pub fn drop_zeros(node: Node<'_>, value: &mut Value) {
    walk(node, value, Mode::Unfilled);
}

/// How far an object has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Without what is always written.
    Unfilled,
    /// As a client sent it.
    Sent,
    /// As it is stored.
    Stored,
}

fn walk(node: Node<'_>, value: &mut Value, mode: Mode) {
    match (node.value_type(), value) {
        (ValueType::Object, Value::Object(fields)) => object(node, fields, mode),
        (ValueType::Map, Value::Object(entries)) => {
            let Some(values) = node.values() else { return };
            entries.values_mut().for_each(|value| walk(values, value, mode));
        }
        (ValueType::Array, Value::Array(items)) => {
            let Some(item) = node.items() else { return };
            items.iter_mut().for_each(|value| walk(item, value, mode));
        }
        _ => {}
    }
}

fn object(node: Node<'_>, fields: &mut Map<String, Value>, mode: Mode) {
    let fill = mode != Mode::Unfilled;
    for data in node.field_data() {
        let (Some(name), Some(field)) = (node.schemas.name(data.name), node.at(data.node)) else { continue };
        if let Some(value) = fields.get_mut(name) {
            walk(field, value, mode);
        }
        match (data.form, fields.get(name)) {
            (Form::NotZero, Some(value)) if is_zero(value) => drop(fields.remove(name)),
            (Form::Always, None) if fill => {
                let mut value = zero(field);
                walk(field, &mut value, mode);
                fields.insert(name.into(), value);
            }
            // What is stored does not tell an empty list from none.
            (Form::Always, Some(Value::Array(items))) if mode == Mode::Stored && items.is_empty() => {
                fields.insert(name.into(), Value::Null);
            }
            (Form::Nullable, None) if fill => drop(fields.insert(name.into(), Value::Null)),
            _ => {}
        }
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Go's zero value as JSON.
fn zero(node: Node<'_>) -> Value {
    match node.value_type() {
        ValueType::Object => Value::Object(Map::new()),
        ValueType::String => "".into(),
        ValueType::Integer | ValueType::Number | ValueType::IntOrString => 0.into(),
        ValueType::Boolean => false.into(),
        ValueType::Quantity => "0".into(),
        ValueType::Map
        | ValueType::Array
        | ValueType::Time
        | ValueType::MicroTime
        | ValueType::Bytes
        | ValueType::Any => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schemas;
    use serde_json::json;

    fn shaped(definition: &str, mut value: Value) -> Value {
        shape(Schemas::builtin().root(definition).expect(definition), &mut value);
        value
    }

    #[test]
    fn zeros_are_left_out_or_written_as_upstreams_types_do() {
        let pod = json!({
            "metadata": { "name": "a", "labels": {}, "finalizers": [] },
            "spec": {
                "hostNetwork": false, "nodeName": "", "enableServiceLinks": false,
                "containers": [{ "name": "c", "stdin": false, "args": [], "resources": {} }],
                "volumes": [{ "name": "v", "emptyDir": {} }],
            },
        });
        let expected = json!({
            "metadata": { "name": "a" },
            "spec": {
                "enableServiceLinks": false,
                "containers": [{ "name": "c", "resources": {} }],
                "volumes": [{ "name": "v", "emptyDir": {} }],
            },
            "status": {},
        });
        assert_eq!(shaped("io.k8s.api.core.v1.Pod", pod), expected);
    }

    #[test]
    fn what_is_always_written_is_added() {
        let event = shaped("io.k8s.api.core.v1.Event", json!({ "metadata": {}, "involvedObject": {} }));
        assert_eq!((&event["eventTime"], &event["reportingComponent"]), (&Value::Null, &json!("")));
        assert!(event.as_object().expect("an object").contains_key("eventTime"));
        let role = shaped("io.k8s.api.rbac.v1.Role", json!({ "metadata": {}, "rules": [] }));
        assert_eq!(role, json!({ "metadata": {}, "rules": null }));
        let node = shaped("io.k8s.api.core.v1.Node", json!({ "metadata": {} }));
        assert_eq!(node["status"]["daemonEndpoints"], json!({ "kubeletEndpoint": { "Port": 0 } }));
    }
}
