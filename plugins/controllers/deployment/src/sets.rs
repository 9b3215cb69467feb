//! ReplicaSets as a Deployment sees them.

use orch_sdk::Value;
use orch_sdk::controller::{Change, key_of};
use orch_sdk::object::Object;

pub const HASH_LABEL: &str = "pod-template-hash";

pub fn replicas(set: &Value) -> i64 {
    set.at(&["spec", "replicas"]).as_i64().unwrap_or(1)
}

pub fn status(set: &Value, field: &str) -> i64 {
    set.at(&["status", field]).as_i64().unwrap_or(0)
}

pub fn total<'a>(sets: impl IntoIterator<Item = &'a Value>) -> i64 {
    sets.into_iter().map(replicas).sum()
}

pub fn total_status<'a>(sets: impl IntoIterator<Item = &'a Value>, field: &str) -> i64 {
    sets.into_iter().map(|set| status(set, field)).sum()
}

pub fn is_active(set: &Value) -> bool {
    replicas(set) > 0
}

/// Oldest first; equal ages by name.
pub fn sort_by_age(sets: &mut [Value]) {
    sets.sort_by(|a, b| (a.creation_timestamp(), a.name()).cmp(&(b.creation_timestamp(), b.name())));
}

/// The Deployment a pod came from, by the names they derive: the pod's set is called after the
/// Deployment and the hash that labels the pod. Only ends of pods matter: Recreate waits for them.
pub fn key_of_pod(change: Change, pod: &Value) -> Option<String> {
    let over = change == Change::Deleted
        || matches!(pod.at(&["status", "phase"]).as_str(), Some("Succeeded" | "Failed"));
    let set = pod.controller().filter(|owner| over && owner.kind == "ReplicaSet")?;
    let deployment = set.name.strip_suffix(pod.label(HASH_LABEL)?)?.strip_suffix('-')?;
    Some(key_of(pod.namespace(), deployment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    #[test]
    fn an_ended_pod_leads_to_its_deployment() {
        let pod = |phase: &str| {
            json!({"metadata": {"namespace": "shop", "name": "web-abc-x", "labels": {HASH_LABEL: "abc"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "web-abc", "controller": true}]},
                "status": {"phase": phase}})
        };
        assert_eq!(key_of_pod(Change::Deleted, &pod("Running")).as_deref(), Some("shop/web"));
        assert_eq!(key_of_pod(Change::Modified, &pod("Failed")).as_deref(), Some("shop/web"));
        assert_eq!(key_of_pod(Change::Modified, &pod("Running")), None);
        assert_eq!(key_of_pod(Change::Deleted, &json!({"metadata": {"name": "alone"}})), None);
    }
}
