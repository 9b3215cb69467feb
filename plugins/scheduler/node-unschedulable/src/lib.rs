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

    fn rejected(policy: &mut NodeUnschedulable, pod: &str, nodes: &NodeSet) -> Vec<usize> {
        match policy.filter(pod, nodes).unwrap() {
            Verdict::Nodes(rejections) => {
                assert!(rejections.iter().all(|found| found.reason == "node(s) were unschedulable"));
                rejections.iter().flat_map(|found| found.nodes.iter().collect::<Vec<_>>()).collect()
            }
            Verdict::Pod(reason) => panic!("{reason}"),
        }
    }

    #[test]
    fn cordoned_nodes_take_only_pods_that_tolerate_it() {
        let mut policy = NodeUnschedulable::default();
        let cordoned = |unschedulable| format!(r#"{{"spec": {{"unschedulable": {unschedulable}}}}}"#);
        policy.sync(Delta::NodeUpsert { index: 3, node: cordoned(true) }).unwrap();
        let all: NodeSet = (0..5).collect();
        assert_eq!(rejected(&mut policy, "{}", &all), [3]);
        assert!(rejected(&mut policy, "{}", &[2].into_iter().collect()).is_empty());
        let tolerant = r#"{"spec": {"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]}}"#;
        assert!(rejected(&mut policy, tolerant, &all).is_empty());
        policy.sync(Delta::NodeUpsert { index: 3, node: cordoned(false) }).unwrap();
        assert!(rejected(&mut policy, "{}", &all).is_empty());
    }
}
