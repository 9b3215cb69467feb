//! What a pod has and was promised as a whole: `status.resources` and `status.allocatedResources`. Pure.

use std::collections::BTreeMap;

use orch_object::quantity::Quantity;
use serde_json::{Value, json};

use super::qos;
use super::record::{ContainerRecord, Record};
use super::spec::{Container, Pod, PodSpec, ResourceList, ResourceRequirements};

type Totals = BTreeMap<String, Quantity>;

/// What the kernel holds a pod that runs to.
const COMPUTE: [&str; 2] = ["cpu", "memory"];

/// What the running process of a container has.
pub fn in_force<'a>(record: &'a Record, container: &Container) -> Option<&'a ResourceRequirements> {
    let current = record.container(&container.name).and_then(ContainerRecord::current)?;
    if current.is_running() { current.resources.as_ref() } else { None }
}

/// What a container was promised: what its spec asks for, unless there is no room for that.
pub fn allocated<'a>(record: &'a Record, container: &'a Container) -> &'a ResourceRequirements {
    let has_room = record.resize.as_ref().is_none_or(|waiting| waiting.reason == "Error");
    in_force(record, container).filter(|_| !has_room).unwrap_or(&container.resources)
}

/// `before`: as last told, for pods whose own limits are between two values.
pub fn resources(pod: &Pod, record: &Record, phase: &str, before: &Value) -> Value {
    let spec = &pod.spec;
    if phase != "Running" {
        let of = |container| allocated(record, container);
        return shown(requests(spec, &of), limits(spec, &of, false));
    }
    let is_settled =
        record.sandbox.handle().is_none_or(|handle| handle.resources == qos::pod_resources(spec));
    if spec.resources.is_some() && !is_settled && before["resources"].is_object() {
        return before["resources"].clone();
    }
    let of = |container| in_force(record, container).unwrap_or(&container.resources);
    let mut requests = requests(spec, &of);
    let mut limits = limits(spec, &of, true);
    for totals in [&mut requests, &mut limits] {
        totals.retain(|name, total| COMPUTE.contains(&name.as_str()) && !total.is_zero());
    }
    shown(requests, limits)
}

pub fn allocated_requests(pod: &Pod, record: &Record) -> Option<Value> {
    let totals = requests(&pod.spec, &|container| allocated(record, container));
    (!totals.is_empty()).then(|| list(totals))
}

fn shown(requests: Totals, limits: Totals) -> Value {
    let mut resources = json!({});
    for (name, totals) in [("requests", requests), ("limits", limits)] {
        if !totals.is_empty() {
            resources[name] = list(totals);
        }
    }
    resources
}

fn list(totals: Totals) -> Value {
    totals.into_iter().map(|(name, total)| (name, Value::from(total.to_string()))).collect()
}

/// What a container has, or was promised.
type Has<'a> = dyn Fn(&'a Container) -> &'a ResourceRequirements + 'a;

fn requests<'a>(spec: &'a PodSpec, of: &Has<'a>) -> Totals {
    let mut totals = together(spec, &|container| &of(container).requests);
    replace(&mut totals, spec.resources.as_ref().map(|own| &own.requests));
    add(&mut totals, &read(&spec.overhead));
    totals
}

/// `all`: only where every container has a limit, as in the kernel.
fn limits<'a>(spec: &'a PodSpec, of: &Has<'a>, all: bool) -> Totals {
    let mut totals = together(spec, &|container| &of(container).limits);
    if all {
        let has = |name: &String| {
            let mut containers = spec.init_containers.iter().chain(&spec.containers);
            containers.all(|container| of(container).limits.contains_key(name))
        };
        totals.retain(|name, _| spec.resources.is_none() && has(name));
    }
    replace(&mut totals, spec.resources.as_ref().map(|own| &own.limits));
    let mut overhead = read(&spec.overhead);
    overhead.retain(|name, _| totals.contains_key(name));
    add(&mut totals, &overhead);
    totals
}

