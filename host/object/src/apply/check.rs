//! Whether a configuration is of its kind's schema, in the words of structured-merge-diff.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::managed_fields::{display_path, item_element};
use crate::schema::{ListType, Node, ValueType};

/// `None`: it is.
pub(super) fn errors(applied: &Value, node: Option<Node<'_>>) -> Option<String> {
    let mut found = Vec::new();
    if let Some(node) = node {
        check(applied, node, &mut Vec::new(), &mut found);
    }
    match &found[..] {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("errors:\n  {}", many.join("\n  "))),
    }
}

fn report(path: &[String], message: String, found: &mut Vec<String>) {
    let path = display_path(&path.iter().map(String::as_str).collect::<Vec<_>>());
    found.push(if path.is_empty() { message } else { format!("{path}: {message}") });
}

fn check(value: &Value, node: Node<'_>, path: &mut Vec<String>, found: &mut Vec<String>) {
    if value.is_null() {
        return;
    }
    let wrong = match node.value_type() {
        ValueType::Object | ValueType::Map => match value {
            Value::Object(fields) => return check_fields(fields, node, path, found),
            other => format!("expected map, got &{{{other}}}"),
        },
        ValueType::Array => match value {
            Value::Array(items) => return check_items(items, node, path, found),
            other => format!("expected list, got &{{{other}}}"),
        },
        ValueType::Integer | ValueType::Number if !value.is_number() => {
            format!("expected numeric (int or float), got {}", go_type(value))
        }
        ValueType::String | ValueType::Bytes if !value.is_string() => {
            format!("expected string, got &value.valueUnstructured{{Value:{value}}}")
        }
        ValueType::Boolean if !value.is_boolean() => format!("expected boolean, got &{{{value}}}"),
        ValueType::IntOrString | ValueType::Quantity | ValueType::Time | ValueType::MicroTime
            if value.is_object() || value.is_array() =>
        {
            format!("expected any scalar, got &{{{value}}}")
        }
        ValueType::Integer
        | ValueType::Number
        | ValueType::String
        | ValueType::Bytes
        | ValueType::Boolean
        | ValueType::IntOrString
        | ValueType::Quantity
        | ValueType::Time
        | ValueType::MicroTime
        | ValueType::Any => return,
    };
    report(path, wrong, found);
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(_) => "int64",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        Value::Null => "nil",
    }
}

fn check_fields(
    fields: &Map<String, Value>,
    node: Node<'_>,
    path: &mut Vec<String>,
    found: &mut Vec<String>,
) {
    for (name, value) in fields {
        path.push(format!("f:{name}"));
        match node.field(name) {
            Some(child) => check(value, child, path, found),
            None if node.value_type() == ValueType::Object && !is_open(node) => {
                report(path, "field not declared in schema".to_owned(), found);
            }
            None => {}
        }
        path.pop();
    }
}

/// Objects that take fields beyond their schema.
fn is_open(node: Node<'_>) -> bool {
    node.preserves_unknown() || node.is_embedded_resource() || node.fields().next().is_none()
}

fn check_items(items: &[Value], list: Node<'_>, path: &mut Vec<String>, found: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let element = match list.list_type() {
            ListType::Atomic => format!("i:{index}"),
            ListType::Set | ListType::Map(_) => match item_element(item, list) {
                Ok(element) => element,
                Err(why) => return report(path, format!("element {index}: {why}"), found),
            },
        };
        if !seen.insert(element.clone()) {
            report(path, format!("duplicate entries for key {}", display_path(&[&element])), found);
        }
        if let Some(node) = list.items() {
            path.push(element);
            check(item, node, path, found);
            path.pop();
        }
    }
}
