//! Keeps pods off nodes whose taints they do not tolerate, and prefers nodes with fewer
//! `PreferNoSchedule` taints that they do not tolerate.
//!
//! Nodes mostly share a few sets of taints, so the answer is found once per set.

use std::collections::HashMap;

use orch_sdk::node::Node;
use orch_sdk::pod::{Pod, Tolerations};
use orch_sdk::scheduler::{Delta, Description, NodeSet, Policy, Rejection, normalize_reversed};
use orch_sdk::toleration::{Taint, Toleration};

#[derive(Default)]
pub struct TaintToleration {
    /// The set of each node, by node index.
    nodes: Vec<Option<usize>>,
    sets: Vec<TaintSet>,
}

#[derive(Default)]
struct TaintSet {
    taints: Vec<Taint>,
    nodes: NodeSet,
}

orch_sdk::export_scheduler!(TaintToleration);

impl Policy for TaintToleration {
    fn describe() -> Description {
        Description::new()
            .reads("v1", "Node", &["spec.taints"])
            .reads("v1", "Pod", &["spec.tolerations"])
            .filters()
            .scores()
            // Scores are scaled to the worst of the feasible nodes.
            .depends_on_other_nodes()
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => {
                let node = Node::parse(&node)?;
                self.place(index, Some(node.spec.taints));
            }
            Delta::NodeRemove { index } => self.place(index, None),
            Delta::PodUpsert { .. } | Delta::PodRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str) -> Result<Vec<Rejection>, String> {
        let tolerations = tolerations(pod)?;
        let mut rejected: HashMap<String, NodeSet> = HashMap::new();
        for set in self.sets.iter().filter(|set| !set.nodes.is_empty()) {
            if let Some(taint) = untolerated(&set.taints, &tolerations) {
                let nodes = rejected.entry(reason(taint)).or_default();
                set.nodes.iter().for_each(|node| nodes.insert(node));
            }
        }
        let rejection = |(reason, nodes)| Rejection { reason, nodes, unresolvable: true };
        Ok(rejected.into_iter().map(rejection).collect())
    }

    fn score(&mut self, pod: &str, feasible: &NodeSet) -> Result<Vec<u8>, String> {
        let tolerations = tolerations(pod)?;
        let counts: Vec<i64> =
            self.sets.iter().map(|set| count_unpreferred(&set.taints, &tolerations)).collect();
        let of_node = |set: &Option<usize>| set.map_or(0, |set| counts[set]);
        let by_node: Vec<i64> = self.nodes.iter().map(of_node).collect();
        Ok(normalize_reversed(&by_node, feasible))
    }
}

impl TaintToleration {
    /// Puts the node into the set of these taints; nowhere when it is gone.
    fn place(&mut self, index: usize, taints: Option<Vec<Taint>>) {
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, None);
        }
        if let Some(before) = self.nodes[index].take() {
            self.sets[before].nodes.remove(index);
        }
        if let Some(taints) = taints {
            let set = self.set_of(taints);
            self.sets[set].nodes.insert(index);
            self.nodes[index] = Some(set);
        }
    }

    /// The place of the set, an emptied one used again.
    fn set_of(&mut self, taints: Vec<Taint>) -> usize {
        if let Some(known) = self.sets.iter().position(|set| set.taints == taints) {
            return known;
        }
        let set = TaintSet { taints, nodes: NodeSet::new() };
        match self.sets.iter().position(|set| set.nodes.is_empty()) {
            Some(empty) => {
                self.sets[empty] = set;
                empty
            }
            None => {
                self.sets.push(set);
                self.sets.len() - 1
            }
        }
    }
}

fn tolerations(pod: &str) -> Result<Vec<Toleration>, String> {
    let pod = Pod::<Tolerations>::parse(pod)?;
    Ok(pod.spec.tolerations)
}

fn untolerated<'a>(taints: &'a [Taint], tolerations: &[Toleration]) -> Option<&'a Taint> {
    let forbids = |taint: &&Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
    taints.iter().filter(forbids).find(|taint| !tolerations.iter().any(|known| known.tolerates(taint)))
}

fn count_unpreferred(taints: &[Taint], tolerations: &[Toleration]) -> i64 {
    let unpreferred = |taint: &&Taint| {
        taint.effect == "PreferNoSchedule" && !tolerations.iter().any(|known| known.tolerates(taint))
    };
    taints.iter().filter(unpreferred).count() as i64
}

fn reason(taint: &Taint) -> String {
    format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn policy(taints: &[orch_sdk::Value]) -> TaintToleration {
        let mut policy = TaintToleration::default();
        for (index, taints) in taints.iter().enumerate() {
            let node = json!({"spec": {"taints": taints}}).to_string();
            policy.sync(Delta::NodeUpsert { index, node }).unwrap();
        }
        policy
    }

    fn pod(tolerations: orch_sdk::Value) -> String {
        json!({"spec": {"tolerations": tolerations}}).to_string()
    }

    #[test]
    fn untolerated_taints_rule_nodes_out_by_reason() {
        let taint = json!([{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]);
        let cordon = json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]);
        let mut policy = policy(&[taint.clone(), json!(null), taint, cordon]);
        let mut rejections = policy.filter(&pod(json!([]))).unwrap();
        rejections.sort_by(|a, b| a.reason.cmp(&b.reason));
        assert_eq!(rejections[0].reason, "node(s) had untolerated taint {dedicated: db}");
        assert_eq!(rejections[0].nodes.iter().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(
            rejections[1].reason,
            "node(s) had untolerated taint {node.kubernetes.io/unschedulable: }"
        );
        assert!(rejections.iter().all(|rejection| rejection.unresolvable));

        let tolerant = pod(json!([{"operator": "Exists"}]));
        assert!(policy.filter(&tolerant).unwrap().is_empty());
    }

    #[test]
    fn nodes_move_between_sets() {
        let taint = json!([{"key": "a", "effect": "NoExecute"}]);
        let mut policy = policy(&[taint]);
        assert_eq!(policy.filter(&pod(json!([]))).unwrap().len(), 1);
        policy.sync(Delta::NodeUpsert { index: 0, node: "{}".into() }).unwrap();
        assert!(policy.filter(&pod(json!([]))).unwrap().is_empty());
        policy.sync(Delta::NodeRemove { index: 0 }).unwrap();
        assert!(policy.filter(&pod(json!([]))).unwrap().is_empty());
    }

    #[test]
    fn fewer_unpreferred_taints_score_higher() {
        let one = json!([{"key": "a", "effect": "PreferNoSchedule"}]);
        let two =
            json!([{"key": "a", "effect": "PreferNoSchedule"}, {"key": "b", "effect": "PreferNoSchedule"}]);
        let mut policy = policy(&[json!([]), one, two]);
        let all: NodeSet = (0..3).collect();
        assert_eq!(policy.score(&pod(json!([])), &all).unwrap(), [100, 50, 0]);
        let tolerant = pod(json!([{"key": "b", "operator": "Exists"}]));
        assert_eq!(policy.score(&tolerant, &all).unwrap(), [100, 0, 0]);
    }
}
