//! Binding: a pod gets its node, once.

use orch_client::{Target, WriteOptions};
use orch_object::{Kind, Status, names};
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
    let change = |old: &std::sync::Arc<Value>| bound(target, old, binding, node, &now);
    let modification =
        Modification { part: Part::Placement, options, change: &change, keeps_managed_fields: true };
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
    if binding["metadata"]["name"].as_str().unwrap_or_default() != target.name {
        return Err(Status::bad_request("name in URL does not match name in Binding object"));
    }
    let kind = binding["target"]["kind"].as_str().unwrap_or_default();
    let mut errors = Vec::new();
    if !matches!(kind, "" | "Node") {
        errors.push(format!(
            "target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\""
        ));
    }
    if node.is_empty() {
        errors.push("target.name: Required value".to_string());
    } else if errors.is_empty() {
        let faults = names::dns1123_subdomain(node);
        errors.extend(faults.iter().map(|why| format!("target.name: Invalid value: {node:?}: {why}")));
    }
    // Neither the code of what is invalid nor a reason: so upstream answers.
    match &errors[..] {
        [] => Ok(()),
        [error] => Err(Status::new(500, "", error.clone())),
        several => Err(Status::new(500, "", format!("[{}]", several.join(", ")))),
    }
}

fn bound(target: &Target, old: &Value, binding: &Value, node: &str, now: &str) -> Result<Value, Status> {
    let conflict = |why: String| Status {
        details: Some(json!({ "name": target.name, "kind": "pods/binding" })),
        ..Status::new(
            409,
            "Conflict",
            format!("Operation cannot be fulfilled on pods/binding {:?}: {why}", target.name),
        )
    };
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
    for part in ["annotations", "labels"] {
        for (name, value) in binding["metadata"][part].as_object().into_iter().flatten() {
            new["metadata"][part][name.as_str()] = value.clone();
        }
    }
    // Unless it insists on a version: whoever wrote in between wrote something else than a node, so the
    // binding still holds.
    new["metadata"]["resourceVersion"] = binding["metadata"]["resourceVersion"].clone();
    if let Some(status) = new["status"].as_object_mut() {
        status.remove("nominatedNodeName");
    }
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
