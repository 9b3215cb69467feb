//! What a write changed, as sets of paths.

use std::cell::Cell;
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::element::{field_element, item_element};
use super::field_set::{FieldSet, Marks};
use crate::schema::{ListType, Node, ValueType};

/// The difference between two states of an object. Fields that nobody can own are left out.
#[derive(Debug, Default)]
pub(crate) struct Diff {
    /// Added or modified.
    pub changed: FieldSet,
    pub removed: FieldSet,
    /// A list whose items are told apart by keys has one without: nobody can say what changed.
    pub has_keyless_items: bool,
}

/// Fields of the object itself that never appear in `managedFields`.
pub(super) const UNOWNED: [&str; 2] = ["apiVersion", "kind"];
/// Fields of `metadata` that never appear in `managedFields`.
pub(super) const UNOWNED_METADATA: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// `old` may be missing (the object is new). Null is a value where upstream's types write it; of custom
/// resources it counts as missing.
pub(crate) fn compare(old: Option<&Value>, new: &Value, node: Option<Node<'_>>) -> Diff {
    let typed = node.and_then(|n| n.definition()).is_some_and(|name| name.starts_with("io.k8s."));
    // A new object is compared with what upstream's type is before anything is set.
    let blank = node.filter(|_| typed && old.is_none()).map(|node| {
        let mut blank = Value::Object(Map::new());
        crate::schema::shape(node, &mut blank);
        blank
    });
    let walk = Walk { typed, blank: blank.is_some(), keyless: Cell::new(false) };
    let none = Map::new();
    let old = old.or(blank.as_ref()).and_then(Value::as_object).unwrap_or(&none);
    let new = new.as_object().unwrap_or(&none);
    let mut diff = Sides::default();
    zip(old, new, walk.writes_null(node), |name, old, new| {
        if UNOWNED.contains(&name) {
            return;
        }
        let child = if name == "metadata" {
            let mut metadata = walk.metadata(old, new, node.and_then(|n| n.field(name)));
            // The field `metadata` itself is everybody's.
            metadata.changed.member = false;
            metadata.removed.member = false;
            metadata
        } else {
            walk.field(name, Side::present(old), new, node)
        };
        diff.put(|| field_element(name), child);
    });
    Diff { changed: diff.changed.into(), removed: diff.removed.into(), has_keyless_items: walk.keyless.get() }
}

#[derive(Default)]
struct Sides {
    changed: Marks,
    removed: Marks,
}

impl Sides {
    fn put(&mut self, element: impl FnOnce() -> String, child: Sides) {
        let (changed, removed) = (!child.changed.is_empty(), !child.removed.is_empty());
        match (changed, removed) {
            (false, false) => {}
            (true, false) => self.changed.put(element, child.changed),
            (false, true) => self.removed.put(element, child.removed),
            (true, true) => {
                let element = element();
                self.changed.put(|| element.clone(), child.changed);
                self.removed.put(|| element, child.removed);
            }
        }
    }
    fn changed() -> Self {
        Sides { changed: Marks { member: true, ..Marks::default() }, ..Sides::default() }
    }
    fn removed() -> Self {
        Sides { removed: Marks { member: true, ..Marks::default() }, ..Sides::default() }
    }
}

/// The old side of a comparison.
#[derive(Clone, Copy)]
struct Side<'v> {
    value: Option<&'v Value>,
    /// What holds this value was there before the write.
    parent_stood: bool,
}

impl<'v> Side<'v> {
    fn present(value: Option<&'v Value>) -> Self {
        Side { value, parent_stood: true }
    }
}

struct Walk {
    /// Built-in types are Go structs: some of their fields are there even when they are empty.
    typed: bool,
    /// The old side is a blank of its type: what is held by value stands there by itself.
    blank: bool,
    /// An item was met that has none of its list's keys.
    keyless: Cell<bool>,
}

enum Shape<'a> {
    Leaf,
    Map,
    List(Node<'a>),
}

