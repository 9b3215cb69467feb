//! Keeps pods off nodes whose taints they do not tolerate, and prefers nodes with fewer
//! `PreferNoSchedule` taints that they do not tolerate.
//!
//! Nodes mostly share a few sets of taints, so the answer is found once per set.

use orch_sdk::node::Node;
use orch_sdk::pod::{Pod, Tolerations};
use orch_sdk::scheduler::{Delta, Description, NodeSet, Normalization, Policy, Rejection, Scope, Verdict};
use orch_sdk::toleration::{Taint, Toleration};

mod sets;

use sets::TaintSets;

#[derive(Default)]
pub struct TaintToleration {
    sets: TaintSets,
}

orch_sdk::export_scheduler!(TaintToleration);

impl Policy for TaintToleration {
    fn describe() -> Description {
        Description::new()
            .pod(&["spec.tolerations"])
            .reads("v1", "Node", &["spec.taints"])
            .filters(Scope::Node)
            .scores(Scope::Node, Normalization::HighestReversed)
            .weight(3)
            .order(30)
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => {
                let node = Node::parse(&node)?;
                self.sets.place(index, Some(node.spec.taints));
            }
            Delta::NodeRemove { index } => self.sets.place(index, None),
            Delta::PodUpsert { .. }
            | Delta::PodRemove { .. }
            | Delta::ObjectUpsert { .. }
            | Delta::ObjectRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        let pod = Pod::<Tolerations>::parse(pod)?;
        let forbidden = self.sets.ask(|taints| is_forbidden(taints, &pod.spec.tolerations));
        let mut forbidden_nodes = NodeSet::new();
        nodes
            .iter()
            .filter(|node| forbidden.of(*node).unwrap_or(false))
            .for_each(|node| forbidden_nodes.insert(node));
        if forbidden_nodes.is_empty() {
            return Ok(Verdict::default());
        }
        let reason = "node(s) had untolerated taint(s)".into();
        Ok(vec![Rejection { reason, nodes: forbidden_nodes, unresolvable: true }].into())
    }

    /// How many taints speak against the node: the host turns that around.
    fn score(&mut self, pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
        let pod = Pod::<Tolerations>::parse(pod)?;
        let unpreferred = self.sets.ask(|taints| count_unpreferred(taints, &pod.spec.tolerations));
        Ok(nodes.iter().map(|node| unpreferred.of(node).unwrap_or(0)).collect())
    }
}

fn is_forbidden(taints: &[Taint], tolerations: &[Toleration]) -> bool {
    let forbids = |taint: &Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
    taints.iter().any(|taint| forbids(taint) && is_untolerated(taint, tolerations))
}

fn count_unpreferred(taints: &[Taint], tolerations: &[Toleration]) -> u32 {
    let unpreferred =
        |taint: &&Taint| taint.effect == "PreferNoSchedule" && is_untolerated(taint, tolerations);
    taints.iter().filter(unpreferred).count() as u32
}

fn is_untolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    !tolerations.iter().any(|toleration| toleration.tolerates(taint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::scheduler::Scheduler;
    use orch_sdk::{Value, json};
    use proptest::prelude::*;

    fn node(name: &str, taints: Value) -> Value {
        json!({"metadata": {"name": name}, "spec": {"taints": taints}})
    }

    fn pod(tolerations: Value) -> Value {
        json!({"spec": {"tolerations": tolerations}})
    }

    #[test]
    fn untolerated_taints_rule_nodes_out() {
        let taint = json!([{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]);
        let cordon = json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]);
        let mut host = Scheduler::<TaintToleration>::new();
        host.node(node("a", taint.clone()))
            .node(node("b", json!(null)))
            .node(node("c", taint))
            .node(node("d", cordon));
        let found = host.filter(&pod(json!([])));
        assert_eq!(found.message(), "1/4 nodes are available: 3 node(s) had untolerated taint(s).");
        assert!(found.is_unresolvable("a"));
        let for_databases = pod(json!([{"key": "dedicated", "value": "db"}]));
        assert_eq!(host.filter(&for_databases).feasible(), ["a", "b", "c"]);
        assert_eq!(host.filter(&pod(json!([{"operator": "Exists"}]))).feasible().len(), 4);
    }

    #[test]
    fn nodes_move_between_sets() {
        let mut host = Scheduler::<TaintToleration>::new();
        host.node(node("a", json!([{"key": "a", "effect": "NoExecute"}])));
        assert!(host.filter(&json!({})).feasible().is_empty());
        host.node(node("a", json!([])));
        assert_eq!(host.filter(&json!({})).feasible(), ["a"]);
    }

    #[test]
    fn fewer_unpreferred_taints_score_higher() {
        let one = json!([{"key": "a", "effect": "PreferNoSchedule"}]);
        let two =
            json!([{"key": "a", "effect": "PreferNoSchedule"}, {"key": "b", "effect": "PreferNoSchedule"}]);
        let mut host = Scheduler::<TaintToleration>::new();
        host.node(node("a", json!([]))).node(node("b", one)).node(node("c", two));
        assert_eq!(host.scores(&pod(json!([]))).into_values().collect::<Vec<_>>(), [100, 50, 0]);
        let tolerant = pod(json!([{"key": "b", "operator": "Exists"}]));
        assert_eq!(host.scores(&tolerant).into_values().collect::<Vec<_>>(), [100, 0, 0]);
        // A toleration of another effect does not help.
        let other = pod(json!([{"key": "b", "operator": "Exists", "effect": "NoSchedule"}]));
        assert_eq!(host.raw_scores(&other)["c"], 2);
    }

    fn taints(number: u8) -> Value {
        let effect = ["NoSchedule", "PreferNoSchedule", "NoExecute"][usize::from(number) % 3];
        let taint = |key: u8| json!({"key": format!("k{key}"), "effect": effect});
        (0..number % 3).map(taint).collect::<Vec<_>>().into()
    }

    proptest! {
        #[test]
        fn answers_follow_from_the_state_alone(script: Vec<(u8, u8, u8)>, key in 0u8..3) {
            let mut host = Scheduler::<TaintToleration>::new();
            host.play(&script, |name, number| node(name, taints(number)), |name, node, _| {
                json!({"metadata": {"name": name}, "spec": {"nodeName": node}})
            });
            host.assert_sound(&pod(json!([{"key": format!("k{key}"), "operator": "Exists"}])));
        }
    }
}
