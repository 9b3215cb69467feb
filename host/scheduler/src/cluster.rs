//! Nodes by stable index, and the pods that take room on them, bound or assumed. Every change of it
//! is told as [`Change`]s, in the order plugins must hear them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use orch_plugin::calls::NodeSet;
use serde_json::Value;

use crate::nodeset;
use crate::pod::PodInfo;

#[derive(Debug, Clone)]
pub(crate) enum Change {
    Node(u32, Arc<Value>),
    NodeGone(u32),
    /// On the node at this index.
    Pod(Arc<PodInfo>, u32),
    PodGone(Arc<str>),
    /// An object of another kind that some plugin reads.
    Object(Arc<Value>),
    ObjectGone(Arc<Value>),
}

/// `apiVersion`, `kind`, namespace, name.
type ObjectKey = (String, String, String, String);

#[derive(Debug)]
struct Placed {
    node: Arc<str>,
    pod: Arc<PodInfo>,
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
    objects: BTreeMap<ObjectKey, Arc<Value>>,
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

    pub fn index_of(&self, name: &str) -> Option<u32> {
        self.index.get(name).copied()
    }

    /// A pod that takes room, and the index of its node.
    pub fn pod(&self, uid: &str) -> Option<(&Arc<PodInfo>, u32)> {
        let placed = self.pods.get(uid)?;
        Some((&placed.pod, *self.index.get(&placed.node)?))
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
            changes.push(Change::Pod(self.pods[uid].pod.clone(), index));
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

    pub fn place(&mut self, pod: Arc<PodInfo>, node: &str, assumed: bool) -> Vec<Change> {
        let mut changes = Vec::new();
        let uid = pod.uid.clone();
        if self.pods.get(&uid).is_some_and(|placed| *placed.node != *node) {
            changes = self.remove_pod(&uid);
        }
        let name: Arc<str> = match self.index.get_key_value(node) {
            Some((name, _)) => name.clone(),
            None => node.into(),
        };
        self.on_node.entry(name.clone()).or_default().insert(uid.clone());
        self.pods.insert(uid, Placed { node: name, pod: pod.clone(), assumed });
        if let Some(&index) = self.index.get(node) {
            changes.push(Change::Pod(pod, index));
        }
        changes
    }

    pub fn remove_pod(&mut self, uid: &str) -> Vec<Change> {
        let Some((uid, placed)) = self.pods.remove_entry(uid) else { return Vec::new() };
        if let Some(pods) = self.on_node.get_mut(&placed.node) {
            pods.remove(&uid);
            if pods.is_empty() {
                self.on_node.remove(&placed.node);
            }
        }
        if self.index.contains_key(&placed.node) { vec![Change::PodGone(uid)] } else { Vec::new() }
    }

    pub fn upsert_object(&mut self, object: Arc<Value>) -> Vec<Change> {
        self.objects.insert(object_key(&object), object.clone());
        vec![Change::Object(object)]
    }

    pub fn remove_object(&mut self, object: Arc<Value>) -> Vec<Change> {
        match self.objects.remove(&object_key(&object)) {
            Some(_) => vec![Change::ObjectGone(object)],
            None => Vec::new(),
        }
    }

    /// The whole state, for a plugin that has none yet.
    pub fn everything(&self) -> Vec<Change> {
        let mut changes = Vec::with_capacity(self.index.len() + self.pods.len() + self.objects.len());
        changes.extend(self.objects.values().cloned().map(Change::Object));
        for (index, slot) in self.slots.iter().enumerate() {
            if let Some(slot) = slot {
                changes.push(Change::Node(index as u32, slot.node.clone()));
            }
        }
        for placed in self.pods.values() {
            if let Some(&index) = self.index.get(&placed.node) {
                changes.push(Change::Pod(placed.pod.clone(), index));
            }
        }
        changes
    }
}

fn object_key(object: &Value) -> ObjectKey {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let meta = &object["metadata"];
    (text(&object["apiVersion"]), text(&object["kind"]), text(&meta["namespace"]), text(&meta["name"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str) -> Arc<Value> {
        Arc::new(json!({ "metadata": { "name": name } }))
    }
    fn pod(uid: &str) -> Arc<PodInfo> {
        Arc::new(PodInfo::new(Arc::new(json!({ "metadata": { "uid": uid } }))))
    }
    /// Changes in short: `+n0` a node, `+u0` pod u on node 0, `-…` gone.
    fn told(changes: &[Change]) -> Vec<String> {
        let told = |change: &Change| match change {
            Change::Node(index, _) => format!("+n{index}"),
            Change::NodeGone(index) => format!("-n{index}"),
            Change::Pod(pod, index) => format!("+{}{index}", pod.uid),
            Change::PodGone(uid) => format!("-{uid}"),
            Change::Object(object) => format!("+{}", object["metadata"]["name"]),
            Change::ObjectGone(object) => format!("-{}", object["metadata"]["name"]),
        };
        changes.iter().map(told).collect()
    }

    #[test]
    fn an_index_is_stable_and_reused_after_removal() {
        let mut cluster = Cluster::default();
        for name in ["a", "b", "c"] {
            cluster.upsert_node(node(name));
        }
        assert_eq!(told(&cluster.upsert_node(node("b"))), ["+n1"]);
        assert_eq!(told(&cluster.remove_node("a")), ["-n0"]);
        assert_eq!(told(&cluster.upsert_node(node("d"))), ["+n0"]);
        assert_eq!(cluster.len(), 3);
        assert!(cluster.remove_node("zz").is_empty());
    }

    #[test]
    fn pods_leave_before_their_node_and_return_with_it() {
        let mut cluster = Cluster::default();
        assert!(cluster.place(pod("u"), "a", false).is_empty(), "its node is not known yet");
        assert_eq!(told(&cluster.upsert_node(node("a"))), ["+n0", "+u0"]);
        assert_eq!(told(&cluster.remove_node("a")), ["-u", "-n0"]);
        assert!(cluster.remove_pod("u").is_empty());
        assert_eq!(cluster.upsert_node(node("a")).len(), 1);
    }

    #[test]
    fn a_pod_that_is_seen_elsewhere_moves() {
        let mut cluster = Cluster::default();
        cluster.upsert_node(node("a"));
        cluster.upsert_node(node("b"));
        cluster.place(pod("u"), "a", true);
        assert!(cluster.is_assumed("u"));
        assert_eq!(told(&cluster.place(pod("u"), "b", false)), ["-u", "+u1"]);
        assert!(!cluster.is_assumed("u"));
        assert_eq!(cluster.everything().len(), 3);
    }

    #[test]
    fn other_objects_are_kept_for_newcomers() {
        let mut cluster = Cluster::default();
        let claim = |name: &str| {
            Arc::new(
                json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name } }),
            )
        };
        cluster.upsert_object(claim("c"));
        cluster.upsert_object(claim("c"));
        assert_eq!(cluster.everything().len(), 1);
        assert!(cluster.remove_object(claim("d")).is_empty());
        assert_eq!(told(&cluster.remove_object(claim("c"))), ["-\"c\""]);
    }
}
