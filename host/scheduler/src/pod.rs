//! What the scheduler itself reads of a pod; everything else is for plugins.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use orch_client::Object;
use serde_json::Value;

pub(crate) const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// A pod with what the queue needs of it at hand. Made outside the scheduler's thread.
#[derive(Debug)]
pub(crate) struct PodInfo {
    pub uid: Arc<str>,
    pub namespace: String,
    pub name: String,
    pub priority: i64,
    pub scheduler_name: Arc<str>,
    object: Object,
    nominated_node: Option<Box<str>>,
    /// Equal for pods that differ in nothing but identity, history, node and status.
    pub shape: u64,
}

/// What a pod asks of the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing<'a> {
    /// Takes room on this node.
    Assigned(&'a str),
    /// Wants a node.
    Waiting,
    /// Somebody has yet to take its scheduling gates away.
    Gated,
    /// Finished, or on its way out without ever having had a node.
    Foreign,
}

pub(crate) fn standing(pod: &Value) -> Standing<'_> {
    let spec = &pod["spec"];
    if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
        return Standing::Foreign;
    }
    if let Some(node) = spec["nodeName"].as_str().filter(|name| !name.is_empty()) {
        return Standing::Assigned(node);
    }
    let gated = spec["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty());
    let leaving = pod["metadata"]["deletionTimestamp"].is_string();
    match (leaving, gated) {
        (true, _) => Standing::Foreign,
        (false, true) => Standing::Gated,
        (false, false) => Standing::Waiting,
    }
}

pub(crate) fn uid(pod: &Value) -> &str {
    pod["metadata"]["uid"].as_str().unwrap_or_default()
}

impl PodInfo {
    pub fn new(source: impl Into<Object>) -> Self {
        let source = source.into();
        let object = source.value();
        let meta = &object["metadata"];
        let text = |field: &str| meta[field].as_str().unwrap_or_default().to_string();
        let spec = &object["spec"];
        PodInfo {
            uid: uid(&object).into(),
            namespace: text("namespace"),
            name: text("name"),
            priority: spec["priority"].as_i64().unwrap_or(0),
            scheduler_name: spec["schedulerName"].as_str().unwrap_or(DEFAULT_SCHEDULER).into(),
            nominated_node: object["status"]["nominatedNodeName"].as_str().map(Box::from),
            shape: shape(&object),
            object: source,
        }
    }

    /// The pod itself. Many may wait, and more stand on the nodes: what was parsed is not kept.
    pub fn object(&self) -> Arc<Value> {
        self.object.value()
    }

    /// Where an earlier preemption made room for it.
    pub fn nominated_node(&self) -> Option<&str> {
        self.nominated_node.as_deref().filter(|name| !name.is_empty())
    }
}

/// Keyed anew in each process, so that nobody can make two pods collide on purpose.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

fn shape(pod: &Value) -> u64 {
    const OWN: [&str; 6] =
        ["name", "uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"];
    let mut hasher = HASHER.build_hasher();
    let mut hash_all_but = |object: &Value, left_out: &[&str]| {
        for (key, value) in object.as_object().into_iter().flatten() {
            if !left_out.contains(&key.as_str()) {
                (key, value).hash(&mut hasher);
            }
        }
    };
    hash_all_but(&pod["metadata"], &OWN);
    hash_all_but(&pod["spec"], &["nodeName"]);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_wants_a_node() {
        let cases = [
            (json!({"spec": {}}), Standing::Waiting),
            (json!({"spec": {"nodeName": "a"}}), Standing::Assigned("a")),
            (json!({"spec": {"nodeName": "a"}, "status": {"phase": "Succeeded"}}), Standing::Foreign),
            (json!({"spec": {"schedulingGates": [{"name": "quota"}]}}), Standing::Gated),
            (json!({"spec": {"schedulingGates": []}}), Standing::Waiting),
            (
                json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}}),
                Standing::Foreign,
            ),
        ];
        for (pod, expected) in cases {
            assert_eq!(standing(&pod), expected, "{pod}");
        }
    }

    #[test]
    fn replicas_have_one_shape() {
        let replica = |name: &str, node: &str, label: &str| {
            shape(&json!({
                "metadata": {"name": name, "uid": name, "resourceVersion": name, "labels": {"app": label}},
                "spec": {"nodeName": node, "containers": []},
                "status": {"phase": node},
            }))
        };
        assert_eq!(replica("a", "x", "web"), replica("b", "y", "web"));
        assert_ne!(replica("a", "x", "web"), replica("a", "x", "db"));
    }
}
