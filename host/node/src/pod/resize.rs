//! Resources that change while a pod runs: what differs, whether there is room, the change itself.

use orch_container::runtime::Resources;
use serde::Serialize;

use super::labels;
use super::qos;
use super::record::{Attempt, Record, Waiting};
use super::spec::{Container, Pod, ResourceList, ResourceRequirements};
use crate::agent::Agent;
use crate::quantity;

const RESIZABLE: [&str; 2] = ["cpu", "memory"];

/// What one step of a resize sets.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub sandbox: Resources,
    pub containers: Vec<ContainerStep>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ContainerStep {
    pub id: String,
    pub name: String,
    pub wanted: ResourceRequirements,
    pub resources: Resources,
}

/// The running containers whose resources are not those of the spec.
pub fn differing<'a>(pod: &'a Pod, record: &'a Record) -> impl Iterator<Item = (&'a Container, &'a Attempt)> {
    let resizable = pod.spec.init_containers.iter().chain(&pod.spec.containers);
    resizable.filter_map(|container| {
        let known = record.container(&container.name).filter(|known| !known.stopping)?;
        let attempt = known.current().filter(|attempt| attempt.is_running())?;
        let has = attempt.resources.as_ref()?;
        (!changes(has, &container.resources).is_empty()).then_some((container, attempt))
    })
}

/// Whether every container runs with what the spec asks for.
pub fn is_over(pod: &Pod, record: &Record) -> bool {
    let runs = |container: &Container| {
        record.container(&container.name).is_some_and(|known| known.is_running() && !known.stopping)
    };
    pod.spec.containers.iter().all(runs) && differing(pod, record).next().is_none()
}

/// What the spec asks for, as upstream writes it into events.
pub fn summary(pod: &Pod, error: &str) -> String {
    let of = |containers: &[Container]| {
        let allocation = |container: &Container| Allocation {
            name: container.name.clone(),
            resources: container.resources.clone(),
        };
        containers.iter().map(allocation).collect()
    };
    let summary = Summary {
        init_containers: of(&pod.spec.init_containers),
        containers: of(&pod.spec.containers),
        generation: pod.metadata.generation.unwrap_or(0),
        error,
    };
    serde_json::to_string(&summary).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    init_containers: Vec<Allocation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    containers: Vec<Allocation>,
    generation: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    error: &'a str,
}

#[derive(Serialize)]
struct Allocation {
    name: String,
    resources: ResourceRequirements,
}

fn changes(has: &ResourceRequirements, wanted: &ResourceRequirements) -> Vec<&'static str> {
    let differs = |name: &&str| {
        let amount = |list: &ResourceList| list.get(*name).and_then(quantity::milli);
        amount(&has.limits) != amount(&wanted.limits) || amount(&has.requests) != amount(&wanted.requests)
    };
    RESIZABLE.into_iter().filter(differs).collect()
}

/// Whether the container said that one of the changes wants a new process.
pub fn needs_restart(container: &Container, attempt: &Attempt) -> bool {
    let Some(has) = &attempt.resources else { return false };
    let changed = changes(has, &container.resources);
    let restarts = |policy: &super::spec::ResizePolicy| {
        policy.restart_policy == "RestartContainer" && changed.contains(&policy.resource_name.as_str())
    };
    container.resize_policy.iter().any(restarts)
}

/// The next step, if there is one: first room for everything, then the containers, at last the pod's
/// own limits to the point.
pub fn step(pod: &Pod, record: &Record, node_memory: u64) -> Option<Step> {
    let sandbox = due(pod, record)?;
    let containers = in_place(pod, record).map(|(container, attempt)| ContainerStep {
        id: attempt.id.clone(),
        name: container.name.clone(),
        wanted: container.resources.clone(),
        resources: qos::container_resources(&pod.spec, container, node_memory),
    });
    Some(Step { sandbox, containers: containers.collect() })
}

/// The pod's own limits in the next step; `None`: there is no step to take.
pub fn due(pod: &Pod, record: &Record) -> Option<Resources> {
    let has = &record.sandbox.handle()?.resources;
    let wanted = qos::pod_resources(&pod.spec);
    if differing(pod, record).next().is_none() {
        let settled = *has == wanted || record.containers.values().any(|known| known.stopping);
        return (!settled).then_some(wanted);
    }
    let sandbox = widest(has, &wanted);
    let done = in_place(pod, record).next().is_none() && *has == sandbox;
    (!done).then_some(sandbox)
}

/// The differing containers that need no new process.
fn in_place<'a>(pod: &'a Pod, record: &'a Record) -> impl Iterator<Item = (&'a Container, &'a Attempt)> {
    differing(pod, record).filter(|(container, attempt)| !needs_restart(container, attempt))
}

