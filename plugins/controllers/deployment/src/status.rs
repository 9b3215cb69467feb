//! A Deployment's counts and its Available condition.

use orch_sdk::controller::{Api, Error, Kind, PatchType};
use orch_sdk::object::Object;
use orch_sdk::time::rfc3339;
use orch_sdk::{Value, json};

use crate::revision::Sets;
use crate::sets::{status, total, total_status};
use crate::strategy::{self, fenceposts};

pub fn condition<'a>(conditions: &'a [Value], condition_type: &str) -> Option<&'a Value> {
    conditions.iter().find(|condition| condition["type"] == condition_type)
}

/// A condition as of now.
pub fn new_condition(condition_type: &str, status: &str, reason: &str, message: &str, now_ms: u64) -> Value {
    json!({
        "type": condition_type,
        "status": status,
        "lastUpdateTime": rfc3339(now_ms),
        "lastTransitionTime": rfc3339(now_ms),
        "reason": reason,
        "message": message,
    })
}

/// One with the same status and reason stays; one with the same status keeps its transition time.
pub fn set_condition(conditions: &mut Vec<Value>, mut new: Value) {
    let current = condition(conditions, new["type"].as_str().unwrap_or_default());
    if let Some(current) = current.filter(|current| current["status"] == new["status"]) {
        if current["reason"] == new["reason"] {
            return;
        }
        new["lastTransitionTime"] = current["lastTransitionTime"].clone();
    }
    conditions.retain(|condition| condition["type"] != new["type"]);
    conditions.push(new);
}

pub fn remove_condition(conditions: &mut Vec<Value>, condition_type: &str) {
    conditions.retain(|condition| condition["type"] != condition_type);
}

/// The whole new status, with the conditions that do not depend on progress. Counts of 0 are absent,
/// as upstream writes them.
pub fn calculate(deployment: &Value, sets: &Sets, now_ms: u64) -> Value {
    let available = total_status(sets.all(), "availableReplicas");
    let counts = [
        ("observedGeneration", deployment.generation()),
        ("replicas", total_status(sets.all(), "replicas")),
        ("updatedReplicas", sets.new.as_ref().map_or(0, |new| status(new, "replicas"))),
        ("readyReplicas", total_status(sets.all(), "readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", (total(sets.all()) - available).max(0)),
        ("terminatingReplicas", total_status(sets.all(), "terminatingReplicas")),
    ];
    let mut status = json!({});
    for (field, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        status[field] = count.into();
    }
    if let Some(collisions) = deployment.at(&["status", "collisionCount"]).as_i64() {
        status["collisionCount"] = collisions.into();
    }
    let mut conditions = deployment.items(&["status", "conditions"]).to_vec();
    set_condition(&mut conditions, availability(deployment, available, now_ms));
    status["conditions"] = conditions.into();
    status
}

fn availability(deployment: &Value, available: i64, now_ms: u64) -> Value {
    let needed = strategy::replicas(deployment) - fenceposts(deployment).max_unavailable;
    let (status, reason, message) = if available >= needed {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    new_condition("Available", status, reason, message, now_ms)
}

/// Writes what differs from `before`. The Deployment may have been changed since it was read: only its status is
/// this controller's, so its version is not compared.
pub fn write(api: &dyn Api, deployment: &Value, before: &Value, after: &Value) -> Result<(), Error> {
    if before == after {
        return Ok(());
    }
    let mut patch = after.clone();
    for field in before.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if after[field].is_null() {
            patch[field] = Value::Null; // a merge patch removes what is null
        }
    }
    let at = Kind::DEPLOYMENT.object(deployment.namespace(), deployment.name());
    let body = json!({"metadata": {"uid": deployment.uid()}, "status": patch});
    match api.patch_subresource(at, "status", PatchType::Merge, &body) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_change_as_upstreams() {
        let mut conditions = vec![new_condition("Available", "True", "A", "m", 1000)];
        set_condition(&mut conditions, new_condition("Available", "True", "A", "other", 5000));
        assert_eq!(conditions[0]["message"], "m", "same status and reason: nothing changes");
        set_condition(&mut conditions, new_condition("Available", "True", "B", "m", 5000));
        assert_eq!(conditions[0]["lastTransitionTime"], "1970-01-01T00:00:01Z");
        assert_eq!(conditions[0]["lastUpdateTime"], "1970-01-01T00:00:05Z");
        set_condition(&mut conditions, new_condition("Available", "False", "C", "m", 9000));
        assert_eq!(conditions[0]["lastTransitionTime"], "1970-01-01T00:00:09Z");
    }

    #[test]
    fn counts_over_all_sets() {
        let set = |size: i64, available: i64| json!({"spec": {"replicas": size}, "status": {"replicas": size, "readyReplicas": available, "availableReplicas": available}});
        let deployment = json!({"metadata": {"generation": 2}, "spec": {"replicas": 3, "strategy": {"type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}});
        let sets = Sets { new: Some(set(1, 0)), old: vec![set(3, 3)] };
        let mut status = calculate(&deployment, &sets, 0);
        let conditions = status.as_object_mut().unwrap().remove("conditions").unwrap();
        assert_eq!(
            status,
            json!({"observedGeneration": 2, "replicas": 4, "updatedReplicas": 1, "readyReplicas": 3,
                "availableReplicas": 3, "unavailableReplicas": 1})
        );
        assert_eq!(conditions[0]["reason"], "MinimumReplicasAvailable");
    }
}
