//! Merges an applied configuration into the live object.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Map, Value};

use crate::managed_fields::{is_leaf, item_element};
use crate::schema::Node;

/// `live` with everything `applied` sets.
pub(super) fn merge(live: &Value, applied: &Value, node: Option<Node<'_>>) -> Value {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) => Value::Object(objects(live, applied, node)),
        _ => applied.clone(),
    }
}

fn objects(
    live: &Map<String, Value>,
    applied: &Map<String, Value>,
    node: Option<Node<'_>>,
) -> Map<String, Value> {
    let mut merged = live.clone();
    for (name, value) in applied {
        let child = node.and_then(|n| n.field(name));
        let value = match live.get(name) {
            Some(old) => values(old, value, child),
            None => value.clone(),
        };
        merged.insert(name.clone(), value);
    }
    merged
}

fn values(live: &Value, applied: &Value, node: Option<Node<'_>>) -> Value {
    match (live, applied) {
        // Null stands for an empty map or list, and an empty one sets nothing.
        (Value::Object(_) | Value::Array(_), Value::Null) if !is_leaf(live, node) => live.clone(),
        (Value::Object(old), Value::Object(new)) if !is_leaf(live, node) => {
            if new.is_empty() {
                live.clone()
            } else {
                Value::Object(objects(old, new, node))
            }
        }
        (Value::Array(old), Value::Array(new)) if !is_leaf(live, node) => match node {
            Some(list) => Value::Array(lists(old, new, list)),
            None => applied.clone(),
        },
        _ => applied.clone(),
    }
}

/// The items of both: shared ones in the order of `applied`, others where they stand in `live`.
fn lists(live: &[Value], applied: &[Value], list: Node<'_>) -> Vec<Value> {
    let element = |item: &Value| item_element(item, list).unwrap_or_default();
    let left: Vec<String> = live.iter().map(element).collect();
    let right: Vec<String> = applied.iter().map(element).collect();
    let mut merge = ListMerge::new(live, applied, &left, &right, list);
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        match (left.get(l), right.get(r)) {
            (Some(a), Some(b)) if a == b => {
                merge.take_applied(r);
                (l, r) = (l + 1, r + 1);
            }
            // Shared, but another shared item comes first in the applied order.
            (Some(a), Some(_)) if merge.applied.contains_key(a.as_str()) && merge.not_yet(a) => l += 1,
            (Some(a), _) if !merge.applied.contains_key(a.as_str()) => {
                merge.out.push(live[l].clone());
                l += 1;
            }
            (a, b) => {
                if a.is_some_and(|a| merge.merged.contains(a.as_str())) {
                    l += 1;
                }
                if b.is_some() {
                    merge.take_applied(r);
                    r += 1;
                } else if a.is_some() && !a.is_some_and(|a| merge.merged.contains(a.as_str())) {
                    l += 1;
                }
            }
        }
    }
    merge.out
}

struct ListMerge<'v> {
    right: &'v [String],
    values: &'v [Value],
    list: Node<'v>,
    /// `None` for an item that occurs more than once: duplicates are not merged but replaced.
    live: HashMap<&'v str, Option<&'v Value>>,
    applied: HashMap<&'v str, usize>,
    merged: HashSet<&'v str>,
    /// Elements of both sides that are still to come, in the applied order.
    shared: VecDeque<&'v str>,
    out: Vec<Value>,
}

impl<'v> ListMerge<'v> {
    fn new(
        live: &'v [Value],
        values: &'v [Value],
        left: &'v [String],
        right: &'v [String],
        list: Node<'v>,
    ) -> Self {
        let mut by_element: HashMap<&str, Option<&Value>> = HashMap::with_capacity(left.len());
        for (element, value) in left.iter().zip(live) {
            by_element.entry(element).and_modify(|found| *found = None).or_insert(Some(value));
        }
        ListMerge {
            right,
            values,
            list,
            shared: right.iter().map(String::as_str).filter(|e| by_element.contains_key(e)).collect(),
            applied: right.iter().enumerate().map(|(index, e)| (e.as_str(), index)).collect(),
            live: by_element,
            merged: HashSet::new(),
            out: Vec::with_capacity(left.len().max(right.len())),
        }
    }

    fn not_yet(&self, element: &str) -> bool {
        self.shared.front().is_some_and(|next| *next != element)
    }

    fn take_applied(&mut self, index: usize) {
        let element = self.right[index].as_str();
        self.merged.insert(element);
        let value = match self.live.get(element).copied().flatten() {
            Some(old) => values(old, &self.values[index], self.list.items()),
            None => self.values[index].clone(),
        };
        self.out.push(value);
        if self.shared.front() == Some(&element) {
            self.shared.pop_front();
        }
    }
}
