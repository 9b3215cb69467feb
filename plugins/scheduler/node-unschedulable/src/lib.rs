//! Keeps pods off cordoned nodes (`spec.unschedulable`), unless they tolerate the taint that stands
//! for it.

use orch_sdk::node::Node;
use orch_sdk::pod::{Pod, Tolerations};
use orch_sdk::scheduler::{Delta, Description, NodeSet, Policy, Rejection, Scope, Verdict};
use orch_sdk::toleration::Taint;

#[derive(Default)]
pub struct NodeUnschedulable {
    cordoned: NodeSet,
}

orch_sdk::export_scheduler!(NodeUnschedulable);

impl Policy for NodeUnschedulable {
    fn describe() -> Description {
        Description::new()
            .pod(&["spec.tolerations"])
            .reads("v1", "Node", &["spec.unschedulable"])
            .filters(Scope::Node)
            .order(20)
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => match Node::parse(&node)?.spec.unschedulable {
                true => self.cordoned.insert(index),
                false => self.cordoned.remove(index),
            },
            Delta::NodeRemove { index } => self.cordoned.remove(index),
            Delta::PodUpsert { .. }
            | Delta::PodRemove { .. }
            | Delta::ObjectUpsert { .. }
            | Delta::ObjectRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        let nodes = self.cordoned.intersection(nodes);
        if nodes.is_empty() || tolerates_cordons(pod)? {
            return Ok(Verdict::default());
        }
        let reason = "node(s) were unschedulable".into();
        Ok(vec![Rejection { reason, nodes, unresolvable: true }].into())
    }
}

fn tolerates_cordons(pod: &str) -> Result<bool, String> {
    let taint = Taint {
        key: "node.kubernetes.io/unschedulable".into(),
        value: String::new(),
        effect: "NoSchedule".into(),
    };
    let pod = Pod::<Tolerations>::parse(pod)?;
    Ok(pod.spec.tolerations.iter().any(|toleration| toleration.tolerates(&taint)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::scheduler::Scheduler;
    use orch_sdk::{Value, json};
    use proptest::prelude::*;

    fn node(name: &str, unschedulable: bool) -> Value {
        json!({"metadata": {"name": name}, "spec": {"unschedulable": unschedulable}})
    }

    #[test]
    fn cordoned_nodes_take_only_pods_that_tolerate_it() {
        let mut host = Scheduler::<NodeUnschedulable>::new();
        host.node(node("a", true)).node(node("b", false));
        let found = host.filter(&json!({}));
        assert_eq!(found.message(), "1/2 nodes are available: 1 node(s) were unschedulable.");
        assert!(found.is_unresolvable("a"));
        let tolerant = |key| json!({"spec": {"tolerations": [{"key": key, "operator": "Exists"}]}});
        assert_eq!(host.filter(&tolerant("node.kubernetes.io/unschedulable")).feasible(), ["a", "b"]);
        assert_eq!(host.filter(&tolerant("other")).feasible(), ["b"]);
        assert_eq!(host.node(node("a", false)).filter(&json!({})).feasible(), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn answers_follow_from_the_state_alone(script: Vec<(u8, u8, u8)>) {
            let mut host = Scheduler::<NodeUnschedulable>::new();
            host.play(&script, |name, number| node(name, number % 2 == 0), |name, node, _| {
                json!({"metadata": {"name": name}, "spec": {"nodeName": node}})
            });
            host.assert_sound(&json!({}));
        }
    }
}
