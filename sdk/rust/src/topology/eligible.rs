//! Which nodes count: what a pod's own wishes and tolerations leave.

use std::collections::HashMap;
use std::ops::Index;

use super::place::Nodes;
use crate::node::Node;
use crate::pod::{NodeSelector, NodeSelectorTerm};
use crate::scheduler::NodeSet;
use crate::selector::{Operator, Requirement};
use crate::toleration::{Taint, Toleration};

const NAME_FIELD: &str = "metadata.name";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EligibleId(usize);

/// What a node must be to be counted. The default admits every node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Rule {
    /// Labels it must have, whatever their values.
    pub keys: Vec<String>,
    /// Labels it must have with these values.
    pub node_selector: Vec<(String, String)>,
    /// Any of the terms must match.
    pub node_affinity: Option<NodeSelector>,
    /// When given, they must tolerate all its taints that keep pods away.
    pub tolerations: Option<Vec<Toleration>>,
}

impl Rule {
    /// A node that has this label.
    pub fn labelled(key: &str) -> Self {
        Rule { keys: vec![key.into()], ..Rule::default() }
    }

    pub fn admits(&self, node: &Node) -> bool {
        let labels = &node.metadata.labels;
        self.keys.iter().all(|key| labels.contains_key(key))
            && self.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.node_affinity.as_ref().is_none_or(|affinity| any_term_matches(affinity, node))
            && self.tolerations.as_ref().is_none_or(|tolerations| tolerates(tolerations, &node.spec.taints))
    }

    /// The names of the only nodes it can admit, when it says so.
    fn names(&self) -> Option<Vec<&str>> {
        let terms = &self.node_affinity.as_ref()?.node_selector_terms;
        let named = |term: &'_ NodeSelectorTerm| term.match_fields.iter().position(names_one);
        terms
            .iter()
            .map(|term| named(term).map(|place| term.match_fields[place].values[0].as_str()))
            .collect()
    }
}

fn names_one(field: &Requirement) -> bool {
    field.key == NAME_FIELD && field.operator == Operator::In && field.values.len() == 1
}

fn any_term_matches(selector: &NodeSelector, node: &Node) -> bool {
    selector.node_selector_terms.iter().any(|term| term_matches(term, node))
}

/// An empty term matches nothing, nor does one that names a field as upstream cannot read it.
fn term_matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let empty = term.match_expressions.is_empty() && term.match_fields.is_empty();
    let label = |wanted: &Requirement| node.metadata.labels.get(&wanted.key).map(String::as_str);
    let field = |wanted: &Requirement| (wanted.key == NAME_FIELD).then_some(node.metadata.name.as_str());
    let readable = |wanted: &Requirement| {
        wanted.values.len() == 1 && matches!(wanted.operator, Operator::In | Operator::NotIn)
    };
    !empty
        && term.match_expressions.iter().all(|wanted| wanted.matches(label(wanted)))
        && term.match_fields.iter().all(|wanted| readable(wanted) && wanted.matches(field(wanted)))
}

fn tolerates(tolerations: &[Toleration], taints: &[Taint]) -> bool {
    let keeps_away = |taint: &&Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
    taints.iter().filter(keeps_away).all(|taint| tolerations.iter().any(|own| own.tolerates(taint)))
}

#[derive(Default)]
pub(super) struct Eligibles {
    known: Vec<(Rule, NodeSet)>,
    ids: HashMap<Rule, EligibleId>,
}

impl Eligibles {
    pub fn find_or_add(&mut self, mut rule: Rule, nodes: &Nodes) -> EligibleId {
        rule.keys.sort_unstable();
        rule.keys.dedup();
        if let Some(id) = self.ids.get(&rule) {
            return *id;
        }
        let mut admitted = NodeSet::with_capacity(nodes.len());
        let mut admit = |(index, node): (usize, &Node)| {
            if rule.admits(node) {
                admitted.insert(index);
            }
        };
        match rule.names() {
            Some(names) => names.into_iter().filter_map(|name| nodes.named(name)).for_each(&mut admit),
            None => nodes.iter().for_each(&mut admit),
        }
        let id = EligibleId(self.known.len());
        self.known.push((rule.clone(), admitted));
        self.ids.insert(rule, id);
        id
    }

    pub fn place(&mut self, index: usize, node: Option<&Node>) {
        for (rule, nodes) in &mut self.known {
            match node {
                Some(node) if rule.admits(node) => nodes.insert(index),
                Some(_) | None => nodes.remove(index),
            }
        }
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn clear(&mut self) {
        *self = Eligibles::default();
    }
}

impl Index<EligibleId> for Eligibles {
    type Output = NodeSet;
    fn index(&self, id: EligibleId) -> &NodeSet {
        &self.known[id.0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn rule(affinity: Value) -> Rule {
        Rule { node_affinity: Some(serde_json::from_value(affinity).unwrap()), ..Rule::default() }
    }

    fn nodes() -> Nodes {
        let mut nodes = Nodes::default();
        for (index, disk) in ["ssd", "hdd", "ssd"].iter().enumerate() {
            let node = json!({"metadata": {"name": format!("n{index}"), "labels": {"disk": disk}},
                "spec": {"taints": if index == 2 { json!([{"key": "gpu", "effect": "NoSchedule"}]) } else { Value::Null }}});
            nodes.place(index, Some(Node::parse(&node.to_string()).unwrap()));
        }
        nodes
    }

    fn admitted(rule: Rule) -> Vec<usize> {
        let mut eligibles = Eligibles::default();
        let id = eligibles.find_or_add(rule, &nodes());
        eligibles[id].iter().collect()
    }

    #[test]
    fn selectors_terms_and_tolerations_are_honoured() {
        assert_eq!(admitted(Rule::default()), [0, 1, 2]);
        assert_eq!(admitted(Rule::labelled("disk")), [0, 1, 2]);
        assert_eq!(admitted(Rule::labelled("zone")), Vec::<usize>::new());
        let node_selector = vec![("disk".into(), "ssd".into())];
        assert_eq!(admitted(Rule { node_selector, ..Rule::default() }), [0, 2]);
        assert_eq!(admitted(Rule { tolerations: Some(Vec::new()), ..Rule::default() }), [0, 1]);
        let all = Toleration { operator: "Exists".into(), ..Toleration::default() };
        assert_eq!(admitted(Rule { tolerations: Some(vec![all]), ..Rule::default() }), [0, 1, 2]);
    }

    #[test]
    fn terms_by_name_look_at_those_nodes_alone() {
        let named = |name: &str, disk: &str| {
            json!({
                "matchFields": [{"key": NAME_FIELD, "operator": "In", "values": [name]}],
                "matchExpressions": [{"key": "disk", "operator": "In", "values": [disk]}],
            })
        };
        let pinned = rule(
            json!({"nodeSelectorTerms": [named("n0", "ssd"), named("n1", "ssd"), named("gone", "ssd")]}),
        );
        assert_eq!(pinned.names(), Some(vec!["n0", "n1", "gone"]));
        assert_eq!(admitted(pinned), [0]);
        let open = rule(json!({"nodeSelectorTerms": [named("n0", "ssd"), {"matchExpressions": [
            {"key": "disk", "operator": "In", "values": ["hdd"]}]}, {}]}));
        assert_eq!(open.names(), None);
        assert_eq!(admitted(open), [0, 1]);
        let twice = json!([{"key": NAME_FIELD, "operator": "In", "values": ["n0", "n1"]}]);
        assert_eq!(
            admitted(rule(json!({"nodeSelectorTerms": [{"matchFields": twice}]}))),
            Vec::<usize>::new()
        );
    }
}
