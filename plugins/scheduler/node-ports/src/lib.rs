//! Keeps pods off nodes where a host port that they ask for is taken.

use std::collections::{HashMap, HashSet};

use orch_sdk::pod::{Pod, Port};
use orch_sdk::scheduler::{Delta, Description, NodeSet, Policy, Rejection};

#[derive(Default)]
pub struct NodePorts {
    /// Who listens on a protocol and port, of all nodes.
    taken: HashMap<(String, u16), HashSet<Listener>>,
    pods: HashMap<String, Vec<Listener>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Listener {
    node: usize,
    pod: String,
    protocol: String,
    port: u16,
    /// `0.0.0.0`: every address of the node.
    address: String,
}

const ANY: &str = "0.0.0.0";

orch_sdk::export_scheduler!(NodePorts);

impl Policy for NodePorts {
    fn describe() -> Description {
        let paths = [
            "spec.containers[*].ports",
            "spec.initContainers[*].ports",
            "spec.initContainers[*].restartPolicy",
        ];
        Description::new().reads("v1", "Node", &["metadata.name"]).reads("v1", "Pod", &paths).filters()
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::PodUpsert { key, node, pod } => {
                self.remove(&key);
                let ports = host_ports(&pod)?;
                self.insert(key, node, ports);
            }
            Delta::PodRemove { key } => self.remove(&key),
            Delta::NodeUpsert { .. } | Delta::NodeRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str) -> Result<Vec<Rejection>, String> {
        let mut nodes = NodeSet::new();
        for wanted in host_ports(pod)? {
            let key = (wanted.protocol.clone(), wanted.host_port);
            let taken = self.taken.get(&key).into_iter().flatten();
            let conflicts = taken.filter(|listener| overlap(&listener.address, &wanted.host_ip));
            conflicts.for_each(|listener| nodes.insert(listener.node));
        }
        if nodes.is_empty() {
            return Ok(Vec::new());
        }
        let reason = "node(s) didn't have free ports for the requested pod ports".into();
        Ok(vec![Rejection { reason, nodes, unresolvable: false }])
    }
}

impl NodePorts {
    fn insert(&mut self, pod: String, node: usize, ports: Vec<Port>) {
        if ports.is_empty() {
            return;
        }
        let listener = |port: Port| Listener {
            node,
            pod: pod.clone(),
            protocol: port.protocol,
            port: port.host_port,
            address: port.host_ip,
        };
        let listeners: Vec<Listener> = ports.into_iter().map(listener).collect();
        for listener in &listeners {
            let key = (listener.protocol.clone(), listener.port);
            self.taken.entry(key).or_default().insert(listener.clone());
        }
        self.pods.insert(pod, listeners);
    }

    fn remove(&mut self, pod: &str) {
        for listener in self.pods.remove(pod).into_iter().flatten() {
            let key = (listener.protocol.clone(), listener.port);
            if let Some(taken) = self.taken.get_mut(&key) {
                taken.remove(&listener);
                if taken.is_empty() {
                    self.taken.remove(&key);
                }
            }
        }
    }
}

/// The host ports of containers and sidecars, with the defaults written out.
fn host_ports(pod: &str) -> Result<Vec<Port>, String> {
    let pod: Pod = Pod::parse(pod)?;
    let sidecars = pod.spec.init_containers.into_iter().filter(|container| container.is_sidecar());
    let ports = pod.spec.containers.into_iter().chain(sidecars).flat_map(|container| container.ports);
    Ok(ports.filter(|port| port.host_port > 0).map(with_defaults).collect())
}

fn with_defaults(mut port: Port) -> Port {
    if port.protocol.is_empty() {
        port.protocol = "TCP".into();
    }
    if port.host_ip.is_empty() {
        port.host_ip = ANY.into();
    }
    port
}

fn overlap(taken: &str, wanted: &str) -> bool {
    taken == wanted || taken == ANY || wanted == ANY
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn pod(port: u16, ip: &str, protocol: &str) -> String {
        json!({"spec": {"containers": [{"ports": [{"containerPort": 80, "hostPort": port, "hostIP": ip, "protocol": protocol}]}]}}).to_string()
    }

    #[test]
    fn taken_ports_rule_nodes_out() {
        let mut policy = NodePorts::default();
        let listen = |key: &str, node, pod| Delta::PodUpsert { key: key.into(), node, pod };
        policy.sync(listen("a", 4, pod(80, "", ""))).unwrap();
        policy.sync(listen("b", 7, pod(80, "10.0.0.1", "TCP"))).unwrap();
        let mut nodes = |pod: String| -> Vec<usize> {
            policy
                .filter(&pod)
                .unwrap()
                .iter()
                .flat_map(|found| found.nodes.iter().collect::<Vec<_>>())
                .collect()
        };
        assert_eq!(nodes(pod(80, "", "TCP")), [4, 7]);
        assert_eq!(nodes(pod(80, "10.0.0.2", "TCP")), [4]);
        assert_eq!(nodes(pod(80, "", "UDP")), Vec::<usize>::new());
        assert_eq!(nodes(pod(81, "", "TCP")), Vec::<usize>::new());
        policy.sync(Delta::PodRemove { key: "a".into() }).unwrap();
        assert!(policy.filter(&pod(80, "10.0.0.2", "TCP")).unwrap().is_empty());
    }
}
