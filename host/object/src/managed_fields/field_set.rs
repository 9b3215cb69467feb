//! Sets of paths in their wire form (`fieldsV1`).
//!
//! A node of the tree is an object. `{}` is a member without children; a member with children carries
//! `".": {}` beside them; a node without `.` is only on the way to its children. The root is no member.

use serde_json::{Map, Value};

use super::element::canonical;

type Tree = Map<String, Value>;

const SELF: &str = ".";

/// Paths that someone owns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FieldSet(Tree);

/// A node while it is made: whether it is a member, and what is below.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    pub member: bool,
    pub below: Tree,
}

impl Marks {
    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
    pub(crate) fn put(&mut self, element: impl FnOnce() -> String, child: Marks) {
        if let Some(node) = child.into_node() {
            self.below.insert(element(), node);
        }
    }
    fn into_node(mut self) -> Option<Value> {
        if self.is_empty() {
            return None;
        }
        if self.member && !self.below.is_empty() {
            self.below.insert(SELF.to_owned(), Value::Object(Tree::new()));
        }
        Some(Value::Object(self.below))
    }
}

impl From<Marks> for FieldSet {
    fn from(root: Marks) -> Self {
        FieldSet(root.below)
    }
}

impl FieldSet {
    /// Reads what a client sent; the error says why it cannot be read.
    pub fn from_wire(wire: &Value) -> Result<Self, String> {
        match wire {
            Value::Null => Ok(FieldSet::default()),
            Value::Object(tree) => read(tree).map(|marks| FieldSet(marks.below)),
            other => Err(format!("expected an object, got {other}")),
        }
    }
    /// Takes over what `into_wire` has given.
    pub(crate) fn from_own_wire(wire: Value) -> Self {
        match wire {
            Value::Object(tree) => FieldSet(tree),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                FieldSet::default()
            }
        }
    }
    pub fn into_wire(self) -> Value {
        Value::Object(self.0)
    }
    pub(crate) fn tree(&self) -> &Tree {
        &self.0
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Elements in wire form: `["f:spec", "f:replicas"]`.
    pub fn contains(&self, path: &[&str]) -> bool {
        let mut tree = &self.0;
        for (position, element) in path.iter().enumerate() {
            let Some(below) = tree.get(*element).and_then(Value::as_object) else { return false };
            if position + 1 == path.len() {
                return is_member(below);
            }
            tree = below;
        }
        false
    }

    pub fn insert(&mut self, path: &[&str]) {
        let Some((last, way)) = path.split_last() else { return };
        let mut marks = Marks { member: true, below: Tree::new() };
        for element in std::iter::once(last).chain(way.iter().rev()) {
            let mut parent = Marks::default();
            parent.put(|| (*element).to_owned(), marks);
            marks = parent;
        }
        self.add(&FieldSet(marks.below));
    }

    pub fn add(&mut self, other: &FieldSet) {
        add(&mut self.0, &other.0);
    }
    /// Removes the paths of `other`, not what is below them. True when something went.
    pub fn subtract(&mut self, other: &FieldSet) -> bool {
        subtract(&mut self.0, &other.0)
    }
    pub fn intersection(&self, other: &FieldSet) -> FieldSet {
        FieldSet(intersection(&self.0, &other.0).below)
    }

    /// Removes a dotted path of fields and everything below it.
    pub(crate) fn remove_below(&mut self, dotted: &str) {
        let names: Vec<String> = dotted.split('.').map(super::field_element).collect();
        remove_below(&mut self.0, &names);
    }

    /// Takes an element of the root alone, not what is below it.
    pub(crate) fn remove_member(&mut self, element: &str) {
        let Some(Value::Object(node)) = self.0.get_mut(element) else { return };
        if node.is_empty() {
            self.0.remove(element);
        } else {
            node.remove(SELF);
        }
    }

    /// Members before what is below them, as upstream walks a set.
    pub fn paths(&self) -> Vec<Vec<&str>> {
        let mut paths = Vec::new();
        walk(&self.0, &mut Vec::new(), &mut paths);
        paths
    }
}

pub(crate) fn is_member(node: &Tree) -> bool {
    node.is_empty() || node.contains_key(SELF)
}

fn children(node: &Tree) -> impl Iterator<Item = (&String, &Tree)> {
    node.iter().filter(|(element, _)| *element != SELF).filter_map(|(e, child)| Some((e, child.as_object()?)))
}

fn read(wire: &Tree) -> Result<Marks, String> {
    let mut marks = Marks { member: is_member(wire), below: Tree::new() };
    for (element, child) in wire.iter().filter(|(element, _)| *element != SELF) {
        let Some(element) = canonical(element)? else { continue };
        let child = child.as_object().ok_or_else(|| format!("{element} holds no object"))?;
        marks.put(|| element.into_owned(), read(child)?);
    }
    marks.member |= marks.below.is_empty();
    Ok(marks)
}

fn add(ours: &mut Tree, theirs: &Tree) {
    for (element, their_child) in children(theirs) {
        match ours.get_mut(element) {
            Some(Value::Object(our_child)) => {
                let member = is_member(our_child) || is_member(their_child);
                add(our_child, their_child);
                if member && !our_child.is_empty() && !our_child.contains_key(SELF) {
                    our_child.insert(SELF.to_owned(), Value::Object(Tree::new()));
                }
            }
            _ => {
                ours.insert(element.clone(), Value::Object(their_child.clone()));
            }
        }
    }
}

fn subtract(ours: &mut Tree, theirs: &Tree) -> bool {
    let mut changed = false;
    for (element, their_child) in children(theirs) {
        let Some(Value::Object(our_child)) = ours.get_mut(element) else { continue };
        let member = is_member(our_child);
        let lost = member && is_member(their_child);
        let below = subtract(our_child, their_child);
        if !lost && !below {
            continue;
        }
        changed = true;
        if lost {
            our_child.remove(SELF);
        }
        if our_child.len() == 1 && our_child.contains_key(SELF) {
            our_child.clear();
        }
        if our_child.is_empty() && (lost || !member) {
            ours.remove(element);
        }
    }
    changed
}

fn intersection(left: &Tree, right: &Tree) -> Marks {
    let mut marks = Marks::default();
    for (element, left_child) in children(left) {
        let Some(Value::Object(right_child)) = right.get(element) else { continue };
        let mut child = intersection(left_child, right_child);
        child.member = is_member(left_child) && is_member(right_child);
        marks.put(|| element.clone(), child);
    }
    marks
}

fn remove_below(tree: &mut Tree, way: &[String]) {
    let Some((element, rest)) = way.split_first() else { return };
    if rest.is_empty() {
        tree.remove(element);
        return;
    }
    let Some(Value::Object(child)) = tree.get_mut(element) else { return };
    let member = is_member(child);
    remove_below(child, rest);
    if child.len() == 1 && child.contains_key(SELF) {
        child.clear();
    }
    if child.is_empty() && !member {
        tree.remove(element);
    }
}

fn walk<'t>(tree: &'t Tree, way: &mut Vec<&'t str>, paths: &mut Vec<Vec<&'t str>>) {
    for (element, _) in children(tree).filter(|(_, child)| is_member(child)) {
        paths.push(way.iter().copied().chain([element.as_str()]).collect());
    }
    for (element, child) in children(tree) {
        way.push(element);
        walk(child, way, paths);
        way.pop();
    }
}
