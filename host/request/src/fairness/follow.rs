//! Keeps the levels as the API's objects say, and tells of schemas whose level is missing.

use std::sync::Arc;

use orch_client::Resource;
use serde_json::{Value, json};

use super::Fairness;
use crate::bootstrap::apply_condition;
use crate::follow::Follower;
use crate::verbs::{Api, time};
use crate::{bootstrap, key};

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
const MANAGER: &str = "api-priority-and-fairness-config-consumer-v1";

/// Does not return.
pub async fn follow(api: Arc<Api>, fairness: Fairness) {
    let mut follower = Follower::new(api.cache(), &[format!("{GROUP}/")]);
    loop {
        refresh(&api, &fairness);
        keep_mandatory(&api).await;
        tell_dangling(&api).await;
        follower.changed(None).await;
    }
}

fn all(api: &Api, plural: &str) -> Vec<Arc<Value>> {
    api.cache().list(&key::prefix(GROUP, plural, None)).items.iter().map(|object| object.value()).collect()
}

/// Takes over what the cache has now.
pub fn refresh(api: &Api, fairness: &Fairness) {
    fairness.configure(&all(api, "flowschemas"), &all(api, "prioritylevelconfigurations"));
}

/// Somebody deleted what every cluster has.
async fn keep_mandatory(api: &Api) {
    let has = |plural: &str, name: &str| api.cache().get(&key::object(GROUP, plural, "", name)).is_some();
    let missing = ["exempt", "catch-all"]
        .iter()
        .any(|name| !has("flowschemas", name) || !has("prioritylevelconfigurations", name));
    if missing && let Err(error) = bootstrap::flow::create(api).await {
        tracing::warn!(%error, "cannot create the mandatory flow schemas again");
    }
}

async fn tell_dangling(api: &Api) {
    let levels = all(api, "prioritylevelconfigurations");
    for schema in all(api, "flowschemas") {
        let level = schema["spec"]["priorityLevelConfiguration"]["name"].as_str().unwrap_or_default();
        let dangling = !levels.iter().any(|object| object["metadata"]["name"] == level);
        let (status, reason) = if dangling { ("True", "NotFound") } else { ("False", "Found") };
        let told =
            schema["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "Dangling");
        if told.is_some_and(|told| told["status"] == status && told["reason"] == reason) {
            continue;
        }
        let rest = if dangling { "but there is no such object" } else { "and it exists" };
        let condition = json!({
            "type": "Dangling", "status": status, "reason": reason, "lastTransitionTime": time(api.clock.now()),
            "message": format!("This FlowSchema references the PriorityLevelConfiguration object named {level:?} {rest}"),
        });
        if let Err(error) = write_condition(api, &schema, condition).await {
            tracing::debug!(%error, "cannot write the condition of a flow schema");
        }
    }
}

/// Applied, as upstream does: what others say of the schema stays theirs.
async fn write_condition(api: &Api, schema: &Value, condition: Value) -> Result<(), orch_object::Status> {
    let resource = Resource::new(GROUP, "v1", "flowschemas");
    let name = schema["metadata"]["name"].as_str().unwrap_or_default();
    match apply_condition(api, &resource, name, MANAGER, condition).await {
        Err(status) if status.is_not_found() => Ok(()),
        answer => answer,
    }
}
