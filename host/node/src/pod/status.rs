//! A pod's `status`, from what is known of it. Pure.

use std::net::IpAddr;

use orch_container::runtime::{Exit, State};
use serde_json::{Value, json};

use super::conditions;
use super::plan::restarts;
use super::qos;
use super::record::{Attempt, ContainerRecord, End, Operation, Record, Waiting};
use super::spec::{Container, Pod, ResourceRequirements};
use super::totals;
use crate::time;

/// Everything a status is made of.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub pod: &'a Pod,
    pub record: &'a Record,
    pub host_ips: &'a [IpAddr],
    /// The status as last told, for the times of unchanged conditions.
    pub before: &'a Value,
    /// When the node first saw the pod.
    pub start_time: &'a str,
    pub now: &'a str,
}

pub fn build(facts: Facts) -> Value {
    let Facts { pod, record, host_ips, before, start_time, now } = facts;
    let init = container_statuses(facts, &pod.spec.init_containers);
    let main = container_statuses(facts, &pod.spec.containers);
    let phase = phase(pod, record, &main);
    let mut status = json!({
        "phase": phase,
        "conditions": conditions::build(pod, record, phase, (&init, &main), before, now),
        "containerStatuses": main,
        "qosClass": qos::class(&pod.spec).name(),
        "resources": totals::resources(pod, record, phase, before),
        "startTime": start_time,
    });
    if !init.is_empty() {
        status["initContainerStatuses"] = init.into();
    }
    if !pod.spec.ephemeral_containers.is_empty() {
        status["ephemeralContainerStatuses"] =
            container_statuses(facts, &pod.spec.ephemeral_containers).into();
    }
    if let Some(requests) = totals::allocated_requests(pod, record) {
        status["allocatedResources"] = requests;
    }
    if let Some(generation) = pod.metadata.generation {
        status["observedGeneration"] = generation.into();
    }
    if let Some(primary) = host_ips.first() {
        status["hostIP"] = primary.to_string().into();
        status["hostIPs"] = ip_list(host_ips);
    }
    if let Some(primary) = record.ips.first() {
        status["podIP"] = primary.to_string().into();
        status["podIPs"] = ip_list(&record.ips);
    }
    if let Some(End::Failed { reason, message }) = &record.end {
        status["reason"] = reason.clone().into();
        status["message"] = message.clone().into();
    }
    status
}

fn ip_list(ips: &[IpAddr]) -> Value {
    ips.iter().map(|ip| json!({ "ip": ip.to_string() })).collect()
}

/// Upstream's `getPhase`: waiting with a past is as good as stopped.
fn phase(pod: &Pod, record: &Record, main: &[Value]) -> &'static str {
    let ended = record.end.is_some() || pod.is_deleted() || record.deleted_from_api;
    let running = main.iter().filter(|s| !s["state"]["running"].is_null()).count();
    let code = |s: &Value| {
        s["state"]["terminated"]["exitCode"].as_i64().or(s["lastState"]["terminated"]["exitCode"].as_i64())
    };
    let codes: Vec<i64> = main.iter().filter(|s| s["state"]["running"].is_null()).filter_map(code).collect();
    let waiting = main.len() - running - codes.len();
    let all_succeeded = codes.len() == main.len() && codes.iter().all(|code| *code == 0);
    if ended && !record.any_running() {
        return match &record.end {
            Some(End::Failed { .. }) => "Failed",
            Some(End::Completed | End::Known) | None if all_succeeded => "Succeeded",
            Some(End::Completed | End::Known) => "Failed",
            // Deleted before anything had run: upstream leaves it where it was.
            None if codes.is_empty() && running == 0 => "Pending",
            None => "Failed",
        };
    }
    let initialized = record.initialized || pod.spec.init_containers.is_empty();
    if !initialized || waiting > 0 {
        return "Pending";
    }
    "Running"
}

fn container_statuses(facts: Facts, containers: &[Container]) -> Vec<Value> {
    containers.iter().map(|container| container_status(facts, container)).collect()
}

