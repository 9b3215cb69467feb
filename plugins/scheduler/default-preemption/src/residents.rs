//! The pods on each node, the most important first.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher;
use std::rc::Rc;

use orch_sdk::names::Fnv32a;
use orch_sdk::serde::Deserialize;
use orch_sdk::{serde_json, time};

pub const FIELDS: [&str; 7] = [
    "metadata.labels",
    "metadata.deletionTimestamp",
    "spec.priority",
    "status.startTime",
    "status.conditions[*].type",
    "status.conditions[*].status",
    "status.conditions[*].reason",
];

/// A pod that is on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Victim {
    pub key: String,
    pub namespace: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub priority: i32,
    /// Milliseconds since the epoch; the latest there is for one that has not started.
    pub started: u64,
    /// It is going because a scheduler evicted it.
    pub is_being_preempted: bool,
}

#[derive(Debug, Default)]
pub struct Residents {
    nodes: HashMap<String, usize>,
    names: HashMap<usize, String>,
    /// By node index, ordered by importance: higher priority, then longer running.
    on_node: Vec<Vec<Rc<Victim>>>,
    pods: HashMap<String, (usize, Rc<Victim>)>,
    fingerprint: u64,
}

impl Victim {
    fn importance(&self) -> impl Ord + use<'_> {
        (std::cmp::Reverse(self.priority), self.started, &self.key)
    }

    fn hash(&self) -> u64 {
        let mut hasher = Fnv32a::default();
        hasher.write(self.key.as_bytes());
        hasher.finish()
    }
}

impl Residents {
    pub fn upsert_node(&mut self, index: usize, json: &str) -> Result<(), String> {
        let node: Object = serde_json::from_str(json).map_err(|error| format!("node: {error}"))?;
        self.remove_node(index);
        self.nodes.insert(node.metadata.name.clone(), index);
        self.names.insert(index, node.metadata.name);
        Ok(())
    }

    pub fn remove_node(&mut self, index: usize) {
        let name = self.names.remove(&index);
        if let Some(name) = name.filter(|name| self.nodes.get(name) == Some(&index)) {
            self.nodes.remove(&name);
        }
    }

    pub fn upsert_pod(&mut self, key: String, node: usize, json: &str) -> Result<(), String> {
        let pod: Object = serde_json::from_str(json).map_err(|error| format!("pod: {error}"))?;
        self.remove_pod(&key);
        let victim = Rc::new(pod.into_victim(key.clone()));
        if node >= self.on_node.len() {
            self.on_node.resize_with(node + 1, Vec::new);
        }
        let on_node = &mut self.on_node[node];
        let place = on_node.partition_point(|other| other.importance() < victim.importance());
        on_node.insert(place, victim.clone());
        self.fingerprint = self.fingerprint.wrapping_add(victim.hash());
        self.pods.insert(key, (node, victim));
        Ok(())
    }

    pub fn remove_pod(&mut self, key: &str) {
        let Some((node, victim)) = self.pods.remove(key) else { return };
        let on_node = &mut self.on_node[node];
        if let Ok(place) = on_node.binary_search_by(|other| other.importance().cmp(&victim.importance())) {
            on_node.remove(place);
        }
        self.fingerprint = self.fingerprint.wrapping_sub(victim.hash());
    }

    pub fn node(&self, name: &str) -> Option<usize> {
        self.nodes.get(name).copied()
    }

    pub fn pod(&self, key: &str) -> Option<&Victim> {
        self.pods.get(key).map(|(_, victim)| victim.as_ref())
    }

    /// Those of lower priority on the node, the most important first.
    pub fn below(&self, node: usize, priority: i32) -> impl Iterator<Item = &Victim> {
        let all = self.on_node.get(node).map(Vec::as_slice).unwrap_or_default();
        let first = all.partition_point(|victim| victim.priority >= priority);
        all[first..].iter().map(Rc::as_ref)
    }

    pub fn has_below(&self, node: usize, priority: i32) -> bool {
        let least = self.on_node.get(node).and_then(|all| all.last());
        least.is_some_and(|victim| victim.priority < priority)
    }

    /// Changes when pods come and go, and is the same for the same pods.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct Object {
    metadata: Metadata,
    spec: Spec,
    status: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    labels: Option<BTreeMap<String, String>>,
    deletion_timestamp: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct Spec {
    priority: Option<i32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Status {
    start_time: Option<String>,
    conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct Condition {
    r#type: String,
    status: String,
    reason: String,
}

impl Object {
    fn into_victim(self, key: String) -> Victim {
        let Metadata { name, namespace, labels, deletion_timestamp } = self.metadata;
        let status = self.status.unwrap_or_default();
        let target =
            status.conditions.iter().flatten().find(|condition| condition.r#type == "DisruptionTarget");
        let preempted =
            |condition: &Condition| condition.status == "True" && condition.reason == "PreemptionByScheduler";
        Victim {
            key,
            namespace,
            name,
            labels: labels.unwrap_or_default(),
            priority: self.spec.priority.unwrap_or(0),
            started: status.start_time.as_deref().and_then(time::parse_rfc3339).unwrap_or(u64::MAX),
            is_being_preempted: deletion_timestamp.is_some() && target.is_some_and(preempted),
        }
    }
}
