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
    use orch_sdk::{Value, json};

    fn policy(taints: &[Value]) -> TaintToleration {
        let mut policy = TaintToleration::default();
        for (index, taints) in taints.iter().enumerate() {
            let node = json!({"spec": {"taints": taints}}).to_string();
            policy.sync(Delta::NodeUpsert { index, node }).unwrap();
        }
        policy
    }

    fn pod(tolerations: Value) -> String {
        json!({"spec": {"tolerations": tolerations}}).to_string()
    }

    fn rejected(
        policy: &mut TaintToleration,
        pod: &str,
        nodes: impl IntoIterator<Item = usize>,
    ) -> Vec<usize> {
        match policy.filter(pod, &nodes.into_iter().collect()).unwrap() {
            Verdict::Nodes(rejections) => {
                let worded = |found: &Rejection| found.reason == "node(s) had untolerated taint(s)";
                assert!(rejections.iter().all(|found| worded(found) && found.unresolvable));
                rejections.iter().flat_map(|found| found.nodes.iter().collect::<Vec<_>>()).collect()
            }
            Verdict::Pod(reason) => panic!("{reason}"),
        }
    }

    #[test]
    fn untolerated_taints_rule_nodes_out() {
        let taint = json!([{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]);
        let cordon = json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]);
        let mut policy = policy(&[taint.clone(), json!(null), taint, cordon]);
        assert_eq!(rejected(&mut policy, &pod(json!([])), 0..5), [0, 2, 3]);
        assert_eq!(rejected(&mut policy, &pod(json!([])), [2]), [2]);
        let for_databases = pod(json!([{"key": "dedicated", "value": "db"}]));
        assert_eq!(rejected(&mut policy, &for_databases, 0..5), [3]);
        assert!(rejected(&mut policy, &pod(json!([{"operator": "Exists"}])), 0..5).is_empty());
    }

    #[test]
    fn nodes_move_between_sets() {
        let taint = json!([{"key": "a", "effect": "NoExecute"}]);
        let mut policy = policy(&[taint]);
        assert_eq!(rejected(&mut policy, "{}", [0]), [0]);
        policy.sync(Delta::NodeUpsert { index: 0, node: "{}".into() }).unwrap();
        assert!(rejected(&mut policy, "{}", [0]).is_empty());
        policy.sync(Delta::NodeRemove { index: 0 }).unwrap();
        assert!(rejected(&mut policy, "{}", [0]).is_empty());
    }

    #[test]
    fn unpreferred_taints_count() {
        let one = json!([{"key": "a", "effect": "PreferNoSchedule"}]);
        let two =
            json!([{"key": "a", "effect": "PreferNoSchedule"}, {"key": "b", "effect": "PreferNoSchedule"}]);
        let mut policy = policy(&[json!([]), one, two]);
        assert_eq!(policy.score(&pod(json!([])), &(0..3).collect()).unwrap(), [0, 1, 2]);
        assert_eq!(policy.score(&pod(json!([])), &[2].into_iter().collect()).unwrap(), [2]);
        let tolerant = pod(json!([{"key": "b", "operator": "Exists"}]));
        assert_eq!(policy.score(&tolerant, &(0..3).collect()).unwrap(), [0, 1, 1]);
    }
}
