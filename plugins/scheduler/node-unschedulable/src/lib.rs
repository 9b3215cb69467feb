//! Keeps pods off cordoned nodes (`spec.unschedulable`), unless they tolerate the taint that stands
//! for it.

use orch_sdk::node::Node;
use orch_sdk::pod::{Pod, Tolerations};
use orch_sdk::scheduler::{Delta, Description, NodeSet, Policy, Rejection};
use orch_sdk::toleration::Taint;

#[derive(Default)]
pub struct NodeUnschedulable {
    cordoned: NodeSet,
}

orch_sdk::export_scheduler!(NodeUnschedulable);

impl Policy for NodeUnschedulable {
    fn describe() -> Description {
        Description::new()
            .reads("v1", "Node", &["spec.unschedulable"])
            .reads("v1", "Pod", &["spec.tolerations"])
            .filters()
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => {
                let node = Node::parse(&node)?;
                if node.spec.unschedulable {
                    self.cordoned.insert(index)
                } else {
                    self.cordoned.remove(index)
                }
            }
            Delta::NodeRemove { index } => self.cordoned.remove(index),
            Delta::PodUpsert { .. } | Delta::PodRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str) -> Result<Vec<Rejection>, String> {
        if self.cordoned.is_empty() {
            return Ok(Vec::new());
        }
        let pod = Pod::<Tolerations>::parse(pod)?;
        let taint = Taint {
            key: "node.kubernetes.io/unschedulable".into(),
            value: String::new(),
            effect: "NoSchedule".into(),
        };
        if pod.spec.tolerations.iter().any(|toleration| toleration.tolerates(&taint)) {
            return Ok(Vec::new());
        }
        let reason = "node(s) were unschedulable".into();
        Ok(vec![Rejection { reason, nodes: self.cordoned.clone(), unresolvable: true }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cordoned_nodes_take_only_pods_that_tolerate_it() {
        let mut policy = NodeUnschedulable::default();
        let cordoned = |unschedulable| format!(r#"{{"spec": {{"unschedulable": {unschedulable}}}}}"#);
        policy.sync(Delta::NodeUpsert { index: 3, node: cordoned(true) }).unwrap();
        let rejections = policy.filter("{}").unwrap();
        assert_eq!(rejections[0].nodes.iter().collect::<Vec<_>>(), [3]);
        assert_eq!(rejections[0].reason, "node(s) were unschedulable");
        let tolerant = r#"{"spec": {"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]}}"#;
        assert!(policy.filter(tolerant).unwrap().is_empty());
        policy.sync(Delta::NodeUpsert { index: 3, node: cordoned(false) }).unwrap();
        assert!(policy.filter("{}").unwrap().is_empty());
    }
}
