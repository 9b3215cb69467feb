//! Keeps a pod that names its node (`spec.nodeName`) off all others.

use std::collections::HashMap;

use orch_sdk::node::Node;
use orch_sdk::pod::Pod;
use orch_sdk::scheduler::{Delta, Description, NodeSet, Policy, Rejection, Scope, Verdict};
use orch_sdk::serde::Deserialize;

#[derive(Default)]
pub struct NodeName {
    /// By node index.
    names: HashMap<usize, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Spec {
    node_name: Option<String>,
}

orch_sdk::export_scheduler!(NodeName);

impl Policy for NodeName {
    fn describe() -> Description {
        Description::new()
            .pod(&["spec.nodeName"])
            .reads("v1", "Node", &["metadata.name"])
            .filters(Scope::Node)
            .order(10)
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => {
                self.names.insert(index, Node::parse(&node)?.metadata.name);
            }
            Delta::NodeRemove { index } => {
                self.names.remove(&index);
            }
            Delta::PodUpsert { .. }
            | Delta::PodRemove { .. }
            | Delta::ObjectUpsert { .. }
            | Delta::ObjectRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        let Some(wanted) = Pod::<Spec>::parse(pod)?.spec.node_name.filter(|name| !name.is_empty()) else {
            return Ok(Verdict::default());
        };
        let nodes: NodeSet =
            nodes.iter().filter(|node| self.names.get(node).is_some_and(|name| *name != wanted)).collect();
        if nodes.is_empty() {
            return Ok(Verdict::default());
        }
        let reason = "node(s) didn't match the requested node name".into();
        Ok(vec![Rejection { reason, nodes, unresolvable: true }].into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::scheduler::Scheduler;
    use orch_sdk::json;
    use proptest::prelude::*;

    #[test]
    fn a_named_node_is_the_only_one() {
        let mut host = Scheduler::<NodeName>::new();
        for name in ["a", "b", "c"] {
            host.node(json!({"metadata": {"name": name}}));
        }
        let named = json!({"spec": {"nodeName": "b"}});
        let found = host.filter(&named);
        assert_eq!(found.feasible(), ["b"]);
        assert!(found.is_unresolvable("a"));
        assert_eq!(
            found.message(),
            "1/3 nodes are available: 2 node(s) didn't match the requested node name."
        );
        for anywhere in [json!({}), json!({"spec": {"nodeName": ""}})] {
            assert_eq!(host.filter(&anywhere).feasible(), ["a", "b", "c"]);
        }
        assert!(host.remove_node("b").filter(&named).feasible().is_empty());
    }

    proptest! {
        #[test]
        fn answers_follow_from_the_state_alone(script: Vec<(u8, u8, u8)>, wanted in 0u8..8) {
            let mut host = Scheduler::<NodeName>::new();
            host.play(&script, |name, _| json!({"metadata": {"name": name}}), |name, node, _| {
                json!({"metadata": {"name": name}, "spec": {"nodeName": node}})
            });
            host.assert_sound(&json!({"spec": {"nodeName": format!("node-{wanted}")}}));
        }
    }
}
