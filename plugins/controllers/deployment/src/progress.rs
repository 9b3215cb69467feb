//! The Progressing and ReplicaFailure conditions: is a rollout under way, done, or stuck?

use orch_sdk::Value;
use orch_sdk::object::Object;
use orch_sdk::time::parse_rfc3339;

use crate::revision::Sets;
use crate::status::{condition, new_condition, remove_condition, set_condition};
use crate::strategy::{self, progress_deadline_seconds};

pub const PROGRESSING: &str = "Progressing";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const NEW_SET_AVAILABLE: &str = "NewReplicaSetAvailable";

fn count(status: &Value, field: &str) -> i64 {
    status[field].as_i64().unwrap_or(0)
}

pub fn is_complete(deployment: &Value, status: &Value) -> bool {
    let desired = strategy::replicas(deployment);
    ["updatedReplicas", "replicas", "availableReplicas"].iter().all(|field| count(status, field) == desired)
        && count(status, "observedGeneration") >= deployment.generation()
}

/// More new, ready or available replicas, or fewer old ones.
fn made_progress(before: &Value, after: &Value) -> bool {
    let old = |status: &Value| count(status, "replicas") - count(status, "updatedReplicas");
    let more = |field: &str| count(after, field) > count(before, field);
    more("updatedReplicas") || old(after) < old(before) || more("readyReplicas") || more("availableReplicas")
}

fn deadline_ms(deployment: &Value, conditions: &[Value]) -> Option<u64> {
    let updated = condition(conditions, PROGRESSING)?["lastUpdateTime"].as_str().and_then(parse_rfc3339)?;
    Some(updated + progress_deadline_seconds(deployment)? * 1000)
}

fn has_timed_out(deployment: &Value, conditions: &[Value], now_ms: u64) -> bool {
    match condition(conditions, PROGRESSING).and_then(|condition| condition["reason"].as_str()) {
        None | Some(NEW_SET_AVAILABLE) => false,
        Some(TIMED_OUT) => true,
        Some(_) => deadline_ms(deployment, conditions).is_some_and(|deadline| deadline < now_ms),
    }
}

/// Brings the conditions in `after` (a new status) up to date.
pub fn update(deployment: &Value, sets: &Sets, after: &mut Value, now_ms: u64) {
    let mut conditions = after["conditions"].as_array().cloned().unwrap_or_default();
    if progress_deadline_seconds(deployment).is_none() {
        remove_condition(&mut conditions, PROGRESSING);
    } else {
        update_progressing(deployment, sets, after, &mut conditions, now_ms);
    }
    match replica_failure(sets) {
        Some(failure) => set_condition(&mut conditions, failure),
        None => remove_condition(&mut conditions, "ReplicaFailure"),
    }
    after["conditions"] = conditions.into();
}

fn update_progressing(
    deployment: &Value,
    sets: &Sets,
    after: &Value,
    conditions: &mut Vec<Value>,
    now_ms: u64,
) {
    let current = condition(conditions, PROGRESSING).cloned();
    let done = current.as_ref().is_some_and(|current| current["reason"] == NEW_SET_AVAILABLE);
    if done && count(after, "replicas") == count(after, "updatedReplicas") {
        return; // no rollout is under way: there is nothing to estimate
    }
    let subject = match &sets.new {
        Some(set) => format!("ReplicaSet {:?}", set.name()),
        None => format!("Deployment {:?}", deployment.name()),
    };
    let new = |status: &str, reason: &str, what: &str| {
        new_condition(PROGRESSING, status, reason, &format!("{subject} {what}"), now_ms)
    };
    if is_complete(deployment, after) {
        set_condition(conditions, new("True", NEW_SET_AVAILABLE, "has successfully progressed."));
    } else if made_progress(deployment.at(&["status"]), after) {
        // Every step of progress moves `lastUpdateTime`, which the deadline counts from.
        let mut moving = new("True", "ReplicaSetUpdated", "is progressing.");
        if let Some(current) = current.filter(|current| current["status"] == "True") {
            moving["lastTransitionTime"] = current["lastTransitionTime"].clone();
        }
        remove_condition(conditions, PROGRESSING);
        conditions.push(moving);
    } else if has_timed_out(deployment, conditions, now_ms) {
        set_condition(conditions, new("False", TIMED_OUT, "has timed out progressing."));
    }
}

/// The new set's failure before those of old ones.
fn replica_failure(sets: &Sets) -> Option<Value> {
    let failure = |set: &Value| condition(set.items(&["status", "conditions"]), "ReplicaFailure").cloned();
    let mut found = sets.new.as_ref().and_then(failure).or_else(|| sets.old.iter().find_map(failure))?;
    found["lastUpdateTime"] = found["lastTransitionTime"].clone();
    Some(found)
}

