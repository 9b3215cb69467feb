//! Nodes by stable index, and the pods that take room on them, bound or assumed. Every change of it
//! is told as [`Change`]s, in the order plugins must hear them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use orch_plugin::calls::NodeSet;
use serde_json::Value;

use crate::{nodeset, pod};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Node(u32, Arc<Value>),
    NodeGone(u32),
    Pod(Arc<str>, u32, Arc<Value>),
    PodGone(Arc<str>),
}

#[derive(Debug)]
struct Placed {
    node: Arc<str>,
    pod: Arc<Value>,
    /// Decided here, not yet seen bound.
    assumed: bool,
}

#[derive(Debug)]
struct Slot {
    name: Arc<str>,
    node: Arc<Value>,
}

#[derive(Debug, Default)]
pub(crate) struct Cluster {
    slots: Vec<Option<Slot>>,
    index: HashMap<Arc<str>, u32>,
    free: BinaryHeap<Reverse<u32>>,
    live: NodeSet,
    pods: HashMap<Arc<str>, Placed>,
    /// By node name, known or not: a pod may be seen before its node.
    on_node: HashMap<Arc<str>, HashSet<Arc<str>>>,
    priorities: BTreeMap<i64, usize>,
}

impl Cluster {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// The indexes in use.
    pub fn live(&self) -> &NodeSet {
        &self.live
    }

    pub fn node_name(&self, index: u32) -> Option<&Arc<str>> {
        self.slots.get(index as usize)?.as_ref().map(|slot| &slot.name)
    }

    pub fn is_assumed(&self, uid: &str) -> bool {
        self.pods.get(uid).is_some_and(|placed| placed.assumed)
    }

    pub fn upsert_node(&mut self, node: Arc<Value>) -> Vec<Change> {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        if let Some(&index) = self.index.get(name) {
            if let Some(Some(slot)) = self.slots.get_mut(index as usize) {
                slot.node = node.clone();
            }
            return vec![Change::Node(index, node)];
        }
        let name: Arc<str> = name.into();
        let index = self.take_index();
        self.slots[index as usize] = Some(Slot { name: name.clone(), node: node.clone() });
        self.index.insert(name.clone(), index);
        nodeset::insert(&mut self.live, index);
        let mut changes = vec![Change::Node(index, node)];
        for uid in self.on_node.get(&name).into_iter().flatten() {
            changes.push(Change::Pod(uid.clone(), index, self.pods[uid].pod.clone()));
        }
        changes
    }

    fn take_index(&mut self) -> u32 {
        if let Some(Reverse(index)) = self.free.pop() {
            return index;
        }
        self.slots.push(None);
        self.slots.len() as u32 - 1
    }

    /// Pods of the node stay on record: they come back with it, or go when they are deleted.
    pub fn remove_node(&mut self, name: &str) -> Vec<Change> {
        let Some(index) = self.index.remove(name) else { return Vec::new() };
        self.slots[index as usize] = None;
        self.free.push(Reverse(index));
        nodeset::remove(&mut self.live, index);
        let pods = self.on_node.get(name).into_iter().flatten();
        let mut changes: Vec<Change> = pods.map(|uid| Change::PodGone(uid.clone())).collect();
        changes.push(Change::NodeGone(index));
        changes
    }

