//! The Node object. Pure.

use std::net::IpAddr;

use orch_container::runtime::Image;
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::machine::{self, Machine, Pressure};

const DEFAULT_PODS: u32 = 110;
/// As many images as upstream lists.
const IMAGES: usize = 50;
/// Conditions that a node sets on itself.
const OWN: [&str; 4] = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"];

/// What registration creates.
pub fn node(config: &Config) -> Value {
    let mut spec = json!({});
    set_pod_cidrs(&mut spec, config);
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": config.node_name, "labels": labels(config) },
        "spec": spec,
    })
}

fn set_pod_cidrs(spec: &mut Value, config: &Config) {
    if let Some(first) = config.pod_cidrs.first() {
        spec["podCIDR"] = first.clone().into();
        spec["podCIDRs"] = json!(config.pod_cidrs);
    }
}

fn labels(config: &Config) -> Map<String, Value> {
    let mut labels = Map::new();
    let hostname = if config.hostname.is_empty() { &config.node_name } else { &config.hostname };
    for prefix in ["kubernetes.io", "beta.kubernetes.io"] {
        labels.insert(format!("{prefix}/os"), "linux".into());
        labels.insert(format!("{prefix}/arch"), machine::architecture().into());
    }
    labels.insert("kubernetes.io/hostname".into(), hostname.clone().into());
    labels.extend(config.labels.iter().map(|(name, value)| (name.clone(), value.clone().into())));
    labels
}

/// What an existing Node lacks, as a merge patch. Others' labels stay.
pub fn amendment(config: &Config, existing: &Value) -> Option<Value> {
    let known = &existing["metadata"]["labels"];
    let missing: Map<_, _> =
        labels(config).into_iter().filter(|(name, value)| known[name] != *value).collect();
    let mut patch = json!({});
    if !missing.is_empty() {
        patch["metadata"]["labels"] = missing.into();
    }
    // Addresses of pods hang on it: once set, it stays.
    if existing["spec"]["podCIDR"].as_str().is_none_or(str::is_empty) && !config.pod_cidrs.is_empty() {
        patch["spec"] = json!({});
        set_pod_cidrs(&mut patch["spec"], config);
    }
    (patch != json!({})).then_some(patch)
}

/// How the node fares.
#[derive(Debug, Clone)]
pub struct Health {
    /// Why no pods can be run.
    pub trouble: Option<String>,
    /// `None`: not known.
    pub pressure: Option<Pressure>,
}

pub fn status(
    config: &Config,
    machine: &Machine,
    images: &[Image],
    health: &Health,
    before: &Value,
    now: &str,
) -> Value {
    let pods = config.max_pods.unwrap_or(DEFAULT_PODS).to_string();
    let mut status = json!({
        "capacity": {
            "cpu": machine.cpus.to_string(),
            "memory": format!("{}Ki", machine.memory_bytes / 1024),
            "ephemeral-storage": format!("{}Ki", machine.disk_bytes / 1024),
            "hugepages-1Gi": "0", "hugepages-2Mi": "0",
            "pods": pods,
        },
        "allocatable": {
            "cpu": machine.cpus.to_string(),
            "memory": format!("{}Ki", machine.allocatable.memory_bytes / 1024),
            "ephemeral-storage": machine.allocatable.ephemeral_bytes.to_string(),
            "hugepages-1Gi": "0", "hugepages-2Mi": "0",
            "pods": pods,
        },
        "addresses": addresses(config),
        "conditions": conditions(health, before, now),
        "nodeInfo": {
            "machineID": machine.machine_id,
            "systemUUID": machine.system_uuid,
            "bootID": machine.boot_id,
            "kernelVersion": machine.kernel,
            "osImage": machine.os_image,
            "containerRuntimeVersion": concat!("orch://", env!("CARGO_PKG_VERSION")),
            "kubeletVersion": config.version,
            "kubeProxyVersion": config.version,
            "operatingSystem": "linux",
            "architecture": machine::architecture(),
        },
        "images": image_list(images),
    });
    if let Some(port) = config.port {
        status["daemonEndpoints"] = json!({ "kubeletEndpoint": { "Port": port } });
    }
    status
}

fn addresses(config: &Config) -> Value {
    let internal = |ip: &IpAddr| json!({ "type": "InternalIP", "address": ip.to_string() });
    let hostname = if config.hostname.is_empty() { &config.node_name } else { &config.hostname };
    let name = json!({ "type": "Hostname", "address": hostname });
    config.addresses.iter().map(internal).chain(std::iter::once(name)).collect()
}

