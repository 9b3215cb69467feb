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
        Description::new()
            .pod(&FIELDS)
            .reads("v1", "Pod", &FIELDS)
            // A new node is a new chance for the pods that were rejected.
            .reads("v1", "Node", &["metadata.name"])
            .filters(Scope::Node)
            .order(50)
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
    use orch_sdk::fake::scheduler::Scheduler;
    use orch_sdk::{Value, json};
    use proptest::prelude::*;

    fn host() -> Scheduler<NodePorts> {
        let mut host = Scheduler::new();
        for name in ["a", "b", "c"] {
            host.node(json!({"metadata": {"name": name}}));
        }
        host
    }

    fn pod(port: u16, ip: &str, protocol: &str) -> Value {
        let port = json!({"containerPort": 80, "hostPort": port, "hostIP": ip, "protocol": protocol});
        json!({"spec": {"containers": [{"ports": [port]}]}})
    }

    fn on(name: &str, node: &str, mut pod: Value) -> Value {
        pod["metadata"] = json!({"name": name});
        pod["spec"]["nodeName"] = node.into();
        pod
    }

    #[test]
    fn taken_ports_rule_nodes_out() {
        let mut host = host();
        host.pod(on("p", "a", pod(80, "", ""))).pod(on("q", "b", pod(80, "10.0.0.1", "TCP")));
        let found = host.filter(&pod(80, "", "TCP"));
        assert_eq!(
            found.message(),
            "1/3 nodes are available: 2 node(s) didn't have free ports for the requested pod ports."
        );
        assert!(!found.is_unresolvable("a"));
        assert_eq!(host.filter(&pod(80, "10.0.0.2", "TCP")).feasible(), ["b", "c"]);
        assert_eq!(host.filter(&pod(80, "", "UDP")).feasible(), ["a", "b", "c"]);
        assert_eq!(host.filter(&pod(81, "", "TCP")).feasible(), ["a", "b", "c"]);
        assert_eq!(host.filter(&pod(0, "", "TCP")).feasible(), ["a", "b", "c"]);
        assert_eq!(host.remove_pod("p").filter(&pod(80, "10.0.0.2", "TCP")).feasible(), ["a", "b", "c"]);
    }

    #[test]
    fn a_port_held_twice_is_free_when_both_are_gone() {
        let mut host = host();
        host.pod(on("p", "a", pod(80, "", ""))).pod(on("q", "a", pod(80, "", ""))).pod(on(
            "r",
            "b",
            pod(81, "", ""),
        ));
        assert_eq!(host.remove_pod("p").filter(&pod(80, "", "")).feasible(), ["b", "c"]);
        assert_eq!(host.remove_pod("q").filter(&pod(80, "", "")).feasible(), ["a", "b", "c"]);
    }

    #[test]
    fn sidecars_count_and_other_init_containers_do_not() {
        let with = |policy: &str| json!({"spec": {"initContainers": [{"restartPolicy": policy, "ports": [{"hostPort": 80}]}]}});
        let mut host = host();
        host.pod(on("p", "a", pod(80, "", "")));
        assert_eq!(host.filter(&with("Always")).feasible(), ["b", "c"]);
        assert_eq!(host.filter(&with("Never")).feasible(), ["a", "b", "c"]);
    }

    proptest! {
        #[test]
        fn answers_follow_from_the_state_alone(script: Vec<(u8, u8, u8)>, port in 79u16..83) {
            let mut host = Scheduler::<NodePorts>::new();
            let ip = |number: u8| ["", "10.0.0.1", "10.0.0.2"][usize::from(number) % 3];
            host.play(&script, |name, _| json!({"metadata": {"name": name}}), |name, node, number| {
                on(name, node, pod(80 + u16::from(number % 2), ip(number), "TCP"))
            });
            host.assert_sound(&pod(port, "10.0.0.1", "TCP"));
        }
    }
}
