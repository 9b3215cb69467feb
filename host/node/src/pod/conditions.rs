//! The conditions a node sets on a pod. Others' (`PodScheduled`, readiness gates) are left alone.

use serde_json::{Value, json};

use super::record::{Record, Sandbox};
use super::resize;
use super::spec::Pod;

struct Verdict {
    holds: bool,
    reason: &'static str,
    message: String,
}

impl Verdict {
    fn yes() -> Self {
        Verdict { holds: true, reason: "", message: String::new() }
    }
    fn no(reason: &'static str, message: String) -> Self {
        Verdict { holds: false, reason, message }
    }
}

pub fn build(
    pod: &Pod,
    record: &Record,
    phase: &str,
    (init, main): (&[Value], &[Value]),
    before: &Value,
    now: &str,
) -> Vec<Value> {
    let containers = containers_ready(pod, phase, init, main);
    let ready = if containers.holds {
        gates(pod)
    } else {
        Verdict { message: containers.message.clone(), ..containers }
    };
    let sandbox = matches!(record.sandbox, Sandbox::Ready(_) | Sandbox::Found(_));
    let ready_to_start = Verdict { holds: sandbox, reason: "", message: String::new() };
    [
        ("PodReadyToStartContainers", ready_to_start),
        ("Initialized", initialized(pod, record, phase, init)),
        ("Ready", ready),
        ("ContainersReady", containers),
    ]
    .into_iter()
    .chain(resizes(pod, record))
    .map(|(name, verdict)| condition(pod, name, verdict, before, now))
    .collect()
}

/// Conditions that are there only while they hold.
pub const PASSING: [&str; 2] = ["PodResizePending", "PodResizeInProgress"];

fn resizes(pod: &Pod, record: &Record) -> Option<(&'static str, Verdict)> {
    let [pending, in_progress] = PASSING;
    let over = record.end.is_some() || pod.is_deleted();
    if over || resize::differing(pod, record).next().is_none() {
        return None;
    }
    let waiting = record.resize.as_ref();
    let message = waiting.map(|waiting| waiting.message.clone()).unwrap_or_default();
    let (name, reason) = match waiting.map(|waiting| waiting.reason.as_str()) {
        Some("Infeasible") => (pending, "Infeasible"),
        Some("Deferred") => (pending, "Deferred"),
        Some(_) => (in_progress, "Error"),
        None => (in_progress, ""),
    };
    Some((name, Verdict { holds: true, reason, message }))
}

fn condition(pod: &Pod, name: &str, verdict: Verdict, before: &Value, now: &str) -> Value {
    let status = if verdict.holds { "True" } else { "False" };
    let known = before["conditions"].as_array().and_then(|all| all.iter().find(|c| c["type"] == name));
    let since = known
        .filter(|known| known["status"] == status)
        .and_then(|known| known["lastTransitionTime"].as_str())
        .unwrap_or(now);
    let mut condition = json!({ "type": name, "status": status, "lastTransitionTime": since });
    if !verdict.reason.is_empty() {
        condition["reason"] = verdict.reason.into();
    }
    if !verdict.message.is_empty() {
        condition["message"] = verdict.message.into();
    }
    if let Some(generation) = pod.metadata.generation {
        condition["observedGeneration"] = generation.into();
    }
    condition
}

fn initialized(pod: &Pod, record: &Record, phase: &str, init: &[Value]) -> Verdict {
    if phase == "Succeeded" {
        return Verdict { reason: "PodCompleted", ..Verdict::yes() };
    }
    if record.initialized || pod.spec.init_containers.is_empty() {
        return Verdict::yes();
    }
    let pending = pod
        .spec
        .init_containers
        .iter()
        .zip(init)
        .filter(
            |(container, status)| {
                if container.is_sidecar() { status["started"] != true } else { status["ready"] != true }
            },
        )
        .map(|(container, _)| container.name.as_str());
    let names: Vec<&str> = pending.collect();
    if names.is_empty() {
        return Verdict::yes();
    }
    let message = format!("containers with incomplete status: [{}]", names.join(" "));
    Verdict::no("ContainersNotInitialized", message)
}

fn containers_ready(pod: &Pod, phase: &str, init: &[Value], main: &[Value]) -> Verdict {
    match phase {
        "Succeeded" => return Verdict::no("PodCompleted", String::new()),
        "Failed" => return Verdict::no("PodFailed", String::new()),
        _ => {}
    }
    let sidecars = pod.spec.init_containers.iter().zip(init).filter(|(c, _)| c.is_sidecar());
    let unready: Vec<&str> = sidecars
        .chain(pod.spec.containers.iter().zip(main))
        .filter(|(_, status)| status["ready"] != true)
        .map(|(container, _)| container.name.as_str())
        .collect();
    if unready.is_empty() {
        return Verdict::yes();
    }
    Verdict::no("ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" ")))
}

/// Every condition named by a readiness gate has to be true.
fn gates(pod: &Pod) -> Verdict {
    let all = pod.status()["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let complaints: Vec<String> = pod
        .spec
        .readiness_gates
        .iter()
        .filter_map(|gate| {
            let name = &gate.condition_type;
            match all.iter().find(|c| c["type"] == name.as_str()) {
                None => {
                    Some(format!("corresponding condition of pod readiness gate \"{name}\" does not exist."))
                }
                Some(condition) if condition["status"] != "True" => Some(format!(
                    "the status of pod readiness gate \"{name}\" is not \"True\", but {}",
                    condition["status"].as_str().unwrap_or_default()
                )),
                Some(_) => None,
            }
        })
        .collect();
    if complaints.is_empty() {
        return Verdict::yes();
    }
    Verdict::no("ReadinessGatesNotReady", complaints.join(", "))
}
