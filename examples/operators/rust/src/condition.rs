//! Conditions as Kubernetes keeps them.

use orch_sdk::object::Object;
use orch_sdk::time::rfc3339;
use orch_sdk::{Value, json};

/// Sets a condition of an object's status; its transition time moves only when its truth does.
pub fn set(object: &mut Value, kind: &str, is_true: bool, reason: &str, message: &str, now_ms: u64) {
    let status = if is_true { "True" } else { "False" };
    let mut conditions = object.items(&["status", "conditions"]).to_vec();
    let place = conditions.iter().position(|known| known["type"] == kind).unwrap_or(conditions.len());
    let before = conditions.get(place).cloned().unwrap_or_default();
    let since = if before["status"] == status {
        before["lastTransitionTime"].clone()
    } else {
        rfc3339(now_ms).into()
    };
    let condition = json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": since, "observedGeneration": object.generation(),
    });
    match conditions.get_mut(place) {
        Some(known) => *known = condition,
        None => conditions.push(condition),
    }
    object.set(&["status", "conditions"], conditions);
}
