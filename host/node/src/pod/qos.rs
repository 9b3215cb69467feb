//! Quality of service, and what it means for the kernel.

use orch_container::runtime::Resources;

use super::spec::{Container, PodSpec, ResourceRequirements};
use crate::quantity;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Guaranteed,
    Burstable,
    BestEffort,
}

impl Class {
    pub fn name(self) -> &'static str {
        match self {
            Class::Guaranteed => "Guaranteed",
            Class::Burstable => "Burstable",
            Class::BestEffort => "BestEffort",
        }
    }
}

const COMPUTE: [&str; 2] = ["cpu", "memory"];

/// Microseconds: the period over which a CPU limit holds.
const CPU_PERIOD: u64 = 100_000;

pub fn class(spec: &PodSpec) -> Class {
    let all: Vec<&ResourceRequirements> = match &spec.resources {
        Some(pod) if is_set(pod) => vec![pod],
        Some(_) | None => spec.init_containers.iter().chain(&spec.containers).map(|c| &c.resources).collect(),
    };
    if !all.iter().any(|r| is_set(r)) {
        Class::BestEffort
    } else if all.iter().all(|r| is_guaranteed(r)) {
        Class::Guaranteed
    } else {
        Class::Burstable
    }
}

fn is_set(resources: &ResourceRequirements) -> bool {
    let positive = |name: &&str| {
        [&resources.requests, &resources.limits]
            .iter()
            .any(|list| list.get(*name).and_then(quantity::milli).is_some_and(|v| v > 0))
    };
    COMPUTE.iter().any(positive)
}

fn is_guaranteed(resources: &ResourceRequirements) -> bool {
    COMPUTE.iter().all(|name| {
        let limit = resources.limits.get(*name).and_then(quantity::milli).filter(|v| *v > 0);
        let request = resources.requests.get(*name).and_then(quantity::milli);
        // A request left out is defaulted to the limit.
        limit.is_some() && (request.is_none() || request == limit)
    })
}

/// The pod's cgroup below the host's root.
pub fn cgroup_parent(spec: &PodSpec, uid: &str) -> String {
    match class(spec) {
        Class::Guaranteed => format!("pod{uid}"),
        Class::Burstable => format!("burstable/pod{uid}"),
        Class::BestEffort => format!("besteffort/pod{uid}"),
    }
}

pub fn container_resources(spec: &PodSpec, container: &Container, node_memory: u64) -> Resources {
    let resources = &container.resources;
    let cpu_limit = resources.limits.get("cpu").and_then(quantity::milli).filter(|v| *v > 0);
    let cpu_request = resources.requests.get("cpu").and_then(quantity::milli).or(cpu_limit);
    Resources {
        cpu_shares: Some(shares(cpu_request.unwrap_or(0))),
        cpu_quota_us: cpu_limit.map(quota),
        cpu_period_us: cpu_limit.map(|_| CPU_PERIOD),
        memory_limit_bytes: memory_limit(resources),
        pids_limit: None,
        oom_score_adj: Some(oom_score_adj(spec, container, node_memory)),
    }
}

/// The pod's own cgroup: the sum of its containers; limits only when every container has one.
pub fn pod_resources(spec: &PodSpec) -> Resources {
    if let Some(own) = spec.resources.as_ref().filter(|r| is_set(r)) {
        return summed(&[own], &[]);
    }
    let sidecars = spec.init_containers.iter().filter(|c| c.is_sidecar());
    let together: Vec<_> = sidecars.chain(&spec.containers).map(|c| &c.resources).collect();
    let alone: Vec<_> =
        spec.init_containers.iter().filter(|c| !c.is_sidecar()).map(|c| &c.resources).collect();
    summed(&together, &alone)
}

/// `together` run at the same time; each of `alone` runs by itself.
fn summed(together: &[&ResourceRequirements], alone: &[&ResourceRequirements]) -> Resources {
    let amount = |r: &ResourceRequirements, name: &str, limit: bool| {
        let list = if limit { &r.limits } else { &r.requests };
        list.get(name).and_then(quantity::milli).filter(|v| *v > 0)
    };
    let total = |name: &str, limit: bool| -> Option<i128> {
        let mut sum = 0;
        for resources in together {
            match amount(resources, name, limit) {
                Some(value) => sum += value,
                None if limit => return None,
                None => {}
            }
        }
        for resources in alone {
            match amount(resources, name, limit) {
                Some(value) => sum = sum.max(value),
                None if limit => return None,
                None => {}
            }
        }
        Some(sum)
    };
    let cpu_limit = total("cpu", true).filter(|v| *v > 0);
    Resources {
        cpu_shares: Some(shares(total("cpu", false).unwrap_or(0))),
        cpu_quota_us: cpu_limit.map(quota),
        cpu_period_us: cpu_limit.map(|_| CPU_PERIOD),
        memory_limit_bytes: total("memory", true)
            .filter(|v| *v > 0)
            .and_then(|v| i64::try_from(v / 1000).ok()),
        pids_limit: None,
        oom_score_adj: None,
    }
}

fn shares(milli_cpu: i128) -> u64 {
    u64::try_from(milli_cpu * 1024 / 1000).unwrap_or(2).clamp(2, 262_144)
}

fn quota(milli_cpu: i128) -> i64 {
    i64::try_from(milli_cpu * i128::from(CPU_PERIOD) / 1000).unwrap_or(i64::MAX).max(1000)
}

fn memory_limit(resources: &ResourceRequirements) -> Option<i64> {
    resources.limits.get("memory").and_then(quantity::whole).filter(|v| *v > 0)
}

/// Who is killed first when memory runs out: kubelet's formula.
fn oom_score_adj(spec: &PodSpec, container: &Container, node_memory: u64) -> i32 {
    match class(spec) {
        Class::Guaranteed => -997,
        Class::BestEffort => 1000,
        Class::Burstable => {
            let request = container.resources.requests.get("memory").and_then(quantity::whole).unwrap_or(0);
            let part = i128::from(request) * 1000 / i128::from(node_memory.max(1));
            let score = i32::try_from(1000 - part).unwrap_or(0);
            // Guaranteed containers always go last, best-effort ones always first.
            score.clamp(3, 999)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn spec(resources: serde_json::Value) -> PodSpec {
        from_value(json!({"containers": [{"name": "a", "resources": resources}]})).unwrap()
    }

    #[test]
    fn classes_follow_requests_and_limits() {
        assert_eq!(class(&spec(json!({}))), Class::BestEffort);
        let burstable = spec(json!({"requests": {"cpu": "100m"}}));
        assert_eq!(class(&burstable), Class::Burstable);
        assert_eq!(cgroup_parent(&burstable, "u"), "burstable/podu");
        let limits = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
        assert_eq!(class(&spec(limits)), Class::Guaranteed);
    }

    #[test]
    fn kernel_values_match_kubelets() {
        let spec = spec(json!({"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"cpu": "500m"}}));
        let resources = container_resources(&spec, &spec.containers[0], 4 << 30);
        assert_eq!(resources.cpu_shares, Some(256));
        assert_eq!(resources.cpu_quota_us, Some(50_000));
        assert_eq!(resources.memory_limit_bytes, None);
        assert_eq!(resources.oom_score_adj, Some(750));
        assert_eq!(pod_resources(&spec).cpu_shares, Some(256));
    }
}
