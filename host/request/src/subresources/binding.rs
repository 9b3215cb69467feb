//! Binding: a pod gets its node, once.

use orch_client::{Target, WriteOptions};
use orch_object::{Kind, Status};
use serde_json::{Value, json};

use crate::verbs::{Api, Call, Modification, Part, Reviewed, Written, time};

pub async fn bind(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    binding: &Value,
    options: &WriteOptions,
) -> Result<Written, Status> {
    let binding = &reviewed(api, call, kind, target, binding, options).await?;
    let node = binding["target"]["name"].as_str().unwrap_or_default();
    check(binding, target, node)?;
    let now = time(api.clock.now());
    let change = |old: &std::sync::Arc<Value>| bound(kind, target, old, binding, node, &now);
    let modification =
        Modification { part: Part::Any, options, change: &change, keeps_managed_fields: false };
    api.modify_reviewed(call, kind, target, &modification, Reviewed::Already).await?;
    Ok(Written::unstored(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
    })))
}

/// The Binding as admission lets it pass.
async fn reviewed(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    binding: &Value,
    options: &WriteOptions,
) -> Result<Value, Status> {
    let mut binding = binding.clone();
    binding["apiVersion"] = "v1".into();
    binding["kind"] = "Binding".into();
    api.admit_posted(call, kind, target, &mut binding, options).await?;
    Ok(binding)
}

fn check(binding: &Value, target: &Target, node: &str) -> Result<(), Status> {
    let name = binding["metadata"]["name"].as_str().unwrap_or_default();
    if !name.is_empty() && name != target.name {
        return Err(Status::bad_request("name in URL does not match name in Binding object"));
    }
    let kind = binding["target"]["kind"].as_str().unwrap_or_default();
    let message = match (kind, node) {
        ("" | "Node", node) if !node.is_empty() => return Ok(()),
        ("" | "Node", _) => "target.name: Required value".to_string(),
        (kind, _) => {
            format!("target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\"")
        }
    };
    Err(Status::new(422, "Invalid", format!("Binding {:?} is invalid: {message}", target.name)))
}

fn bound(
    kind: &Kind,
    target: &Target,
    old: &Value,
    binding: &Value,
    node: &str,
    now: &str,
) -> Result<Value, Status> {
    let conflict = |why: String| Status::conflict(kind, &target.name, &why);
    if old["metadata"]["deletionTimestamp"].is_string() {
        return Err(conflict(format!("pod {} is being deleted, cannot be assigned to a host", target.name)));
    }
    if let Some(current) = old["spec"]["nodeName"].as_str().filter(|n| !n.is_empty()) {
        return Err(conflict(format!("pod {} is already assigned to node {current:?}", target.name)));
    }
    let gates = old["spec"]["schedulingGates"].as_array();
    if gates.is_some_and(|gates| !gates.is_empty()) {
        return Err(conflict(format!("pod {} has non-empty .spec.schedulingGates", target.name)));
    }
    let mut new = old.clone();
    new["spec"]["nodeName"] = node.into();
    if let Some(uid) = binding["metadata"]["uid"].as_str().filter(|uid| !uid.is_empty()) {
        new["metadata"]["uid"] = uid.into();
    }
    if let Some(annotations) = binding["metadata"]["annotations"].as_object() {
        for (name, value) in annotations {
            new["metadata"]["annotations"][name.as_str()] = value.clone();
        }
    }
    // Whoever wrote in between wrote something else than a node: the binding still holds.
    new["metadata"]["resourceVersion"] = Value::Null;
    set_scheduled(&mut new, now);
    Ok(new)
}

fn set_scheduled(pod: &mut Value, now: &str) {
    let condition = json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now,
    });
    let status = &mut pod["status"];
    match status["conditions"].as_array_mut() {
        Some(conditions) => match conditions.iter_mut().find(|c| c["type"] == "PodScheduled") {
            Some(existing) => *existing = condition,
            None => conditions.push(condition),
        },
        None => status["conditions"] = json!([condition]),
    }
}
