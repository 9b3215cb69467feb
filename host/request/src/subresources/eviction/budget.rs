//! What a disruption budget says of an eviction, and how it is told of one.

use std::sync::Arc;

use orch_object::Status;
use serde_json::{Value, json};

/// Disruptions that the budget's controller has not confirmed yet, at most.
const MOST_PENDING: usize = 2000;
const VIOLATED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// Whether a pod may go.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// No budget counts it.
    Free,
    /// No budget counts it in the state it is in.
    FreeAsItIs,
    /// It is not healthy, so that this budget loses nothing by it.
    Spare(String),
    /// It costs this budget one disruption.
    Spend(String),
}

/// `budgets`: those that select the pod.
pub fn judge(pod: &Value, budgets: &[Arc<Value>]) -> Result<Verdict, Status> {
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    if ["Succeeded", "Failed"].contains(&phase) || !pod["metadata"]["deletionTimestamp"].is_null() {
        return Ok(Verdict::Free);
    }
    if phase == "Pending" {
        return Ok(Verdict::FreeAsItIs);
    }
    let budget = match budgets {
        [] => return Ok(Verdict::Free),
        [budget] => budget,
        _ => {
            let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does \
                not support.";
            return Err(Status::new(500, "", why));
        }
    };
    let name = budget["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if is_ready(pod) {
        return Ok(Verdict::Spend(name));
    }
    let (healthy, wanted) = (number(budget, "currentHealthy"), number(budget, "desiredHealthy"));
    let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
    let enough = wanted > 0 && healthy >= wanted;
    Ok(if always || enough { Verdict::Spare(name) } else { Verdict::Spend(name) })
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn number(budget: &Value, field: &str) -> i64 {
    budget["status"][field].as_i64().unwrap_or(0)
}

/// The budget with one disruption less, and the pod among those that are going; or why there is none.
pub fn spent(budget: &Value, pod: &str, now: &str) -> Result<Value, Status> {
    let name = budget["metadata"]["name"].as_str().unwrap_or_default();
    let generation = budget["metadata"]["generation"].as_i64().unwrap_or(0);
    if number(budget, "observedGeneration") < generation {
        return Err(busy(name));
    }
    let pending = budget["status"]["disruptedPods"].as_object().map_or(0, serde_json::Map::len);
    let allowed = number(budget, "disruptionsAllowed");
    if allowed < 0 {
        let why = "pdb disruptions allowed is negative";
        return Err(forbidden(name, why, why));
    }
    if pending > MOST_PENDING {
        let cause = "too many pending evictions not confirmed by PDB controller";
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(forbidden(name, why, cause));
    }
    if allowed == 0 {
        return Err(violated(0, refusal(budget, name)));
    }
    let mut spent = budget.clone();
    let status = &mut spent["status"];
    status["disruptionsAllowed"] = (allowed - 1).into();
    if !status["disruptedPods"].is_object() {
        status["disruptedPods"] = json!({});
    }
    status["disruptedPods"][pod] = now.into();
    if allowed == 1 {
        let mut condition = json!({ "type": "DisruptionAllowed", "status": "False",
            "reason": "InsufficientPods", "message": "" });
        if let Some(observed) = status["observedGeneration"].as_i64() {
            condition["observedGeneration"] = observed.into();
        }
        set_condition(status, condition, now);
    }
    Ok(spent)
}

/// Why a budget has nothing to give.
fn refusal(budget: &Value, name: &str) -> String {
    let (healthy, wanted) = (number(budget, "currentHealthy"), number(budget, "desiredHealthy"));
    let conditions = budget["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let told = conditions
        .iter()
        .find(|condition| condition["type"] == "DisruptionAllowed" && condition["status"] == "False")
        .map(|told| {
            (told["reason"].as_str().unwrap_or_default(), told["message"].as_str().unwrap_or_default())
        })
        .filter(|(_, message)| !message.is_empty());
    let closed = format!("The disruption budget {name} does not allow evicting pods currently");
    match told {
        Some(("SyncFailed", message)) => format!("{closed} because it failed sync: {message}"),
        _ if healthy <= wanted => {
            format!("The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently")
        }
        Some((reason, message)) => format!("{closed} ({reason}): {message}"),
        None => closed,
    }
}

/// The budget's controller has not seen its latest state.
pub fn busy(name: &str) -> Status {
    violated(10, format!("The disruption budget {name} is still being processed by the server."))
}

fn violated(retry_after: u32, cause: String) -> Status {
    let mut details = json!({ "causes": [{ "reason": "DisruptionBudget", "message": cause }] });
    if retry_after > 0 {
        details["retryAfterSeconds"] = retry_after.into();
    }
    Status { details: Some(details), ..Status::new(429, "TooManyRequests", VIOLATED) }
}

fn forbidden(name: &str, why: &str, cause: &str) -> Status {
    let message = format!("poddisruptionbudget.policy {name:?} is forbidden: {why}");
    let cause = format!("The disruption budget {name} does not allow evicting pods currently: {cause}");
    let details = json!({ "name": name, "group": "policy", "kind": "poddisruptionbudget",
        "causes": [{ "reason": "DisruptionBudget", "message": cause }] });
    Status { details: Some(details), ..Status::new(403, "Forbidden", message) }
}

/// The pod with the condition that an eviction ends it.
pub fn disrupted(pod: &Value, now: &str) -> Value {
    let mut pod = pod.clone();
    let condition = json!({ "type": "DisruptionTarget", "status": "True", "lastProbeTime": null,
        "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting" });
    set_condition(&mut pod["status"], condition, now);
    pod
}

/// Its time is that of its status' last change.
fn set_condition(status: &mut Value, mut condition: Value, now: &str) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    let known = conditions.iter_mut().find(|known| known["type"] == condition["type"]);
    let since = known.as_ref().filter(|known| known["status"] == condition["status"]);
    condition["lastTransitionTime"] =
        since.map_or_else(|| now.into(), |known| known["lastTransitionTime"].clone());
    match known {
        Some(known) => *known = condition,
        None => conditions.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(phase: &str, ready: &str) -> Value {
        json!({ "status": { "phase": phase, "conditions": [{ "type": "Ready", "status": ready }] } })
    }

    fn budget(spec: Value, allowed: i64, healthy: i64, wanted: i64) -> Arc<Value> {
        Arc::new(json!({ "metadata": { "name": "b", "generation": 1 }, "spec": spec, "status": {
            "observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": healthy,
            "desiredHealthy": wanted } }))
    }

    #[test]
    fn a_pod_that_no_budget_loses_goes_free() {
        let closed = [budget(json!({}), 0, 1, 2)];
        let of = |pod: Value, budgets: &[Arc<Value>]| judge(&pod, budgets).unwrap();
        assert_eq!(of(pod("Succeeded", "False"), &closed), Verdict::Free);
        assert_eq!(of(pod("Pending", "False"), &closed), Verdict::FreeAsItIs);
        assert_eq!(of(pod("Running", "True"), &[]), Verdict::Free);
        assert_eq!(of(pod("Running", "True"), &closed), Verdict::Spend("b".into()));
        assert_eq!(of(pod("Running", "False"), &closed), Verdict::Spend("b".into()));
        assert_eq!(of(pod("Running", "False"), &[budget(json!({}), 0, 2, 2)]), Verdict::Spare("b".into()));
        let always = budget(json!({ "unhealthyPodEvictionPolicy": "AlwaysAllow" }), 0, 0, 2);
        assert_eq!(of(pod("Running", "False"), &[always]), Verdict::Spare("b".into()));
        let two = [budget(json!({}), 1, 1, 1), budget(json!({}), 1, 1, 1)];
        assert_eq!(judge(&pod("Running", "True"), &two).unwrap_err().code, 500);
    }

    #[test]
    fn a_disruption_is_spent_once() {
        let spent_once = spent(&budget(json!({}), 1, 3, 2), "web-0", "now").unwrap();
        let status = &spent_once["status"];
        assert_eq!(
            (&status["disruptionsAllowed"], &status["disruptedPods"]),
            (&json!(0), &json!({ "web-0": "now" }))
        );
        assert_eq!(status["conditions"][0]["reason"], "InsufficientPods");
        let cause = |budget: &Value| {
            let status = spent(budget, "web-1", "now").unwrap_err();
            let details = status.details.unwrap();
            (
                status.code,
                details["causes"][0]["message"].as_str().unwrap().to_owned(),
                details["retryAfterSeconds"].clone(),
            )
        };
        let closed = "The disruption budget b does not allow evicting pods currently";
        assert_eq!(cause(&spent_once), (429, closed.into(), Value::Null));
        let needs = "The disruption budget b needs 2 healthy pods and has 1 currently";
        assert_eq!(cause(&budget(json!({}), 0, 1, 2)), (429, needs.into(), Value::Null));
        let mut unseen = (*budget(json!({}), 1, 1, 1)).clone();
        unseen["metadata"]["generation"] = 2.into();
        let busy = "The disruption budget b is still being processed by the server.";
        assert_eq!(cause(&unseen), (429, busy.into(), json!(10)));
        assert_eq!(cause(&budget(json!({}), -1, 1, 1)).0, 403);
    }

    #[test]
    fn the_condition_keeps_its_time() {
        let once = disrupted(&pod("Running", "True"), "1");
        assert_eq!(disrupted(&once, "2"), once);
        assert_eq!(once["status"]["conditions"][1]["lastTransitionTime"], "1");
    }
}