fn image_list(images: &[Image]) -> Value {
    let mut images: Vec<&Image> = images.iter().collect();
    images.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.id.cmp(&b.id)));
    let entry = |image: &&Image| {
        let names: Vec<&String> = image.digests.iter().chain(&image.tags).take(5).collect();
        json!({ "names": names, "sizeBytes": image.size_bytes })
    };
    images.iter().take(IMAGES).map(entry).collect()
}

fn conditions(health: &Health, before: &Value, now: &str) -> Value {
    let pressure = |name: &'static str,
                    has: fn(&Pressure) -> bool,
                    reasons: [&'static str; 2],
                    good: &'static str,
                    bad: &'static str| {
        match health.pressure.as_ref().map(has) {
            Some(true) => (name, "True", reasons[1], bad.to_string()),
            Some(false) => (name, "False", reasons[0], good.to_string()),
            None => (name, "Unknown", "NodeStatusUnknown", "the machine could not be read".to_string()),
        }
    };
    let ready = match &health.trouble {
        None => ("Ready", "True", "KubeletReady", "kubelet is posting ready status".to_string()),
        Some(trouble) => {
            ("Ready", "False", "KubeletNotReady", format!("container runtime is down: {trouble}"))
        }
    };
    let all = [
        pressure(
            "MemoryPressure",
            |p| p.memory,
            ["KubeletHasSufficientMemory", "KubeletHasInsufficientMemory"],
            "kubelet has sufficient memory available",
            "kubelet has insufficient memory available",
        ),
        pressure(
            "DiskPressure",
            |p| p.disk,
            ["KubeletHasNoDiskPressure", "KubeletHasDiskPressure"],
            "kubelet has no disk pressure",
            "kubelet has disk pressure",
        ),
        pressure(
            "PIDPressure",
            |p| p.pids,
            ["KubeletHasSufficientPID", "KubeletHasInsufficientPID"],
            "kubelet has sufficient PID available",
            "kubelet has insufficient PID available",
        ),
        ready,
    ];
    all.into_iter()
        .map(|(name, status, reason, message)| {
            let since = known(before, name)
                .filter(|condition| condition["status"] == status)
                .and_then(|condition| condition["lastTransitionTime"].as_str())
                .unwrap_or(now);
            json!({
                "type": name, "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": now, "lastTransitionTime": since,
            })
        })
        .collect()
}

fn known<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == name)
}

/// Of the conditions that the API has those that a node sets, in its order.
pub fn own_conditions(shown: &Value) -> Value {
    OWN.iter().filter_map(|name| known(shown, name)).cloned().collect()
}

pub fn is_ready(status: &Value) -> bool {
    known(status, "Ready").is_some_and(|condition| condition["status"] == "True")
}

/// Equal but for the heartbeat.
pub fn is_same(a: &Value, b: &Value) -> bool {
    let still = |status: &Value| {
        let mut status = status.clone();
        for condition in status["conditions"].as_array_mut().into_iter().flatten() {
            condition["lastHeartbeatTime"] = Value::Null;
        }
        status
    };
    still(a) == still(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            node_name: "n1".into(),
            addresses: vec!["10.0.0.1".parse().unwrap()],
            labels: [("node-role.kubernetes.io/control-plane".to_string(), String::new())].into(),
            pod_cidrs: vec!["10.244.0.0/24".into()],
            ..Config::default()
        }
    }

    #[test]
    fn an_existing_node_is_only_completed() {
        let node = node(&config());
        assert_eq!(node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"], "");
        assert_eq!(amendment(&config(), &node), None);
        let old = json!({"metadata": {"labels": {"mine": "1"}}, "spec": {"podCIDR": "10.244.9.0/24"}});
        let patch = amendment(&config(), &old).unwrap();
        assert_eq!(patch["metadata"]["labels"]["kubernetes.io/hostname"], "n1");
        assert_eq!(patch["spec"], Value::Null);
    }

    #[test]
    fn heartbeats_are_no_change_and_transitions_keep_their_time() {
        let machine = Machine::default();
        let good = Pressure { memory: false, disk: false, pids: false };
        let health = Health { trouble: None, pressure: Some(good) };
        let first = status(&config(), &machine, &[], &health, &Value::Null, "t1");
        let second = status(&config(), &machine, &[], &health, &first, "t2");
        assert!(is_same(&first, &second) && is_ready(&second));
        let bad = Health { trouble: Some("gone".into()), pressure: Some(good) };
        let third = status(&config(), &machine, &[], &bad, &second, "t3");
        assert!(!is_ready(&third));
        assert_eq!(known(&third, "Ready").unwrap()["lastTransitionTime"], "t3");
        assert_eq!(known(&third, "DiskPressure").unwrap()["lastTransitionTime"], "t1");
    }
}