fn shape<'a>(old: Option<&Value>, new: Option<&Value>, node: Option<Node<'a>>) -> Shape<'a> {
    // A null takes the other's shape.
    let [old, new] = [old, new].map(|side| side.filter(|value| !value.is_null()));
    let sample = new.or(old).unwrap_or(&Value::Null);
    if let (Some(old), Some(new)) = (old, new)
        && std::mem::discriminant(old) != std::mem::discriminant(new)
    {
        return Shape::Leaf;
    }
    match (sample, node) {
        (Value::Object(_), Some(node)) if node.is_atomic_map() => Shape::Leaf,
        (Value::Object(_), _) => Shape::Map,
        (Value::Array(_), Some(node)) => match node.list_type() {
            ListType::Map(_) | ListType::Set if node.value_type() == ValueType::Array => Shape::List(node),
            ListType::Map(_) | ListType::Set | ListType::Atomic => Shape::Leaf,
        },
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_), _) => {
            Shape::Leaf
        }
    }
}

/// Fields that upstream's Go types hold by value: an empty object of the kind already has them, so
/// creating one does not own them, only what is below.
fn held_by_value(parent: Option<Node<'_>>, name: &str, blank: bool) -> bool {
    let known = !blank
        && matches!(
            name,
            "metadata"
                | "spec"
                | "status"
                | "template"
                | "strategy"
                | "updateStrategy"
                | "jobTemplate"
                | "resources"
                | "source"
        );
    known || parent.is_some_and(|parent| parent.always_writes(name))
}

