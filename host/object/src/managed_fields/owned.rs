//! The fields an applied configuration sets: what its applier comes to own.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::compare::{UNOWNED, UNOWNED_METADATA};
use super::element::{field_element, item_element};
use super::field_set::{FieldSet, Marks};
use crate::schema::{ListType, Node, ValueType};

/// Every path that `object` sets, leaves and items of sets and list maps.
pub(crate) fn owned_fields(object: &Value, node: Option<Node<'_>>) -> FieldSet {
    fields(object, node).into()
}

/// Takes out what nobody ever owns.
pub(crate) fn without_unowned(mut fields: FieldSet) -> FieldSet {
    UNOWNED.iter().for_each(|name| fields.remove_below(name));
    for name in UNOWNED_METADATA {
        fields.remove_below(&format!("metadata.{name}"));
    }
    fields.remove_member("f:metadata");
    fields
}

/// True when a struct declares the field; keys of maps and unknown fields are not declared.
pub(crate) fn is_declared(parent: Option<Node<'_>>, name: &str) -> bool {
    parent.is_some_and(|p| p.value_type() == ValueType::Object && p.field(name).is_some())
}

/// True for what is owned as one value.
pub(crate) fn is_leaf(value: &Value, node: Option<Node<'_>>) -> bool {
    match value {
        Value::Object(_) => node.is_some_and(|n| n.is_atomic_map()),
        Value::Array(_) => node
            .is_none_or(|n| n.value_type() != ValueType::Array || matches!(n.list_type(), ListType::Atomic)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn field(name: &str, value: &Value, parent: Option<Node<'_>>) -> Marks {
    let mut marks = marks(value, parent.and_then(|n| n.field(name)));
    let blank = value.is_null() || value.as_object().is_some_and(Map::is_empty);
    marks.member |= blank || !is_declared(parent, name);
    marks
}

fn marks(value: &Value, node: Option<Node<'_>>) -> Marks {
    match (value, node) {
        _ if is_leaf(value, node) => Marks { member: true, ..Marks::default() },
        (Value::Array(values), Some(list)) => items(values, list),
        _ => fields(value, node),
    }
}

fn fields(value: &Value, node: Option<Node<'_>>) -> Marks {
    let mut marks = Marks::default();
    for (name, value) in value.as_object().into_iter().flatten() {
        marks.put(|| field_element(name), field(name, value, node));
    }
    marks
}

/// An item that occurs twice is owned as one, without what is below.
fn items(values: &[Value], list: Node<'_>) -> Marks {
    let mut occurrences: HashMap<String, (usize, &Value)> = HashMap::with_capacity(values.len());
    for value in values {
        if let Ok(element) = item_element(value, list) {
            occurrences.entry(element).or_insert((0, value)).0 += 1;
        }
    }
    let mut found = Marks::default();
    for (element, (count, value)) in occurrences {
        let mut child = if count == 1 { marks(value, list.items()) } else { Marks::default() };
        child.member = true;
        found.put(|| element, child);
    }
    found
}
