//! Disruptions that were promised (by an eviction, by a preemption) and did not come within two minutes.

use orch_sdk::controller::{Api, Error, Kind, Outcome};
use orch_sdk::object::Object;
use orch_sdk::time::{parse_rfc3339, rfc3339};
use orch_sdk::{Value, json, serde_json::Map};

/// As long as a pod may take to be deleted after that was promised, in milliseconds.
const TIMEOUT_MS: u64 = 2 * 60 * 1000;
const CONDITION: &str = "DisruptionTarget";
/// Its node ends the pod, however long that takes.
const BY_KUBELET: &str = "TerminationByKubelet";

/// Those of a budget's `disruptedPods` that are still to be expected.
pub struct Promised {
    pub pods: Map<String, Value>,
    /// Milliseconds until the first of them is overdue.
    pub next: Option<u64>,
}

/// Names and times of the pods whose deletion is still to come; says of the others that it did not.
pub fn promised(api: &dyn Api, budget: &Value, pods: &[Value], now: u64) -> Promised {
    let mut promised = Promised { pods: Map::new(), next: None };
    let told = budget.at(&["status", "disruptedPods"]);
    for pod in pods.iter().filter(|pod| !pod.is_being_deleted()) {
        let Some(since) = told.get(pod.name()).and_then(Value::as_str) else { continue };
        let end = parse_rfc3339(since).unwrap_or(0) + TIMEOUT_MS;
        if end < now {
            let message = format!("Pod was expected by PDB {} to be deleted but it wasn't", budget.key());
            api.event(pod, "Warning", "NotDeleted", &message);
            continue;
        }
        promised.next = promised.next.into_iter().chain([end - now + 1]).min();
        promised.pods.insert(pod.name().into(), since.into());
    }
    promised
}

fn condition(pod: &Value) -> Option<&Value> {
    pod.items(&["status", "conditions"]).iter().find(|known| known["type"] == CONDITION)
}

/// Whether a pod that lives on is said to be disrupted by somebody else than its node.
pub fn is_promised(pod: &Value) -> bool {
    let is_over = matches!(pod.at(&["status", "phase"]).as_str(), Some("Succeeded" | "Failed"));
    let holds = |known: &Value| known["status"] == "True" && known["reason"] != BY_KUBELET;
    !is_over && !pod.is_being_deleted() && condition(pod).is_some_and(holds)
}

/// Takes the promise back when it is overdue.
pub fn withdraw(api: &dyn Api, namespace: &str, name: &str) -> Result<Outcome, Error> {
    let Some(mut pod) = api.get(Kind::POD.object(namespace, name))?.filter(is_promised) else {
        return Ok(Outcome::done());
    };
    let now = api.now_ms();
    let since = condition(&pod).and_then(|known| known["lastTransitionTime"].as_str());
    let end = since.and_then(parse_rfc3339).unwrap_or(0) + TIMEOUT_MS;
    if end > now {
        return Ok(Outcome::requeue_after_ms(end - now));
    }
    let withdrawn = json!({ "type": CONDITION, "status": "False", "lastProbeTime": null,
        "lastTransitionTime": rfc3339(now), "observedGeneration": pod.generation() });
    let with = |known: &Value| if known["type"] == CONDITION { withdrawn.clone() } else { known.clone() };
    let conditions: Vec<Value> = pod.items(&["status", "conditions"]).iter().map(with).collect();
    pod.set(&["status", "conditions"], conditions);
    match api.update_status(&pod) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(Outcome::done()),
    }
}
