//! Follows the validating policies and looks closer at their expressions, with the types of the kinds
//! they are about. Every host does so; what they write is the same.

use std::sync::Arc;
use std::time::Duration;

use orch_client::{Resource, Target, WriteOptions};
use orch_object::{Status, cel};
use serde_json::{Value, json};

use crate::definitions::call;
use crate::follow::{self, Follower};
use crate::key;
use crate::verbs::{Api, Modification, Part};

const GROUP: &str = "admissionregistration.k8s.io";
const PLURAL: &str = "validatingadmissionpolicies";

/// Does not return.
pub async fn follow(api: Arc<Api>) {
    let prefix = key::prefix(GROUP, PLURAL, None);
    let mut follower = Follower::new(api.cache(), std::slice::from_ref(&prefix));
    loop {
        let again = settle(&api, &prefix).await;
        follower.changed(again).await;
    }
}

/// When to look again without a change: soon, where something could not be written.
async fn settle(api: &Api, prefix: &str) -> Option<Duration> {
    let mut again = None;
    for policy in api.cache().list(prefix).items.iter().map(|object| object.value()) {
        match look(api, &policy).await {
            Ok(()) => {}
            Err(status) if status.is_not_found() || status.is_conflict() => {}
            Err(status) => {
                tracing::warn!(%status, "cannot write what was found in a policy");
                again = follow::RETRY;
            }
        }
    }
    again
}

/// Once for each generation.
async fn look(api: &Api, policy: &Value) -> Result<(), Status> {
    let generation = &policy["metadata"]["generation"];
    if policy["status"]["observedGeneration"] == *generation {
        return Ok(());
    }
    let warnings = cel::expression_warnings(policy, &*api.kinds_now().await?);
    let checked = if warnings.is_empty() { json!({}) } else { json!({ "expressionWarnings": warnings }) };
    let name = policy["metadata"]["name"].as_str().unwrap_or_default();
    let resource = Resource::new(GROUP, "v1", PLURAL);
    let target = Target { name: name.into(), subresource: "status".into(), ..Target::all(&resource) };
    let kind = api.kind(&resource).await?;
    let change = |old: &Arc<Value>| {
        let mut new = (**old).clone();
        new["status"]["observedGeneration"] = generation.clone();
        new["status"]["typeChecking"] = checked.clone();
        Ok(new)
    };
    let options = WriteOptions::default();
    let modification =
        Modification { part: Part::Status, options: &options, change: &change, keeps_managed_fields: false };
    api.modify(&call(), &kind, &target, &modification).await.map(drop)
}
