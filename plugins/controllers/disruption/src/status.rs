//! A budget's `status`.

use orch_sdk::controller::{Api, Error};
use orch_sdk::object::Object;
use orch_sdk::time::rfc3339;
use orch_sdk::{Value, json, serde_json::Map};

const CONDITION: &str = "DisruptionAllowed";

pub struct Counts {
    pub healthy: i64,
    pub desired: i64,
    pub expected: i64,
    /// Pods whose deletion is to come, with the times since when.
    pub promised: Map<String, Value>,
}

/// Ready, and to stay.
pub fn counts_as_healthy(pod: &Value, promised: &Map<String, Value>) -> bool {
    let mut conditions = pod.items(&["status", "conditions"]).iter();
    let is_ready = conditions.any(|known| known["type"] == "Ready" && known["status"] == "True");
    is_ready && !pod.is_being_deleted() && !promised.contains_key(pod.name())
}

pub fn of(budget: &Value, counts: &Counts, now: u64) -> Value {
    // A budget that selects no pod yet allows nothing: its first pod could go before it was counted.
    let allowed = if counts.expected <= 0 { 0 } else { (counts.healthy - counts.desired).max(0) };
    let mut status = json!({
        "currentHealthy": counts.healthy, "desiredHealthy": counts.desired,
        "expectedPods": counts.expected, "disruptionsAllowed": allowed,
        "observedGeneration": budget.generation(),
    });
    if !counts.promised.is_empty() {
        status["disruptedPods"] = Value::Object(counts.promised.clone());
    }
    let (holds, reason) = match allowed > 0 {
        true => ("True", "SufficientPods"),
        false => ("False", "InsufficientPods"),
    };
    set_condition(&mut status, budget, holds, reason, "", now);
    status
}

/// The status of a budget that cannot be counted: as it was, and nothing is allowed.
pub fn closed(budget: &Value, why: &str, now: u64) -> Value {
    let mut status = budget.at(&["status"]).clone();
    for count in ["currentHealthy", "desiredHealthy", "expectedPods"] {
        if status[count].is_null() {
            status.set(&[count], 0);
        }
    }
    status.set(&["disruptionsAllowed"], 0);
    set_condition(&mut status, budget, "False", "SyncFailed", why, now);
    status
}

/// Its time changes with its status alone.
fn set_condition(status: &mut Value, budget: &Value, holds: &str, reason: &str, message: &str, now: u64) {
    let told = budget.items(&["status", "conditions"]);
    let known = told.iter().find(|known| known["type"] == CONDITION);
    let since =
        known.filter(|known| known["status"] == holds).map(|known| known["lastTransitionTime"].clone());
    let mut condition = json!({
        "type": CONDITION, "status": holds, "reason": reason, "message": message,
        "lastTransitionTime": since.unwrap_or_else(|| rfc3339(now).into()),
    });
    if let Some(generation) = status["observedGeneration"].as_i64().filter(|generation| *generation != 0) {
        condition["observedGeneration"] = generation.into();
    }
    let mut conditions: Vec<Value> =
        told.iter().filter(|known| known["type"] != CONDITION).cloned().collect();
    conditions.push(condition);
    status.set(&["conditions"], conditions);
}

/// Writes over what was read, and nothing that an eviction has spent since: the version must match.
pub fn write(api: &dyn Api, budget: &Value, status: Value) -> Result<(), Error> {
    if *budget.at(&["status"]) == status {
        return Ok(());
    }
    let mut after = budget.clone();
    after.set(&["status"], status);
    match api.update_status(&after) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}
