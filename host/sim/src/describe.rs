//! What a simulated node tells of itself: the Node and the Lease a kubelet would write.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// Marks what this program made, and may take over or remove again.
pub const LABEL: &str = "orch.dev/simulated";
const ZONE: &str = "topology.kubernetes.io/zone";
const HOSTNAME: &str = "kubernetes.io/hostname";
/// Seconds after which a node whose Lease is not renewed counts as gone; the kubelet's default.
const LEASE_SECONDS: u32 = 40;

/// What every node has; quantities in Kubernetes' notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    pub name_prefix: String,
    pub cpu: String,
    pub memory: String,
    pub pods: u32,
    /// Nodes go to these in turn; empty: no zone label.
    pub zones: Vec<String>,
    pub labels: BTreeMap<String, String>,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            name_prefix: "sim".into(),
            cpu: "4".into(),
            memory: "32Gi".into(),
            pods: 110,
            zones: zones(3),
            labels: BTreeMap::new(),
        }
    }
}

/// `zone1`, `zone2`, …
pub fn zones(count: usize) -> Vec<String> {
    (1..=count).map(|zone| format!("zone{zone}")).collect()
}

impl Shape {
    pub fn name(&self, index: usize) -> String {
        format!("{}-{index}", self.name_prefix)
    }

    /// The index of one of `count` nodes by its name.
    pub fn index(&self, name: &str, count: usize) -> Option<usize> {
        let digits = name.strip_prefix(self.name_prefix.as_str())?.strip_prefix('-')?;
        let index: usize = digits.parse().ok()?;
        // `sim-007` and `sim-+7` are names of somebody else's nodes.
        (index < count && digits.len() == index.checked_ilog10().map_or(1, |l| l as usize + 1))
            .then_some(index)
    }

    pub fn node(&self, index: usize, now: &str) -> Value {
        let name = self.name(index);
        let mut labels = self.labels.clone();
        labels.insert(LABEL.into(), "true".into());
        labels.insert(HOSTNAME.into(), name.clone());
        for (label, value) in [("arch", "amd64"), ("os", "linux")] {
            labels.insert(format!("kubernetes.io/{label}"), value.into());
        }
        if !self.zones.is_empty() {
            labels.entry(ZONE.into()).or_insert_with(|| self.zones[index % self.zones.len()].clone());
        }
        let resources = json!({
            "cpu": self.cpu, "memory": self.memory, "pods": self.pods.to_string(), "ephemeral-storage": "100Gi",
        });
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": name, "labels": labels },
            "spec": { "providerID": format!("orch-sim://{name}") },
            "status": {
                "capacity": resources,
                "allocatable": resources,
                "conditions": conditions(now),
                "addresses": [
                    { "type": "InternalIP", "address": host_address(index).to_string() },
                    { "type": "Hostname", "address": name },
                ],
                "nodeInfo": {
                    "architecture": "amd64", "operatingSystem": "linux", "osImage": "simulated",
                    "kernelVersion": "0", "kubeletVersion": "v1.37.0", "kubeProxyVersion": "",
                    "containerRuntimeVersion": "orch-sim://1", "machineID": name, "systemUUID": name, "bootID": name,
                },
            },
        })
    }

    pub fn lease(&self, index: usize, now: &str) -> Value {
        let name = self.name(index);
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": name, "namespace": "kube-node-lease", "labels": { LABEL: "true" } },
            "spec": { "holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now },
        })
    }
}

/// A healthy node's conditions; the heartbeat sends them again.
fn conditions(now: &str) -> Value {
    let condition = |name: &str, status: &str, reason: &str| {
        json!({
            "type": name, "status": status, "reason": reason, "message": "simulated",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    json!([
        condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID"),
        condition("Ready", "True", "KubeletReady"),
    ])
}

/// The kubelet's five-minute report. It changes nothing but the time, unless the node was given up meanwhile.
pub fn heartbeat(now: &str) -> Value {
    let mut conditions = conditions(now);
    for condition in conditions.as_array_mut().into_iter().flatten() {
        condition.as_object_mut().map(|fields| fields.remove("lastTransitionTime"));
    }
    json!({ "status": { "conditions": conditions } })
}

/// Addresses of the range that carriers share (RFC 6598): no pod or node of a real cluster has one.
pub fn host_address(index: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(100, 64, 0, 0)) + (index as u32 & 0xffff))
}

/// `2026-01-02T03:04:05.123456Z`, as MicroTime wants it.
pub fn micro_time() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// `2026-01-02T03:04:05Z`.
pub fn time() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_says_what_was_asked_for() {
        let shape = Shape { labels: [("disk".to_string(), "ssd".to_string())].into(), ..Shape::default() };
        let node = shape.node(4, "2026-01-02T03:04:05Z");
        assert_eq!(node["metadata"]["name"], "sim-4");
        assert_eq!(node["metadata"]["labels"][ZONE], "zone2");
        assert_eq!(node["metadata"]["labels"][HOSTNAME], "sim-4");
        assert_eq!(node["metadata"]["labels"]["disk"], "ssd");
        assert_eq!(node["status"]["allocatable"]["pods"], "110");
        assert_eq!(node["status"]["addresses"][0]["address"], "100.64.0.4");
        let without = Shape { zones: Vec::new(), ..Shape::default() };
        assert!(without.node(0, "")["metadata"]["labels"][ZONE].is_null());
    }

    #[test]
    fn a_zone_given_as_a_label_wins() {
        let shape = Shape { labels: [(ZONE.to_string(), "here".to_string())].into(), ..Shape::default() };
        assert_eq!(shape.node(0, "")["metadata"]["labels"][ZONE], "here");
    }

    #[test]
    fn names_lead_back_to_indexes() {
        let shape = Shape::default();
        for index in [0, 9, 10, 99, 100, 14_999] {
            assert_eq!(shape.index(&shape.name(index), 15_000), Some(index));
        }
        for other in ["sim-15000", "sim-007", "sim-+7", "sim-", "sim", "node-1", "sim-1x"] {
            assert_eq!(shape.index(other, 15_000), None, "{other}");
        }
    }

    #[test]
    fn times_have_six_digits_or_none() {
        assert_eq!(micro_time().len(), "2026-01-02T03:04:05.123456Z".len());
        assert_eq!(time().len(), "2026-01-02T03:04:05Z".len());
    }
}
