//! Pods as a ReplicaSet sees them.

use crate::object::{Object, controller_reference};
use crate::time::parse_rfc3339;
use serde_json::{Value, json};

pub fn phase(pod: &Value) -> &str {
    pod.at(&["status", "phase"]).as_str().unwrap_or_default()
}

fn is_finished(pod: &Value) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

pub fn is_active(pod: &Value) -> bool {
    !is_finished(pod) && !pod.is_being_deleted()
}

pub fn is_terminating(pod: &Value) -> bool {
    !is_finished(pod) && pod.is_being_deleted()
}

fn ready_condition(pod: &Value) -> Option<&Value> {
    let conditions = pod.items(&["status", "conditions"]);
    conditions.iter().find(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

pub fn is_ready(pod: &Value) -> bool {
    ready_condition(pod).is_some()
}

/// Since when it is ready, in milliseconds since the epoch; 0: unknown.
pub fn ready_since(pod: &Value) -> u64 {
    let since = ready_condition(pod).and_then(|condition| condition["lastTransitionTime"].as_str());
    since.and_then(parse_rfc3339).unwrap_or(0)
}

pub fn is_available(pod: &Value, min_ready_seconds: u64, now_ms: u64) -> bool {
    let since = ready_since(pod);
    is_ready(pod) && (min_ready_seconds == 0 || (since > 0 && since + min_ready_seconds * 1000 <= now_ms))
}

/// The pod that the set's template describes; the API server completes its name.
pub fn from_template(set: &Value) -> Value {
    let template = set.at(&["spec", "template"]);
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": format!("{}-", set.name()),
            "namespace": set.namespace(),
            "ownerReferences": [controller_reference(set)],
        },
        "spec": template["spec"],
    });
    for field in ["labels", "annotations", "finalizers"] {
        let value = template.at(&["metadata", field]);
        if !value.is_null() {
            pod.set(&["metadata", field], value.clone());
        }
    }
    pod
}
