//! What a new agent takes over from the one before it. Pure.

use std::collections::HashMap;

use orch_container::runtime::{Container, Sandbox as RuntimeSandbox, State};
use tokio::time::Instant;

use super::labels;
use super::record::{End, Record, Sandbox, SandboxHandle};
use super::spec::Pod;

/// The runtime's view of one pod at the agent's start.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub sandboxes: Vec<RuntimeSandbox>,
    pub containers: Vec<Container>,
}

/// Where a pod's worker begins, and what of the old is only in the way.
#[derive(Debug, Default)]
pub struct Adopted {
    pub record: Record,
    pub stale_containers: Vec<String>,
    pub stale_sandboxes: Vec<SandboxHandle>,
}

/// Everything of ours that the runtime holds, by pod uid.
pub fn by_pod(sandboxes: Vec<RuntimeSandbox>, containers: Vec<Container>) -> HashMap<String, Found> {
    let mut found: HashMap<String, Found> = HashMap::new();
    for sandbox in sandboxes {
        if let Some(uid) = sandbox.config.labels.get(labels::POD_UID).cloned() {
            found.entry(uid).or_default().sandboxes.push(sandbox);
        }
    }
    for container in containers {
        if let Some(uid) = container.config.labels.get(labels::POD_UID).cloned() {
            found.entry(uid).or_default().containers.push(container);
        }
    }
    found
}

pub fn adopt(pod: &Pod, mut found: Found, now: Instant) -> Adopted {
    let mut adopted = Adopted::default();
    found.sandboxes.sort_by_key(|s| s.created_at_ms);
    let mut handles: Vec<SandboxHandle> = found.sandboxes.into_iter().map(handle).collect();
    if let Some(handle) = handles.pop() {
        adopted.record.sandbox = Sandbox::Found(handle);
    }
    adopted.stale_sandboxes = handles;
    let has_sandbox = adopted.record.sandbox != Sandbox::Missing;
    let is_known_end = matches!(pod.status()["phase"].as_str(), Some("Succeeded" | "Failed"));
    if is_known_end {
        adopted.record.end = Some(End::Known);
    }
    for container in found.containers {
        let name = container.config.labels.get(labels::CONTAINER_NAME).cloned().unwrap_or_default();
        // Made but never started: the agent died in between.
        let is_half_made = container.state == State::Created;
        // A new sandbox begins with the first init container again.
        let is_outdated_init = !has_sandbox && !is_known_end && pod.is_init(&name);
        if is_half_made || is_outdated_init {
            adopted.stale_containers.push(container.config.id);
            continue;
        }
        adopted.record.containers.entry(name).or_default().observe(&container, now);
    }
    adopted.record.initialized =
        has_sandbox && pod.spec.containers.iter().any(|c| adopted.record.container(&c.name).is_some());
    adopted.record.adopting = has_sandbox && !is_known_end;
    restore_probe_results(pod, &mut adopted.record);
    adopted
}

fn handle(sandbox: RuntimeSandbox) -> SandboxHandle {
    SandboxHandle {
        id: sandbox.config.id,
        resources: sandbox.config.resources,
        network_namespace: sandbox.network_namespace,
    }
}

/// A container that was ready stays ready until a probe says otherwise.
fn restore_probe_results(pod: &Pod, record: &mut Record) {
    for (name, container) in &mut record.containers {
        let Some(attempt) = container.attempts.last().filter(|a| a.is_running()) else { continue };
        let Some(status) = pod.container_status(name) else { continue };
        if status["containerID"] == format!("orch://{}", attempt.id) {
            container.started = status["started"] == true;
            container.ready = status["ready"] == true;
        }
    }
}

/// A pod that exists in the runtime only, as far as its labels tell: enough to end it.
pub fn orphan(uid: &str, found: &Found) -> Pod {
    let labels = found
        .containers
        .iter()
        .map(|c| &c.config.labels)
        .chain(found.sandboxes.iter().map(|s| &s.config.labels))
        .next();
    let label = |name: &str| labels.and_then(|l| l.get(name)).cloned().unwrap_or_default();
    let mut pod = Pod::default();
    pod.metadata.uid = uid.to_string();
    pod.metadata.name = label(labels::POD_NAME);
    pod.metadata.namespace = label(labels::POD_NAMESPACE);
    pod.spec.termination_grace_period_seconds = label(labels::POD_GRACE).parse().ok();
    pod
}