/// Limits that hold for both.
fn widest(has: &Resources, wanted: &Resources) -> Resources {
    let both = |a: Option<i64>, b: Option<i64>| Some(a?.max(b?));
    Resources {
        cpu_quota_us: both(has.cpu_quota_us, wanted.cpu_quota_us),
        memory_limit_bytes: both(has.memory_limit_bytes, wanted.memory_limit_bytes),
        ..wanted.clone()
    }
}

/// Why the pod cannot have what its spec asks for, now or ever (`Infeasible`, `Deferred`).
pub fn refusal(agent: &Agent, pod: &Pod) -> Option<Waiting> {
    let allocatable = &agent.machine.allocatable;
    let others = agent.pods.held_beside(&pod.metadata.uid);
    let node =
        [("cpu", allocatable.milli_cpu, others[0]), ("memory", allocatable.memory_bytes * 1000, others[1])];
    let refuse = |reason: &str, message: String| Some(Waiting { reason: reason.into(), message });
    for (index, (name, capacity, used)) in node.into_iter().enumerate() {
        let requested = requests(pod, None)[index];
        // As the scheduler counts: thousandths of a processor, bytes.
        let unit = if name == "cpu" { 1 } else { 1000 };
        let (requested_units, capacity_units) = (requested / unit, capacity / unit);
        if requested > capacity {
            let message = format!(
                "Node didn't have enough capacity: {name}, requested: {requested_units}, capacity: {capacity_units}"
            );
            return refuse("Infeasible", message);
        }
        if requested + used > capacity {
            let message = format!(
                "Node didn't have enough resource: {name}, requested: {requested_units}, used: {}, capacity: {capacity_units}",
                used / unit
            );
            return refuse("Deferred", message);
        }
    }
    None
}

/// What the pod holds of the node: [`requests`], until it ends.
pub fn held(pod: &Pod, record: &Record) -> [i128; 2] {
    if record.end.is_some() { [0, 0] } else { requests(pod, Some(record)) }
}

/// Thousandths of processors, and of bytes, that the pod asks for; with a record, what it has of that.
pub fn requests(pod: &Pod, record: Option<&Record>) -> [i128; 2] {
    let amount = |list: &ResourceList, name: &str| list.get(name).and_then(quantity::milli).unwrap_or(0);
    RESIZABLE.map(|name| {
        if let Some(own) = pod.spec.resources.as_ref().filter(|own| own.requests.contains_key(name)) {
            return amount(&own.requests, name);
        }
        let of = |container: &Container| {
            let current = record.and_then(|record| record.container(&container.name)?.current());
            let has = current.filter(|attempt| attempt.is_running()).and_then(|a| a.resources.as_ref());
            amount(&has.unwrap_or(&container.resources).requests, name)
        };
        let sidecars = pod.spec.init_containers.iter().filter(|c| c.is_sidecar());
        let together: i128 = sidecars.chain(&pod.spec.containers).map(of).sum();
        let alone = pod.spec.init_containers.iter().filter(|c| !c.is_sidecar()).map(of).max();
        together.max(alone.unwrap_or(0))
    })
}

/// Carries out a step: room first, so that no container's limit is above its pod's.
pub async fn carry_out(agent: &Agent, sandbox: &str, step: &Step) -> Result<(), String> {
    let runtime = &agent.runtime;
    runtime.update_sandbox(sandbox, step.sandbox.clone()).await.map_err(|error| error.to_string())?;
    for container in &step.containers {
        let labels = [(labels::RESOURCES.to_owned(), labels::resources(&container.wanted))].into();
        let updated = runtime.update_container(&container.id, container.resources.clone(), labels).await;
        updated.map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn requirements(requests: serde_json::Value, limits: serde_json::Value) -> ResourceRequirements {
        from_value(json!({ "requests": requests, "limits": limits })).unwrap()
    }

    #[test]
    fn equal_amounts_are_no_change() {
        let has = requirements(json!({"cpu": "100m", "memory": "1Gi"}), json!({}));
        let same = requirements(json!({"cpu": 0.1, "memory": 1_073_741_824}), json!({}));
        assert!(changes(&has, &same).is_empty());
        let more = requirements(json!({"cpu": "100m", "memory": "2Gi"}), json!({"cpu": "1"}));
        assert_eq!(changes(&has, &more), ["cpu", "memory"]);
    }

    #[test]
    fn the_widest_limits_hold_for_both() {
        let limits = |quota, memory| Resources {
            cpu_quota_us: quota,
            memory_limit_bytes: memory,
            ..Resources::default()
        };
        let both = widest(&limits(Some(10), None), &limits(Some(5), Some(7)));
        assert_eq!(both, limits(Some(10), None));
    }
}
