//! What the scheduler itself reads of a pod; everything else is for plugins.

use std::sync::Arc;

use serde_json::Value;

/// A pod with what the queue needs of it at hand.
#[derive(Debug)]
pub(crate) struct PodInfo {
    pub uid: Arc<str>,
    pub namespace: String,
    pub name: String,
    pub priority: i64,
    pub object: Arc<Value>,
    /// The pod without identity: what is equal here gets equal answers from plugins.
    pub anonymous: Value,
}

/// What a pod asks of the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing<'a> {
    /// Takes room on this node.
    Assigned(&'a str),
    /// Wants a node.
    Waiting,
    /// Finished, gated, another scheduler's, or on its way out without ever having had a node.
    Foreign,
}

pub(crate) fn standing<'a>(pod: &'a Value, scheduler_name: &str) -> Standing<'a> {
    let spec = &pod["spec"];
    if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
        return Standing::Foreign;
    }
    if let Some(node) = spec["nodeName"].as_str().filter(|name| !name.is_empty()) {
        return Standing::Assigned(node);
    }
    let ours = spec["schedulerName"].as_str().unwrap_or("default-scheduler") == scheduler_name;
    let gated = spec["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty());
    let leaving = pod["metadata"]["deletionTimestamp"].is_string();
    if ours && !gated && !leaving { Standing::Waiting } else { Standing::Foreign }
}

pub(crate) fn uid(pod: &Value) -> &str {
    pod["metadata"]["uid"].as_str().unwrap_or_default()
}

pub(crate) fn priority(pod: &Value) -> i64 {
    pod["spec"]["priority"].as_i64().unwrap_or(0)
}

impl PodInfo {
    pub fn new(object: Arc<Value>) -> Self {
        let meta = &object["metadata"];
        let text = |field: &str| meta[field].as_str().unwrap_or_default().to_string();
        PodInfo {
            uid: uid(&object).into(),
            namespace: text("namespace"),
            name: text("name"),
            priority: priority(&object),
            anonymous: anonymous(&object),
            object,
        }
    }

    /// The pod as it will be once bound.
    pub fn assigned(&self, node: &str) -> Value {
        let mut pod = (*self.object).clone();
        pod["spec"]["nodeName"] = node.into();
        pod
    }
}

/// Identity and history never tell two replicas apart for a policy: dropping them lets equal pods
/// share an answer. The namespace stays, it decides what selectors see.
fn anonymous(pod: &Value) -> Value {
    let mut pod = pod.clone();
    if let Some(meta) = pod["metadata"].as_object_mut() {
        for field in ["name", "uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            meta.remove(field);
        }
    }
    pod
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_wants_a_node() {
        let cases = [
            (json!({"spec": {}}), Standing::Waiting),
            (json!({"spec": {"schedulerName": "mine"}}), Standing::Foreign),
            (json!({"spec": {"nodeName": "a"}}), Standing::Assigned("a")),
            (json!({"spec": {"nodeName": "a", "schedulerName": "mine"}}), Standing::Assigned("a")),
            (json!({"spec": {"nodeName": "a"}, "status": {"phase": "Succeeded"}}), Standing::Foreign),
            (json!({"spec": {"schedulingGates": [{"name": "quota"}]}}), Standing::Foreign),
            (json!({"spec": {"schedulingGates": []}}), Standing::Waiting),
            (
                json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}}),
                Standing::Foreign,
            ),
        ];
        for (pod, expected) in cases {
            assert_eq!(standing(&pod, "default-scheduler"), expected, "{pod}");
        }
    }
}
