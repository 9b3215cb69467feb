//! Keeps pods off nodes where a host port that they ask for is taken.

use std::collections::HashMap;

use orch_sdk::scheduler::{Delta, Description, NodeSet, Policy, Rejection, Scope, Verdict};

mod port;

use port::HostPort;

const FIELDS: [&str; 3] =
    ["spec.containers[*].ports", "spec.initContainers[*].ports", "spec.initContainers[*].restartPolicy"];

#[derive(Default)]
pub struct NodePorts {
    /// What is taken on each node, by node index.
    taken: Vec<Vec<HostPort>>,
    /// The node and the ports of each pod that has any, by key.
    pods: HashMap<String, (usize, Vec<HostPort>)>,
}

orch_sdk::export_scheduler!(NodePorts);

impl Policy for NodePorts {
    fn describe() -> Description {
        Description::new().pod(&FIELDS).reads("v1", "Pod", &FIELDS).filters(Scope::Node).order(50)
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::PodUpsert { key, node, pod } => {
                let ports = port::read(&pod)?;
                self.remove(&key);
                self.insert(key, node, ports);
            }
            Delta::PodRemove { key } => self.remove(&key),
            Delta::NodeUpsert { .. }
            | Delta::NodeRemove { .. }
            | Delta::ObjectUpsert { .. }
            | Delta::ObjectRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        if self.pods.is_empty() {
            return Ok(Verdict::default());
        }
        let wanted = port::read(pod)?;
        if wanted.is_empty() {
            return Ok(Verdict::default());
        }
        let nodes: NodeSet = nodes.iter().filter(|node| self.conflicts(*node, &wanted)).collect();
        if nodes.is_empty() {
            return Ok(Verdict::default());
        }
        let reason = "node(s) didn't have free ports for the requested pod ports".into();
        Ok(vec![Rejection { reason, nodes, unresolvable: false }].into())
    }
}

impl NodePorts {
    fn conflicts(&self, node: usize, wanted: &[HostPort]) -> bool {
        let taken = self.taken.get(node).map(Vec::as_slice).unwrap_or_default();
        taken.iter().any(|taken| wanted.iter().any(|wanted| taken.conflicts(wanted)))
    }

    fn insert(&mut self, pod: String, node: usize, ports: Vec<HostPort>) {
        if ports.is_empty() {
            return;
        }
        if node >= self.taken.len() {
            self.taken.resize_with(node + 1, Vec::new);
        }
        self.taken[node].extend(ports.iter().cloned());
        self.pods.insert(pod, (node, ports));
    }

    /// Takes back one of each port: two pods may hold the same one, whoever put them there.
    fn remove(&mut self, pod: &str) {
        let Some((node, ports)) = self.pods.remove(pod) else { return };
        let taken = &mut self.taken[node];
        for port in ports {
            if let Some(place) = taken.iter().position(|known| *known == port) {
                taken.swap_remove(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn pod(port: u16, ip: &str, protocol: &str) -> String {
        json!({"spec": {"containers": [{"ports": [{"containerPort": 80, "hostPort": port, "hostIP": ip, "protocol": protocol}]}]}}).to_string()
    }

    fn listen(policy: &mut NodePorts, key: &str, node: usize, pod: String) {
        policy.sync(Delta::PodUpsert { key: key.into(), node, pod }).unwrap();
    }

    fn rejected(policy: &mut NodePorts, pod: String, nodes: impl IntoIterator<Item = usize>) -> Vec<usize> {
        match policy.filter(&pod, &nodes.into_iter().collect()).unwrap() {
            Verdict::Nodes(rejections) => {
                rejections.iter().flat_map(|found| found.nodes.iter().collect::<Vec<_>>()).collect()
            }
            Verdict::Pod(reason) => panic!("{reason}"),
        }
    }

    #[test]
    fn taken_ports_rule_nodes_out() {
        let mut policy = NodePorts::default();
        listen(&mut policy, "a", 4, pod(80, "", ""));
        listen(&mut policy, "b", 7, pod(80, "10.0.0.1", "TCP"));
        assert_eq!(rejected(&mut policy, pod(80, "", "TCP"), 0..9), [4, 7]);
        assert_eq!(rejected(&mut policy, pod(80, "", "TCP"), [7]), [7]);
        assert_eq!(rejected(&mut policy, pod(80, "10.0.0.2", "TCP"), 0..9), [4]);
        assert!(rejected(&mut policy, pod(80, "", "UDP"), 0..9).is_empty());
        assert!(rejected(&mut policy, pod(81, "", "TCP"), 0..9).is_empty());
        policy.sync(Delta::PodRemove { key: "a".into() }).unwrap();
        assert!(rejected(&mut policy, pod(80, "10.0.0.2", "TCP"), 0..9).is_empty());
    }

    #[test]
    fn a_port_held_twice_is_free_when_both_are_gone() {
        let mut policy = NodePorts::default();
        listen(&mut policy, "a", 0, pod(80, "", ""));
        listen(&mut policy, "b", 0, pod(80, "", ""));
        policy.sync(Delta::PodRemove { key: "a".into() }).unwrap();
        assert_eq!(rejected(&mut policy, pod(80, "", ""), [0]), [0]);
        policy.sync(Delta::PodRemove { key: "b".into() }).unwrap();
        listen(&mut policy, "c", 1, pod(81, "", ""));
        assert!(rejected(&mut policy, pod(80, "", ""), [0, 1]).is_empty());
    }

    #[test]
    fn sidecars_count_and_other_init_containers_do_not() {
        let with = |policy: &str| {
            json!({"spec": {"initContainers": [{"restartPolicy": policy, "ports": [{"hostPort": 80}]}]}})
                .to_string()
        };
        let mut policy = NodePorts::default();
        listen(&mut policy, "a", 0, pod(80, "", ""));
        assert_eq!(rejected(&mut policy, with("Always"), [0]), [0]);
        assert!(rejected(&mut policy, with("Never"), [0]).is_empty());
    }
}
