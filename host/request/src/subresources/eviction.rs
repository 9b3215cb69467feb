//! Eviction: a delete that PodDisruptionBudgets may refuse.

use orch_client::{DeleteOptions, Precondition, Target, WriteOptions};
use orch_object::{Kind, LabelSelector, Status};
use serde_json::{Value, json};

use crate::key;
use crate::verbs::{Api, Call, Written, delete_options};

pub async fn evict(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    eviction: &Value,
    options: &WriteOptions,
) -> Result<Written, Status> {
    let name = eviction["metadata"]["name"].as_str().unwrap_or_default();
    if !name.is_empty() && name != target.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut reviewed = eviction.clone();
    reviewed["apiVersion"] = "policy/v1".into();
    reviewed["kind"] = "Eviction".into();
    api.admit_posted(call, kind, target, &mut reviewed, options).await?;
    let eviction = &reviewed;
    let mut delete = delete_options(&eviction["deleteOptions"])?;
    delete.dry_run |= options.dry_run;
    let pod = api.current(kind, target).await?;
    check_budgets(api, &pod.value())?;
    if delete.preconditions == Precondition::default() {
        // The budget was checked for this pod, not for the next of its name.
        delete.preconditions.uid = pod.value()["metadata"]["uid"].as_str().map(String::from);
    }
    let object = Target { subresource: String::new(), ..target.clone() };
    api.delete_authorized(call, kind, &object, &DeleteOptions { ..delete }).await?;
    Ok(Written::unstored(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
    })))
}

/// 429 while a budget that covers the pod has nothing to give.
fn check_budgets(api: &Api, pod: &Value) -> Result<(), Status> {
    if ["Succeeded", "Failed", "Pending"].iter().any(|phase| pod["status"]["phase"] == *phase) {
        return Ok(());
    }
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let budgets = api.cache.list(&key::prefix("policy", "poddisruptionbudgets", Some(namespace)));
    for budget in budgets.items {
        let budget = budget.value();
        let selector = LabelSelector::from_json(Some(&budget["spec"]["selector"])).map_err(Status::from)?;
        let allowed = budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(0);
        if selector.matches_object(pod) && allowed <= 0 {
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            let mut status = Status::new(429, "TooManyRequests", message);
            status.details = Some(json!({ "causes": [{
                "reason": "DisruptionBudget",
                "message": format!("The disruption budget {} needs {} healthy pods and has {} currently",
                    budget["metadata"]["name"].as_str().unwrap_or_default(),
                    budget["status"]["desiredHealthy"], budget["status"]["currentHealthy"]),
            }] }));
            return Err(status);
        }
    }
    Ok(())
}
