//! Keeps pods on nodes that their `nodeSelector` and required node affinity match, and prefers those
//! that more preferred terms match.

use std::collections::BTreeMap;

use orch_sdk::node::Node;
use orch_sdk::pod::{NodeAffinity, NodeSelectorTerm, Pod};
use orch_sdk::scheduler::{Delta, Description, NodeSet, Policy, Rejection, normalize};

#[derive(Default)]
pub struct NodeAffinityPolicy {
    nodes: Vec<Option<Labels>>,
}

struct Labels {
    name: String,
    labels: BTreeMap<String, String>,
}

orch_sdk::export_scheduler!(NodeAffinityPolicy);

impl Policy for NodeAffinityPolicy {
    fn describe() -> Description {
        Description::new()
            .reads("v1", "Node", &["metadata.labels"])
            .reads("v1", "Pod", &["spec.nodeSelector", "spec.affinity.nodeAffinity"])
            .filters()
            .scores()
            // Scores are scaled to the best of the feasible nodes.
            .depends_on_other_nodes()
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => {
                let node = Node::parse(&node)?;
                let labels = Labels { name: node.metadata.name, labels: node.metadata.labels };
                self.place(index, Some(labels));
            }
            Delta::NodeRemove { index } => self.place(index, None),
            Delta::PodUpsert { .. } | Delta::PodRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str) -> Result<Vec<Rejection>, String> {
        let wanted = Wanted::read(pod)?;
        if wanted.is_anywhere() {
            return Ok(Vec::new());
        }
        let nodes: NodeSet =
            self.present().filter(|(_, node)| !wanted.allows(node)).map(|(index, _)| index).collect();
        if nodes.is_empty() {
            return Ok(Vec::new());
        }
        let reason = "node(s) didn't match Pod's node affinity/selector".into();
        Ok(vec![Rejection { reason, nodes, unresolvable: true }])
    }

    fn score(&mut self, pod: &str, feasible: &NodeSet) -> Result<Vec<u8>, String> {
        let wanted = Wanted::read(pod)?;
        let mut counts = vec![0; feasible.len()];
        for node in feasible.iter() {
            counts[node] =
                self.nodes.get(node).and_then(Option::as_ref).map_or(0, |node| wanted.prefers(node));
        }
        Ok(normalize(&counts, feasible))
    }
}

impl NodeAffinityPolicy {
    fn place(&mut self, index: usize, labels: Option<Labels>) {
        if index >= self.nodes.len() {
            self.nodes.resize_with(index + 1, || None);
        }
        self.nodes[index] = labels;
    }

    fn present(&self) -> impl Iterator<Item = (usize, &Labels)> {
        self.nodes.iter().enumerate().filter_map(|(index, node)| Some((index, node.as_ref()?)))
    }
}

struct Wanted {
    node_selector: BTreeMap<String, String>,
    affinity: NodeAffinity,
}

impl Wanted {
    fn read(pod: &str) -> Result<Self, String> {
        let pod: Pod = Pod::parse(pod)?;
        let affinity = pod.spec.affinity.and_then(|affinity| affinity.node_affinity).unwrap_or_default();
        Ok(Wanted { node_selector: pod.spec.node_selector, affinity })
    }

    fn is_anywhere(&self) -> bool {
        self.node_selector.is_empty() && self.affinity.required.is_none()
    }

    /// All of the selector, and any of the required terms.
    fn allows(&self, node: &Labels) -> bool {
        let selected = self.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value));
        selected
            && self
                .affinity
                .required
                .as_ref()
                .is_none_or(|required| required.node_selector_terms.iter().any(|term| matches(term, node)))
    }

    fn prefers(&self, node: &Labels) -> i64 {
        let preferred = self.affinity.preferred.iter();
        // Upstream: an empty preference matches every node here, unlike a required term.
        let counts = |term: &NodeSelectorTerm| is_empty(term) || matches(term, node);
        preferred.filter(|term| counts(&term.preference)).map(|term| term.weight).sum()
    }
}

fn is_empty(term: &NodeSelectorTerm) -> bool {
    term.match_expressions.is_empty() && term.match_fields.is_empty()
}

fn matches(term: &NodeSelectorTerm, node: &Labels) -> bool {
    let label = |key: &str| node.labels.get(key).map(String::as_str);
    let field = |key: &str| (key == "metadata.name").then_some(node.name.as_str());
    !is_empty(term)
        && term.match_expressions.iter().all(|wanted| wanted.matches(label(&wanted.key)))
        && term.match_fields.iter().all(|wanted| wanted.matches(field(&wanted.key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::{Value, json};

    fn policy() -> NodeAffinityPolicy {
        let mut policy = NodeAffinityPolicy::default();
        for (index, disk) in ["ssd", "hdd", "ssd"].iter().enumerate() {
            let node = json!({"metadata": {"name": format!("n{index}"), "labels": {"disk": disk, "cores": index.to_string()}}});
            policy.sync(Delta::NodeUpsert { index, node: node.to_string() }).unwrap();
        }
        policy
    }

    fn rejected(spec: Value) -> Vec<usize> {
        let rejections = policy().filter(&json!({"spec": spec}).to_string()).unwrap();
        rejections.iter().flat_map(|rejection| rejection.nodes.iter().collect::<Vec<_>>()).collect()
    }

    fn required(terms: Value) -> Value {
        let required =
            json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
        json!({"affinity": {"nodeAffinity": required}})
    }

    #[test]
    fn selectors_and_required_terms_rule_nodes_out() {
        assert_eq!(rejected(json!({})), Vec::<usize>::new());
        assert_eq!(rejected(json!({"nodeSelector": {"disk": "ssd"}})), [1]);
        let cores = json!({"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["0"]}]});
        let name = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n0"]}]});
        assert_eq!(rejected(required(json!([cores]))), [0]);
        assert_eq!(rejected(required(json!([cores, name]))), Vec::<usize>::new());
        assert_eq!(rejected(required(json!([{}]))), [0, 1, 2]);
    }

    #[test]
    fn preferred_terms_score_by_weight() {
        let preferred = json!([
            {"weight": 30, "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}},
            {"weight": 10, "preference": {"matchExpressions": [{"key": "cores", "operator": "In", "values": ["2"]}]}},
        ]);
        let spec = json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}});
        let scores = policy().score(&json!({"spec": spec}).to_string(), &(0..3).collect()).unwrap();
        assert_eq!(scores, [75, 0, 100]);
    }
}