fn container_status(facts: Facts, container: &Container) -> Value {
    let Facts { pod, record, .. } = facts;
    let known = record.container(&container.name);
    let current = known.and_then(ContainerRecord::current);
    let (state, last_state) = states(pod, record, container, known);
    let is_running = !state["running"].is_null();
    let is_plain_init = pod.is_init(&container.name) && !container.is_sidecar();
    let ready = if is_plain_init {
        state["terminated"]["exitCode"] == 0
    } else {
        // Nobody sends requests to an ephemeral container.
        is_running && known.is_some_and(|c| c.ready) && !pod.is_ephemeral(&container.name)
    };
    let in_force = totals::in_force(record, container).filter(|_| is_running);
    let restart_count = current.map_or_else(|| reported_restarts(pod, container), |a| a.restart_count.into());
    let mut status = json!({
        "name": container.name,
        "state": state,
        "lastState": last_state,
        "ready": ready,
        "started": is_running && known.is_some_and(|c| c.started),
        "restartCount": restart_count,
        "image": container.image,
        "imageID": current.map_or("", |a| a.image_id.as_str()),
        "resources": resources(in_force.unwrap_or(&container.resources)),
    });
    if let Some(attempt) = current {
        status["containerID"] = format!("orch://{}", attempt.id).into();
        if !attempt.image.is_empty() {
            status["image"] = attempt.image.clone().into();
        }
    }
    let allocated = totals::allocated(record, container);
    if !allocated.requests.is_empty() {
        status["allocatedResources"] = json!(allocated.requests);
    }
    if !container.volume_mounts.is_empty() {
        status["volumeMounts"] = volume_mounts(container);
    }
    status
}

fn reported_restarts(pod: &Pod, container: &Container) -> Value {
    let reported = pod.container_status(&container.name).map(|status| status["restartCount"].clone());
    reported.filter(Value::is_u64).unwrap_or_else(|| 0.into())
}

fn resources(of: &ResourceRequirements) -> Value {
    let mut resources = json!({});
    if !of.limits.is_empty() {
        resources["limits"] = json!(of.limits);
    }
    if !of.requests.is_empty() {
        resources["requests"] = json!(of.requests);
    }
    resources
}

fn volume_mounts(container: &Container) -> Value {
    let mount = |m: &super::spec::VolumeMount| {
        let mut mount = json!({ "name": m.name, "mountPath": m.mount_path });
        if m.read_only {
            mount["readOnly"] = true.into();
            mount["recursiveReadOnly"] = "Disabled".into();
        }
        mount
    };
    container.volume_mounts.iter().map(mount).collect()
}

/// `state` and `lastState`.
fn states(
    pod: &Pod,
    record: &Record,
    container: &Container,
    known: Option<&ContainerRecord>,
) -> (Value, Value) {
    let default = default_waiting(pod);
    let Some((known, current)) = known.and_then(|k| k.current().map(|c| (k, c))) else {
        let waiting = known.and_then(|k| k.waiting.clone()).unwrap_or(default);
        return (waiting_state(&waiting), reported_last_state(pod, container));
    };
    let before = || match known.previous() {
        Some(previous) => terminated_state(previous),
        None if current.restart_count > 0 => reported_last_state(pod, container),
        None => json!({}),
    };
    match &current.state {
        State::Created => (waiting_state(&default), before()),
        // A container counts as running once its postStart hook has returned.
        State::Running { .. } if is_in_post_start(record, container) => (waiting_state(&default), before()),
        State::Running { started_at_ms } => {
            (json!({ "running": { "startedAt": time::seconds_of_ms(*started_at_ms) } }), before())
        }
        State::Exited(exit) => {
            let again = record.end.is_none() && !pod.is_deleted() && restarts(pod, container, exit.code);
            match &known.waiting {
                Some(waiting) if again => (waiting_state(waiting), terminated_state(current)),
                Some(_) | None => (terminated_state(current), before()),
            }
        }
    }
}

fn is_in_post_start(record: &Record, container: &Container) -> bool {
    container.lifecycle.post_start.is_some()
        && matches!(&record.operation, Some(Operation::Start { container: name }) if *name == container.name)
}

fn default_waiting(pod: &Pod) -> Waiting {
    let reason = if pod.spec.init_containers.is_empty() { "ContainerCreating" } else { "PodInitializing" };
    Waiting { reason: reason.into(), message: String::new() }
}

fn waiting_state(waiting: &Waiting) -> Value {
    let mut state = json!({ "waiting": { "reason": waiting.reason } });
    if !waiting.message.is_empty() {
        state["waiting"]["message"] = waiting.message.clone().into();
    }
    state
}