/// Containers and sidecars run at the same time; every other init container runs beside the sidecars that
/// were started before it.
fn together<'a>(spec: &'a PodSpec, of: &dyn Fn(&'a Container) -> &'a ResourceList) -> Totals {
    let mut totals = Totals::new();
    for container in &spec.containers {
        add(&mut totals, &read(of(container)));
    }
    let (mut sidecars, mut most) = (Totals::new(), Totals::new());
    for container in &spec.init_containers {
        let own = read(of(container));
        let mut at_once = sidecars.clone();
        add(&mut at_once, &own);
        if container.is_sidecar() {
            add(&mut totals, &own);
            sidecars = at_once.clone();
        }
        widen(&mut most, at_once);
    }
    widen(&mut totals, most);
    totals
}

fn read(list: &ResourceList) -> Totals {
    let amount = |(name, value): (&String, &Value)| Some((name.clone(), Quantity::from_json(value).ok()?));
    list.iter().filter_map(amount).collect()
}

fn add(totals: &mut Totals, more: &Totals) {
    for (name, amount) in more {
        let total = totals.entry(name.clone()).or_insert(Quantity::ZERO);
        *total = total.add(amount);
    }
}

fn widen(totals: &mut Totals, others: Totals) {
    for (name, amount) in others {
        let total = totals.entry(name).or_insert(amount);
        if *total < amount {
            *total = amount;
        }
    }
}

/// What the pod says of itself counts in place of its containers'.
fn replace(totals: &mut Totals, own: Option<&ResourceList>) {
    let supported = |name: &String| COMPUTE.contains(&name.as_str()) || name.starts_with("hugepages-");
    totals.extend(own.map(read).unwrap_or_default().into_iter().filter(|(name, _)| supported(name)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn pod(spec: Value) -> Pod {
        Pod::read(Arc::new(
            json!({ "metadata": { "name": "p", "namespace": "n", "uid": "u" }, "spec": spec }),
        ))
        .unwrap()
    }

    fn asks(cpu: &str, memory: &str) -> Value {
        json!({ "requests": { "cpu": cpu, "memory": memory }, "limits": { "cpu": cpu } })
    }

    #[test]
    fn the_most_that_runs_at_once_counts() {
        let pod = pod(json!({
            "overhead": { "memory": "8Mi" },
            "initContainers": [
                { "name": "first", "resources": asks("2", "10Mi") },
                { "name": "side", "restartPolicy": "Always", "resources": asks("100m", "64Mi") },
                { "name": "second", "resources": asks("1", "128Mi") },
            ],
            "containers": [
                { "name": "a", "resources": asks("200m", "64Mi") },
                { "name": "b", "resources": { "requests": { "memory": "32Mi", "ephemeral-storage": "1Gi" } } },
            ],
        }));
        let record = Record::default();
        assert_eq!(
            allocated_requests(&pod, &record).unwrap(),
            json!({ "cpu": "2", "memory": "200Mi", "ephemeral-storage": "1Gi" })
        );
        let pending = resources(&pod, &record, "Pending", &Value::Null);
        assert_eq!(pending["limits"], json!({ "cpu": "2" }));
        let running = resources(&pod, &record, "Running", &Value::Null);
        let expected = json!({ "requests": { "cpu": "2", "memory": "200Mi" } });
        assert_eq!(running, expected, "one container has no limit, so that the pod has none");
    }

    #[test]
    fn a_pods_own_resources_count_before_its_containers() {
        let pod = pod(json!({
            "resources": { "requests": { "cpu": "1" }, "limits": { "memory": "1Gi" } },
            "containers": [{ "name": "a", "resources": asks("200m", "64Mi") }],
        }));
        let running = resources(&pod, &Record::default(), "Running", &Value::Null);
        let expected = json!({ "requests": { "cpu": "1", "memory": "64Mi" }, "limits": { "memory": "1Gi" } });
        assert_eq!(running, expected);
        assert!(
            allocated_requests(&super::tests::pod(json!({ "containers": [] })), &Record::default()).is_none()
        );
    }
}
