//! What a set says about its pods.

use crate::controller::{Api, Error, Kind, PatchType};
use crate::object::Object;
use crate::selector::Selector;
use crate::time::rfc3339;
use serde_json::{Value, json};

use super::{plan, pod};

fn min_ready_seconds(set: &Value) -> u64 {
    set.at(&["spec", "minReadySeconds"]).as_u64().unwrap_or(0)
}

/// The whole new status; counts of 0 are absent but for `replicas`, as upstream writes them.
pub fn calculate(
    set: &Value,
    active: &[Value],
    terminating: usize,
    failure: Option<&str>,
    now_ms: u64,
) -> Value {
    let template = Selector::from_labels(set.at(&["spec", "template", "metadata", "labels"]));
    let count = |matching: &dyn Fn(&Value) -> bool| active.iter().filter(|pod| matching(pod)).count();
    let available = |pod: &Value| pod::is_available(pod, min_ready_seconds(set), now_ms);
    let mut status = json!({ "replicas": active.len(), "observedGeneration": set.generation() });
    let counts = [
        ("fullyLabeledReplicas", count(&|pod| template.matches(pod.at(&["metadata", "labels"])))),
        ("readyReplicas", count(&pod::is_ready)),
        ("availableReplicas", count(&available)),
        ("terminatingReplicas", terminating),
    ];
    for (field, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        status[field] = count.into();
    }
    let conditions = conditions(set, active.len(), failure, now_ms);
    if !conditions.is_empty() {
        status["conditions"] = conditions.into();
    }
    status
}

/// ReplicaFailure stands as it was first written until all goes well again.
fn conditions(set: &Value, active: usize, failure: Option<&str>, now_ms: u64) -> Vec<Value> {
    let is_failure = |condition: &&Value| condition["type"] == "ReplicaFailure";
    let before = set.items(&["status", "conditions"]);
    let mut conditions: Vec<Value> = before.iter().filter(|c| !is_failure(c)).cloned().collect();
    match (failure, before.iter().find(is_failure)) {
        (Some(_), Some(standing)) => conditions.push(standing.clone()),
        (Some(message), None) => conditions.push(json!({
            "type": "ReplicaFailure",
            "status": "True",
            "lastTransitionTime": rfc3339(now_ms),
            "reason": if active < plan::wanted(set) { "FailedCreate" } else { "FailedDelete" },
            "message": message,
        })),
        (None, _) => {}
    }
    conditions
}

pub fn write(api: &dyn Api, kind: Kind, set: &Value, after: &Value) -> Result<(), Error> {
    let before = set.at(&["status"]);
    if before == after {
        return Ok(());
    }
    let mut patch = after.clone();
    for field in before.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if after[field].is_null() {
            patch[field] = Value::Null; // a merge patch removes what is null
        }
    }
    let at = kind.object(set.namespace(), set.name());
    let body = json!({"metadata": {"uid": set.uid()}, "status": patch});
    match api.patch_subresource(at, "status", PatchType::Merge, &body) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Milliseconds until the next ready pod becomes available by `minReadySeconds`.
pub fn next_availability(set: &Value, active: &[Value], now_ms: u64) -> Option<u64> {
    let wait = min_ready_seconds(set) * 1000;
    if wait == 0 {
        return None;
    }
    let due = active.iter().filter(|pod| pod::is_ready(pod)).map(|pod| pod::ready_since(pod) + wait);
    due.filter(|due| *due > now_ms).min().map(|due| due - now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_262_400_000;

    fn set() -> Value {
        json!({"metadata": {"generation": 4}, "spec": {"replicas": 3, "minReadySeconds": 30,
            "template": {"metadata": {"labels": {"app": "web", "v": "2"}}}}})
    }
    fn pod(labels: Value, ready_seconds_ago: Option<u64>) -> Value {
        let mut pod = json!({"metadata": {"labels": labels}});
        if let Some(seconds) = ready_seconds_ago {
            let since = rfc3339(NOW - seconds * 1000);
            pod["status"] =
                json!({"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}]});
        }
        pod
    }

    #[test]
    fn counts_what_is_ready_and_what_is_available() {
        let pods = [
            pod(json!({"app": "web", "v": "2", "x": ""}), Some(60)),
            pod(json!({"app": "web"}), Some(10)),
            pod(json!({"app": "web"}), None),
        ];
        assert_eq!(
            calculate(&set(), &pods, 1, None, NOW),
            json!({"replicas": 3, "observedGeneration": 4, "fullyLabeledReplicas": 1, "readyReplicas": 2,
                "availableReplicas": 1, "terminatingReplicas": 1})
        );
        assert_eq!(next_availability(&set(), &pods, NOW), Some(20_000));
        assert_eq!(next_availability(&set(), &pods[2..], NOW), None);
    }

    #[test]
    fn a_failure_stands_until_it_is_over() {
        let failed = calculate(&set(), &[], 0, Some("quota"), NOW);
        assert_eq!(failed["conditions"][0]["reason"], "FailedCreate");
        let mut later = set();
        later["status"] = failed.clone();
        let again = calculate(&later, &[], 0, Some("another"), NOW + 5000);
        assert_eq!(again["conditions"], failed["conditions"]);
        assert_eq!(calculate(&later, &[], 0, None, NOW)["conditions"], Value::Null);
    }
}
