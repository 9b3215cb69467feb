//! Removes what its applier no longer applies and nobody else owns.

use serde_json::{Map, Value};

use super::merge::merge;
use crate::managed_fields::{
    Entries, FieldSet, field_element, is_declared, is_leaf, item_element, name_of, owned_fields,
};
use crate::schema::Node;

/// `merged` holds `applied` already. `previous`: the applier's entry among `entries`; `fields`: what it
/// applies now.
pub(super) fn prune(
    merged: Value,
    applied: &Value,
    entries: &Entries,
    previous: usize,
    fields: &FieldSet,
    node: Option<Node<'_>>,
) -> Value {
    let last = with_named_fields(&entries.0[previous].fields, node);
    let others = entries.0.iter().enumerate().filter(|(index, _)| *index != previous);
    let mut managed = fields.clone();
    others.for_each(|(_, entry)| managed.add(&entry.fields));
    let managed = with_named_fields(&managed, node);

    let mut given_up = last.clone();
    given_up.subtract(&managed);
    if given_up.is_empty() {
        return merged;
    }

    let all = with_named_fields(&owned_fields(&merged, node), node);
    let left = |pruned: &Value| with_named_fields(&owned_fields(pruned, node), node);

    // Everything the applier had goes, then what anybody owns comes back, then what nobody had owned.
    let mut unowned = all.clone();
    unowned.subtract(&left(&without(&merged, &last, node)));
    unowned.subtract(&managed);
    let mut gone = all;
    gone.subtract(&left(&without(&merged, &unowned, node)));
    let pruned = without(&merged, &gone.intersection(&last), node);
    // A map that lost its last field went with it, though it may be applied empty.
    merge(&pruned, applied, node)
}

/// The set with the declared fields on the way to its members as members themselves.
fn with_named_fields(set: &FieldSet, node: Option<Node<'_>>) -> FieldSet {
    let mut full = set.clone();
    let mut way = Vec::new();
    add_named(set.tree(), node, &mut way, &mut full);
    full
}

fn add_named<'t>(
    tree: &'t Map<String, Value>,
    node: Option<Node<'_>>,
    way: &mut Vec<&'t str>,
    full: &mut FieldSet,
) {
    for (element, below) in tree.iter().filter(|(element, _)| *element != ".") {
        let Some(below) = below.as_object().filter(|below| !below.is_empty()) else { continue };
        way.push(element);
        let child = match name_of(element) {
            Some(name) => {
                if is_declared(node, name) && !below.contains_key(".") {
                    full.insert(way);
                }
                node.and_then(|n| n.field(name))
            }
            None => node.and_then(|n| n.items()),
        };
        add_named(below, child, way, full);
        way.pop();
    }
}

fn without(value: &Value, gone: &FieldSet, node: Option<Node<'_>>) -> Value {
    remove(value, gone.tree(), node).unwrap_or_else(|| Value::Object(Map::new()))
}

/// `None` when nothing is left. An atomic value that is only on the way to a removed path goes whole.
fn remove(value: &Value, gone: &Map<String, Value>, node: Option<Node<'_>>) -> Option<Value> {
    let below = |element: &str| gone.get(element).and_then(Value::as_object);
    let is_gone = |below: &Map<String, Value>| below.is_empty() || below.contains_key(".");
    match (value, node) {
        (Value::Object(_) | Value::Array(_), _) if is_leaf(value, node) => None,
        (Value::Object(fields), _) => {
            let mut kept = Map::new();
            for (name, value) in fields {
                let value = match below(&field_element(name)) {
                    None => Some(value.clone()),
                    Some(below) if is_gone(below) => None,
                    Some(below) => remove(value, below, node.and_then(|n| n.field(name))),
                };
                if let Some(value) = value {
                    kept.insert(name.clone(), value);
                }
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        (Value::Array(items), Some(list)) => {
            let keep = |item: &Value| {
                let element = item_element(item, list).unwrap_or_default();
                match below(&element) {
                    None => Some(item.clone()),
                    Some(below) if is_gone(below) => None,
                    Some(below) => remove(item, below, list.items()),
                }
            };
            let kept: Vec<Value> = items.iter().filter_map(keep).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        _ => Some(value.clone()),
    }
}