    pub fn place(&mut self, uid: &Arc<str>, node: &str, pod: Arc<Value>, assumed: bool) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.pods.get(uid).is_some_and(|placed| *placed.node != *node) {
            changes = self.remove_pod(uid);
        }
        let name: Arc<str> = match self.index.get_key_value(node) {
            Some((name, _)) => name.clone(),
            None => node.into(),
        };
        *self.priorities.entry(pod::priority(&pod)).or_default() += 1;
        self.on_node.entry(name.clone()).or_default().insert(uid.clone());
        let placed = Placed { node: name, pod: pod.clone(), assumed };
        if let Some(before) = self.pods.insert(uid.clone(), placed) {
            self.forget_priority(pod::priority(&before.pod));
        }
        if let Some(&index) = self.index.get(node) {
            changes.push(Change::Pod(uid.clone(), index, pod));
        }
        changes
    }

    pub fn remove_pod(&mut self, uid: &str) -> Vec<Change> {
        let Some((uid, placed)) = self.pods.remove_entry(uid) else { return Vec::new() };
        self.forget_priority(pod::priority(&placed.pod));
        if let Some(pods) = self.on_node.get_mut(&placed.node) {
            pods.remove(&uid);
            if pods.is_empty() {
                self.on_node.remove(&placed.node);
            }
        }
        if self.index.contains_key(&placed.node) { vec![Change::PodGone(uid)] } else { Vec::new() }
    }

    fn forget_priority(&mut self, priority: i64) {
        if let Some(count) = self.priorities.get_mut(&priority) {
            *count -= 1;
            if *count == 0 {
                self.priorities.remove(&priority);
            }
        }
    }

    /// The nodes with a pod of lower priority: where preemption could help at all.
    pub fn with_lower_priority(&self, priority: i64) -> NodeSet {
        let mut nodes = NodeSet::new();
        if self.priorities.first_key_value().is_none_or(|(lowest, _)| *lowest >= priority) {
            return nodes;
        }
        for placed in self.pods.values().filter(|placed| pod::priority(&placed.pod) < priority) {
            if let Some(&index) = self.index.get(&placed.node) {
                nodeset::insert(&mut nodes, index);
            }
        }
        nodes
    }

    /// The whole state, for a plugin that has none yet.
    pub fn everything(&self) -> Vec<Change> {
        let mut changes = Vec::with_capacity(self.index.len() + self.pods.len());
        for (index, slot) in self.slots.iter().enumerate() {
            if let Some(slot) = slot {
                changes.push(Change::Node(index as u32, slot.node.clone()));
            }
        }
        for (uid, placed) in &self.pods {
            if let Some(&index) = self.index.get(&placed.node) {
                changes.push(Change::Pod(uid.clone(), index, placed.pod.clone()));
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str) -> Arc<Value> {
        Arc::new(json!({ "metadata": { "name": name } }))
    }
    fn pod(priority: i64) -> Arc<Value> {
        Arc::new(json!({ "spec": { "priority": priority } }))
    }

    #[test]
    fn an_index_is_stable_and_reused_after_removal() {
        let mut cluster = Cluster::default();
        for name in ["a", "b", "c"] {
            cluster.upsert_node(node(name));
        }
        assert_eq!(cluster.upsert_node(node("b")), [Change::Node(1, node("b"))]);
        assert_eq!(cluster.remove_node("a"), [Change::NodeGone(0)]);
        assert_eq!(cluster.upsert_node(node("d")), [Change::Node(0, node("d"))]);
        assert_eq!(cluster.len(), 3);
        assert!(cluster.remove_node("zz").is_empty());
    }

    #[test]
    fn pods_leave_before_their_node_and_return_with_it() {
        let mut cluster = Cluster::default();
        let uid: Arc<str> = "u".into();
        assert!(cluster.place(&uid, "a", pod(0), false).is_empty(), "its node is not known yet");
        assert_eq!(
            cluster.upsert_node(node("a")),
            [Change::Node(0, node("a")), Change::Pod(uid.clone(), 0, pod(0))]
        );
        assert_eq!(cluster.remove_node("a"), [Change::PodGone(uid.clone()), Change::NodeGone(0)]);
        assert!(cluster.remove_pod("u").is_empty());
        assert_eq!(cluster.upsert_node(node("a")).len(), 1);
    }

    #[test]
    fn a_pod_that_is_seen_elsewhere_moves() {
        let mut cluster = Cluster::default();
        cluster.upsert_node(node("a"));
        cluster.upsert_node(node("b"));
        let uid: Arc<str> = "u".into();
        cluster.place(&uid, "a", pod(0), true);
        assert!(cluster.is_assumed("u"));
        let changes = cluster.place(&uid, "b", pod(0), false);
        assert_eq!(changes, [Change::PodGone(uid.clone()), Change::Pod(uid.clone(), 1, pod(0))]);
        assert!(!cluster.is_assumed("u"));
        assert_eq!(cluster.everything().len(), 3);
    }

    #[test]
    fn knows_where_lower_priorities_run() {
        let mut cluster = Cluster::default();
        cluster.upsert_node(node("a"));
        cluster.upsert_node(node("b"));
        cluster.place(&"u".into(), "a", pod(5), false);
        cluster.place(&"v".into(), "b", pod(10), false);
        assert!(nodeset::is_empty(&cluster.with_lower_priority(5)));
        assert_eq!(nodeset::indexes(&cluster.with_lower_priority(6)).collect::<Vec<_>>(), [0]);
        cluster.remove_pod("u");
        assert!(nodeset::is_empty(&cluster.with_lower_priority(6)));
    }
}
