//! Writes of a pod's status by agents that do not know all of it.

use serde_json::Value;

use crate::strategy::{part, restore};

/// What only newer agents know, and what the API server itself has said.
const KEPT: [&str; 5] = [
    "qosClass",
    "resourceClaimStatuses",
    "extendedResourceClaimStatus",
    "nodeAllocatableResourceClaimStatuses",
    "observedGeneration",
];

/// What a writer leaves out stays as it was (`podStatusStrategy`).
pub(super) fn keep_what_writers_forget(pod: &mut Value, old: &Value) {
    let before = &old["status"];
    let Some(status) = part(pod, "status") else { return };
    for field in KEPT {
        if is_unset(&status[field]) {
            restore(status, before, field);
        }
    }
    keep_generations(status, before);
}

/// Each condition keeps the generation that it was about, until its writer names another.
fn keep_generations(status: &mut Value, before: &Value) {
    let mut known: Vec<&Value> = before["conditions"].as_array().into_iter().flatten().collect();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        let Some(index) = known.iter().position(|old| old["type"] == condition["type"]) else { continue };
        let old = known.remove(index);
        if is_unset(&condition["observedGeneration"]) {
            restore(condition, old, "observedGeneration");
        }
    }
}

fn is_unset(value: &Value) -> bool {
    value.is_null() || value == "" || *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_writer_leaves_out_stays() {
        let old = json!({ "status": { "qosClass": "Burstable", "observedGeneration": 3, "phase": "Pending",
            "conditions": [{ "type": "Ready", "observedGeneration": 2 }] } });
        let mut new = json!({ "status": { "phase": "Running",
            "conditions": [{ "type": "Ready" }, { "type": "Other" }] } });
        keep_what_writers_forget(&mut new, &old);
        let expected = json!({ "qosClass": "Burstable", "observedGeneration": 3, "phase": "Running",
            "conditions": [{ "type": "Ready", "observedGeneration": 2 }, { "type": "Other" }] });
        assert_eq!(new["status"], expected);
        new["status"]["qosClass"] = "BestEffort".into();
        keep_what_writers_forget(&mut new, &old);
        assert_eq!(new["status"]["qosClass"], "BestEffort");
    }
}