/// What the API knew of an earlier run whose container this machine has lost.
fn reported_last_state(pod: &Pod, container: &Container) -> Value {
    let Some(status) = pod.container_status(&container.name) else { return json!({}) };
    if status["containerID"].as_str().is_none_or(str::is_empty) {
        return json!({});
    }
    if status["state"]["terminated"].is_object() {
        return json!({ "terminated": status["state"]["terminated"] });
    }
    if status["state"]["running"].is_object() {
        return json!({ "terminated": {
            "exitCode": 137,
            "reason": "ContainerStatusUnknown",
            "message": "The container could not be located when the pod was terminated",
        }});
    }
    if status["lastState"].is_object() { status["lastState"].clone() } else { json!({}) }
}

fn terminated_state(attempt: &Attempt) -> Value {
    let Some(exit) = attempt.exit() else { return json!({}) };
    let mut terminated = json!({
        "exitCode": exit.code,
        "reason": terminated_reason(exit),
        "startedAt": time::seconds_of_ms(exit.started_at_ms),
        "finishedAt": time::seconds_of_ms(exit.finished_at_ms),
        "containerID": format!("orch://{}", attempt.id),
    });
    if let Some(message) = exit.start_error.as_ref().or(attempt.message.as_ref()).filter(|m| !m.is_empty()) {
        terminated["message"] = message.clone().into();
    }
    json!({ "terminated": terminated })
}

pub fn terminated_reason(exit: &Exit) -> &'static str {
    if exit.start_error.is_some() {
        "StartError"
    } else if exit.oom_killed {
        "OOMKilled"
    } else if exit.code == 0 {
        "Completed"
    } else {
        "Error"
    }
}

/// Whether the API already shows all of this; conditions of others do not matter.
pub fn is_reflected(status: &Value, shown: &Value) -> bool {
    status.as_object().into_iter().flatten().all(|(field, value)| match field.as_str() {
        "conditions" => {
            let shown = shown["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
            let mut own = value.as_array().into_iter().flatten();
            own.all(|c| shown.contains(c)) && passed(shown, value).next().is_none()
        }
        _ => shown[field] == *value,
    })
}

/// Whether somebody else has said the contrary of what was told: the node controller, that nothing is heard
/// of this node.
pub fn is_contradicted(told: &Value, shown: &Value) -> bool {
    let conditions = |of: &Value| of["conditions"].as_array().cloned().unwrap_or_default();
    let shown = conditions(shown);
    let differs = |told: &Value| {
        let namesake = shown.iter().find(|shown| shown["type"] == told["type"]);
        namesake.is_some_and(|shown| shown["status"] != told["status"])
    };
    conditions(told).iter().any(differs)
}

/// Conditions of resizes that are over.
fn passed<'a>(shown: &'a [Value], own: &'a Value) -> impl Iterator<Item = &'a Value> {
    let is_own =
        move |shown: &Value| own.as_array().into_iter().flatten().any(|c| c["type"] == shown["type"]);
    let passing =
        move |shown: &&Value| conditions::PASSING.iter().any(|name| shown["type"] == *name) && !is_own(shown);
    shown.iter().filter(passing)
}

/// The patch of the `status` sub-resource that leads from `before` to `status`.
pub fn patch(pod: &Pod, before: &Value, status: &Value) -> Value {
    let mut body = status.clone();
    for list in ["podIPs", "hostIPs"] {
        let shown = pod.status()[list].as_array().map(Vec::as_slice).unwrap_or_default();
        // These lists merge by address: an address that is gone has to be put out.
        if let Some(ips) =
            body[list].as_array_mut().filter(|ips| !shown.is_empty() && ips.as_slice() != shown)
        {
            ips.insert(0, json!({ "$patch": "replace" }));
        }
    }
    for map in ["resources", "allocatedResources"] {
        // What a map had stays in it, unless all of it is replaced.
        if pod.status()[map].is_object() && body[map].is_object() && pod.status()[map] != body[map] {
            body[map]["$patch"] = "replace".into();
        }
    }
    let shown = before["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let gone: Vec<Value> = passed(shown, &status["conditions"])
        .map(|condition| json!({ "$patch": "delete", "type": condition["type"] }))
        .collect();
    if let Some(conditions) = body["conditions"].as_array_mut() {
        conditions.extend(gone);
    }
    for field in before.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if OWNED.contains(&field.as_str()) && status.get(field).is_none() {
            body[field] = Value::Null;
        }
    }
    json!({ "metadata": { "uid": pod.metadata.uid }, "status": body })
}

/// Fields that a node may take back.
const OWNED: [&str; 6] = ["reason", "message", "podIP", "podIPs", "hostIP", "hostIPs"];
