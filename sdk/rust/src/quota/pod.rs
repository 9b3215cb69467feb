//! What a pod counts as.

use serde_json::Value;

use crate::object::Object;
use crate::quantity::Amount;

use super::{Amounts, add, amounts};

/// What scopes ask of a pod.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PodFacts {
    pub best_effort: bool,
    /// It has a deadline.
    pub terminating: bool,
    /// At most one.
    pub priority_class: Option<String>,
    /// An affinity term looks at pods of other namespaces.
    pub cross_namespace: bool,
}

impl PodFacts {
    pub fn read(pod: &Value) -> PodFacts {
        let class = pod.at(&["spec", "priorityClassName"]).as_str().filter(|class| !class.is_empty());
        PodFacts {
            best_effort: is_best_effort(pod),
            terminating: pod.at(&["spec", "activeDeadlineSeconds"]).as_i64().is_some_and(|s| s >= 0),
            priority_class: class.map(String::from),
            cross_namespace: looks_across_namespaces(pod),
        }
    }
}

/// No container asks for CPU or memory, nor does the pod as a whole.
fn is_best_effort(pod: &Value) -> bool {
    let asks = |resources: &Value| {
        ["requests", "limits"].into_iter().any(|part| {
            let amounts = amounts(&resources[part]);
            ["cpu", "memory"].iter().any(|name| amounts.get(*name).is_some_and(|amount| amount.is_positive()))
        })
    };
    let containers = containers(pod).any(|container| asks(&container["resources"]));
    !containers && !asks(pod.at(&["spec", "resources"]))
}

fn looks_across_namespaces(pod: &Value) -> bool {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let across =
        |term: &Value| !term.items(&["namespaces"]).is_empty() || !term["namespaceSelector"].is_null();
    ["podAffinity", "podAntiAffinity"].into_iter().any(|sort| {
        let affinity = pod.at(&["spec", "affinity", sort]);
        affinity.items(&[REQUIRED]).iter().any(across)
            || affinity.items(&[PREFERRED]).iter().any(|weighted| across(&weighted["podAffinityTerm"]))
    })
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    pod.items(&["spec", "containers"]).iter().chain(pod.items(&["spec", "initContainers"]))
}

pub(super) fn usage(pod: &Value) -> Amounts {
    let mut usage = Amounts::from([("count/pods".to_string(), Amount::units(1))]);
    if !matches!(pod.at(&["status", "phase"]).as_str(), Some("Succeeded" | "Failed")) {
        usage.insert("pods".into(), Amount::units(1));
        usage.extend(compute(&PodLimits::REQUESTS.with_overhead(pod), &PodLimits::LIMITS.with_overhead(pod)));
    }
    usage
}

/// Under the names that quotas know: CPU, memory and ephemeral storage by request and limit, huge
/// pages and extended resources by request.
fn compute(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut usage = Amounts::new();
    for (name, amount) in requests {
        let plain = is_plain(name) || name.starts_with("hugepages-");
        if plain {
            usage.insert(name.clone(), *amount);
        }
        if plain || is_extended(name) {
            usage.insert(format!("requests.{name}"), *amount);
        }
    }
    for (name, amount) in limits.iter().filter(|(name, _)| is_plain(name)) {
        usage.insert(format!("limits.{name}"), *amount);
    }
    usage
}

fn is_plain(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage")
}

fn is_extended(name: &str) -> bool {
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    name.starts_with("deviceclass.resource.kubernetes.io/") || !native && !name.starts_with("requests.")
}

/// `requests` or `limits`, and how they add up over a pod's containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodLimits(&'static str);

impl PodLimits {
    pub const REQUESTS: PodLimits = PodLimits("requests");
    pub const LIMITS: PodLimits = PodLimits("limits");

    /// Of the whole pod without its overhead: see [`crate::scheduler::resources::Request`].
    pub fn total(self, pod: &Value) -> Amounts {
        total(pod, self.0)
    }

    fn with_overhead(self, pod: &Value) -> Amounts {
        let mut total = self.total(pod);
        for (name, amount) in amounts(pod.at(&["spec", "overhead"])) {
            match total.get_mut(&name) {
                Some(sum) => *sum = *sum + amount,
                None if self == PodLimits::REQUESTS => drop(total.insert(name, amount)),
                None => {}
            }
        }
        total
    }
}

fn total(pod: &Value, part: &str) -> Amounts {
    let own = |container: &Value| amounts(container.at(&["resources", part]));
    let mut total = Amounts::new();
    for container in pod.items(&["spec", "containers"]) {
        add(&mut total, &own(container));
    }
    let (mut sidecars, mut highest) = (Amounts::new(), Amounts::new());
    for container in pod.items(&["spec", "initContainers"]) {
        let mut beside = own(container);
        if container["restartPolicy"] == "Always" {
            add(&mut total, &beside);
            add(&mut sidecars, &beside);
            beside = sidecars.clone();
        } else {
            add(&mut beside, &sidecars);
        }
        raise(&mut highest, &beside);
    }
    raise(&mut total, &highest);
    for (name, amount) in amounts(pod.at(&["spec", "resources", part])) {
        if is_pod_level(&name) {
            total.insert(name, amount);
        }
    }
    total
}

fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

fn raise(total: &mut Amounts, least: &Amounts) {
    for (name, amount) in least {
        let own = total.entry(name.clone()).or_insert(*amount);
        *own = (*own).max(*amount);
    }
}

/// The containers (by resource, in order) that lack what a quota on CPU or memory obliges every
/// container to name. A pod that names its resources as a whole is free of it.
pub fn missing(pod: &Value, quota: &Amounts) -> Vec<(String, Vec<String>)> {
    const OBLIGATORY: [&str; 6] =
        ["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"];
    let of_pod = pod.at(&["spec", "resources"]);
    let has_own = |part| amounts(&of_pod[part]).keys().any(|name| is_pod_level(name));
    if has_own("requests") || has_own("limits") {
        return Vec::new();
    }
    let lacks = |resource: &str| {
        let named = |container: &&Value| {
            let part = |part| amounts(container.at(&["resources", part]));
            compute(&part("requests"), &part("limits")).contains_key(resource)
        };
        let mut lacking: Vec<String> =
            containers(pod).filter(|c| !named(c)).filter_map(|c| Some(c["name"].as_str()?.into())).collect();
        lacking.sort_unstable();
        lacking.dedup();
        lacking
    };
    let obliged = OBLIGATORY.into_iter().filter(|resource| quota.contains_key(*resource));
    obliged.map(|name| (name.to_string(), lacks(name))).filter(|(_, lacking)| !lacking.is_empty()).collect()
}