/// Milliseconds until a rollout without progress must be looked at again.
pub fn next_check_ms(deployment: &Value, after: &Value, now_ms: u64) -> Option<u64> {
    let conditions = after["conditions"].as_array()?;
    let reason = condition(conditions, PROGRESSING)?["reason"].as_str();
    if is_complete(deployment, after) || matches!(reason, Some(TIMED_OUT | NEW_SET_AVAILABLE)) {
        return None;
    }
    // A second more: conditions have whole seconds.
    deadline_ms(deployment, conditions).map(|deadline| deadline.saturating_sub(now_ms) + 1000)
}

/// A pause or its end, for the deadline not to run meanwhile. `None`: nothing changes.
pub fn paused_condition(deployment: &Value, now_ms: u64) -> Option<Value> {
    progress_deadline_seconds(deployment)?;
    let current = condition(deployment.items(&["status", "conditions"]), PROGRESSING);
    let reason = current.and_then(|current| current["reason"].as_str());
    let paused = deployment.at(&["spec", "paused"]) == &Value::Bool(true);
    let (reason, message) = match (paused, reason) {
        (_, Some(TIMED_OUT)) | (true, Some("DeploymentPaused")) => return None,
        (true, _) => ("DeploymentPaused", "Deployment is paused"),
        (false, Some("DeploymentPaused")) => ("DeploymentResumed", "Deployment is resumed"),
        (false, _) => return None,
    };
    Some(new_condition(PROGRESSING, "Unknown", reason, message, now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn deployment(status: Value) -> Value {
        json!({"metadata": {"name": "web", "generation": 1},
            "spec": {"replicas": 2, "progressDeadlineSeconds": 10}, "status": status})
    }
    fn sets() -> Sets {
        Sets { new: Some(json!({"metadata": {"name": "web-1"}})), old: Vec::new() }
    }
    fn reason(status: &Value) -> &str {
        condition(status["conditions"].as_array().unwrap(), PROGRESSING).unwrap()["reason"].as_str().unwrap()
    }
    fn updated(before: Value, mut after: Value, now_ms: u64) -> Value {
        after["conditions"] = before["conditions"].clone();
        update(&deployment(before), &sets(), &mut after, now_ms);
        after
    }

    #[test]
    fn from_progress_to_done() {
        let moving = updated(
            json!({"conditions": []}),
            json!({"replicas": 2, "updatedReplicas": 2, "observedGeneration": 1}),
            1000,
        );
        assert_eq!(reason(&moving), "ReplicaSetUpdated");
        assert_eq!(moving["conditions"][0]["message"], "ReplicaSet \"web-1\" is progressing.");
        let done = json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2, "observedGeneration": 1});
        let done = updated(moving, done, 2000);
        assert_eq!(reason(&done), "NewReplicaSetAvailable");
        assert_eq!(next_check_ms(&deployment(json!({})), &done, 2000), None);
        let later = updated(
            done.clone(),
            json!({"replicas": 2, "updatedReplicas": 2, "observedGeneration": 1}),
            99_000,
        );
        assert_eq!(reason(&later), "NewReplicaSetAvailable", "a lost pod is no rollout");
    }

    #[test]
    fn without_progress_the_deadline_passes() {
        let start = json!({"replicas": 2, "updatedReplicas": 2, "observedGeneration": 1});
        let moving = updated(json!({"conditions": []}), start.clone(), 1000);
        let before_deadline = updated(moving.clone(), start.clone(), 10_000);
        assert_eq!(reason(&before_deadline), "ReplicaSetUpdated");
        assert_eq!(next_check_ms(&deployment(json!({})), &before_deadline, 10_000), Some(2000));
        let after_deadline = updated(moving, start, 11_001);
        assert_eq!(reason(&after_deadline), TIMED_OUT);
        assert_eq!(after_deadline["conditions"][0]["status"], "False");
    }

    #[test]
    fn a_pause_stops_the_clock() {
        let mut paused = deployment(json!({}));
        paused["spec"]["paused"] = json!(true);
        let condition = paused_condition(&paused, 0).unwrap();
        assert_eq!(condition["reason"], "DeploymentPaused");
        paused["status"] = json!({"conditions": [condition]});
        assert_eq!(paused_condition(&paused, 0), None);
        paused["spec"]["paused"] = json!(false);
        assert_eq!(paused_condition(&paused, 0).unwrap()["reason"], "DeploymentResumed");
    }

    #[test]
    fn failures_of_sets_are_told() {
        let failing = json!({"status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota", "lastTransitionTime": "t"}]}});
        let mut after = json!({"conditions": []});
        let sets = Sets { new: Some(failing), old: Vec::new() };
        update(&deployment(json!({})), &sets, &mut after, 0);
        let told = condition(after["conditions"].as_array().unwrap(), "ReplicaFailure").unwrap();
        assert_eq!((&told["message"], &told["lastUpdateTime"]), (&json!("quota"), &json!("t")));
    }
}