impl Walk {
    /// Whether null is a value of a field: upstream's type writes it where it has nothing.
    fn writes_null<'n>(&self, node: Option<Node<'n>>) -> impl Fn(&str) -> bool + use<'n> {
        let node = node.filter(|_| self.typed);
        move |name| node.is_some_and(|node| node.always_writes(name))
    }

    fn metadata(&self, old: Option<&Value>, new: Option<&Value>, node: Option<Node<'_>>) -> Sides {
        let none = Map::new();
        let old = old.and_then(Value::as_object).unwrap_or(&none);
        let new = new.and_then(Value::as_object).unwrap_or(&none);
        let mut sides = Sides::default();
        zip(old, new, self.writes_null(node), |name, old, new| {
            if !UNOWNED_METADATA.contains(&name) {
                sides.put(|| field_element(name), self.field(name, Side::present(old), new, node));
            }
        });
        sides
    }

    fn field(&self, name: &str, old: Side<'_>, new: Option<&Value>, parent: Option<Node<'_>>) -> Sides {
        let stood = old.value.is_some()
            || (self.typed && old.parent_stood && held_by_value(parent, name, self.blank));
        self.value(old.value, stood, new, parent.and_then(|n| n.field(name)))
    }

    fn value(&self, old: Option<&Value>, stood: bool, new: Option<&Value>, node: Option<Node<'_>>) -> Sides {
        let is_null = |side: Option<&Value>| side.is_some_and(Value::is_null);
        if is_null(old) || is_null(new) {
            return self.null(old, stood, new, node);
        }
        let mut sides = match shape(old, new, node) {
            Shape::Leaf => return leaf(old, new),
            Shape::Map => {
                let none = Map::new();
                let old = old.and_then(Value::as_object).unwrap_or(&none);
                let new_fields = new.and_then(Value::as_object).unwrap_or(&none);
                if old.is_empty() && new_fields.is_empty() && !stood {
                    return Sides::changed();
                }
                if old.is_empty() && new_fields.is_empty() {
                    return if new.is_none() { Sides::removed() } else { Sides::default() };
                }
                let mut sides = Sides::default();
                zip(old, new_fields, self.writes_null(node), |name, old, new| {
                    let side = Side { value: old, parent_stood: stood };
                    sides.put(|| field_element(name), self.field(name, side, new, node));
                });
                sides
            }
            Shape::List(list) => {
                let old_items = old.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                let new_items = new.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                if old_items.is_empty() && new_items.is_empty() {
                    return leaf(old, new);
                }
                if old_items == new_items {
                    return Sides::default();
                }
                self.list(old_items, new_items, list)
            }
        };
        sides.changed.member |= !stood && new.is_some();
        sides.removed.member |= new.is_none();
        sides
    }

    /// What is null on one side at least: an empty one of what stands on the other.
    fn null(&self, old: Option<&Value>, stood: bool, new: Option<&Value>, node: Option<Node<'_>>) -> Sides {
        let filled = |side: Option<&'_ Value>| side.is_some_and(|value| !value.is_null());
        let divisible = || {
            !matches!(shape(old.filter(|v| !v.is_null()), new.filter(|v| !v.is_null()), node), Shape::Leaf)
        };
        match (filled(old), filled(new)) {
            (false, true) if divisible() => self.value(None, true, new, node),
            (true, false) if divisible() => {
                let mut sides = self.value(old, true, None, node);
                sides.removed.member = false;
                sides
            }
            // What upstream's type writes by itself was there before.
            (false, false) if stood && old.is_none() => Sides::default(),
            _ => leaf(old, new),
        }
    }

    fn list(&self, old: &[Value], new: &[Value], list: Node<'_>) -> Sides {
        let item_node = list.items();
        let old = self.by_element(old, list);
        let mut new_by_element = self.by_element(new, list);
        let mut sides = Sides::default();
        for (element, old_items) in old {
            let new_items = new_by_element.remove(&element).unwrap_or_default();
            let child = self.item(&old_items, &new_items, item_node);
            sides.put(|| element, child);
        }
        for (element, new_items) in new_by_element {
            let child = self.item(&[], &new_items, item_node);
            sides.put(|| element, child);
        }
        sides
    }

    fn by_element<'v>(&self, items: &'v [Value], list: Node<'_>) -> HashMap<String, Vec<&'v Value>> {
        let mut found: HashMap<String, Vec<&Value>> = HashMap::with_capacity(items.len());
        for item in items {
            match item_element(item, list) {
                Ok(element) => found.entry(element).or_default().push(item),
                Err(_) => self.keyless.set(true),
            }
        }
        found
    }

    /// Items with one key: usually one on each side; several are compared as a whole.
    fn item(&self, old: &[&Value], new: &[&Value], node: Option<Node<'_>>) -> Sides {
        match (old, new) {
            ([_, _, ..], [_, _, ..]) => {
                if old == new {
                    Sides::default()
                } else {
                    Sides::changed()
                }
            }
            ([_, _, ..], rest) => {
                let mut sides = match rest.first() {
                    Some(item) => self.value(None, false, Some(item), node),
                    None => Sides::default(),
                };
                sides.removed.member = true;
                sides
            }
            (rest, [_, _, ..]) => {
                let mut sides = match rest.first() {
                    Some(item) => self.value(Some(item), true, None, node),
                    None => Sides::default(),
                };
                sides.changed.member = true;
                sides
            }
            (old, new) => {
                let (old, new) = (old.first().copied(), new.first().copied());
                self.value(old, old.is_some(), new, node)
            }
        }
    }
}

fn leaf(old: Option<&Value>, new: Option<&Value>) -> Sides {
    match (old, new) {
        (None, Some(_)) => Sides::changed(),
        (Some(_), None) => Sides::removed(),
        (Some(old), Some(new)) if old != new => Sides::changed(),
        (Some(_), Some(_)) | (None, None) => Sides::default(),
    }
}

/// Visits the fields of both in order; what is null counts as missing, but where null is written.
fn zip<'v>(
    old: &'v Map<String, Value>,
    new: &'v Map<String, Value>,
    writes_null: impl Fn(&str) -> bool,
    mut visit: impl FnMut(&str, Option<&'v Value>, Option<&'v Value>),
) {
    let filled = |(name, value): &(&String, &Value)| !value.is_null() || writes_null(name);
    let mut left = old.iter().filter(filled).peekable();
    let mut right = new.iter().filter(filled).peekable();
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let old = if order.is_le() { left.next() } else { None };
        let new = if order.is_ge() { right.next() } else { None };
        if let Some((name, _)) = old.or(new) {
            visit(name, old.map(|(_, v)| v), new.map(|(_, v)| v));
        }
    }
}
