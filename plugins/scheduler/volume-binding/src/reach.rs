//! Which nodes reach a volume. With thousands of nodes and volumes of one node each, looking at every
//! pair would be too slow: nodes are found by a label's value where a requirement names values.

use std::cell::RefCell;
use std::collections::HashMap;

use orch_sdk::pod::NodeSelectorTerm;
use orch_sdk::scheduler::NodeSet;
use orch_sdk::selector::{Operator, Requirement, Selector};
use orch_sdk::volume::{NodeRow, Nodes, PersistentVolume, StorageClass, allows};

/// The nodes with each value of a label.
type Values = HashMap<String, NodeSet>;

#[derive(Default)]
pub struct Reach {
    nodes: Nodes,
    /// Made at first use of a label, and dropped when any node changes.
    by_label: RefCell<HashMap<String, Values>>,
}

impl Reach {
    pub fn upsert(&mut self, index: usize, node: &str) -> Result<(), String> {
        self.by_label.borrow_mut().clear();
        self.nodes.upsert(index, node)
    }

    pub fn remove(&mut self, index: usize) {
        self.by_label.borrow_mut().clear();
        self.nodes.remove(index);
    }

    pub fn node(&self, index: usize) -> Option<&NodeRow> {
        self.nodes.get(index)
    }

    /// Those of the nodes that are there.
    pub fn present(&self, nodes: &NodeSet) -> NodeSet {
        self.scan(nodes, |_| true)
    }

    pub fn named(&self, name: &str, nodes: &NodeSet) -> NodeSet {
        self.scan(nodes, |node| node.name == name)
    }

    pub fn of_volume(&self, volume: &PersistentVolume, nodes: &NodeSet) -> NodeSet {
        let Some(terms) = volume.required_terms() else { return nodes.clone() };
        let mut found = NodeSet::new();
        for term in terms {
            let near = self.narrow(&term.match_expressions, nodes);
            found.extend(&self.scan(&near, |node| fits(term, node)));
        }
        found
    }

    pub fn of_selector(&self, selector: &Selector, nodes: &NodeSet) -> NodeSet {
        let near = self.narrow(selector.requirements(), nodes);
        self.scan(&near, |node| selector.matches(&node.labels))
    }

    pub fn of_class(&self, class: &StorageClass, nodes: &NodeSet) -> NodeSet {
        if class.allowed_topologies.is_empty() {
            return nodes.clone();
        }
        self.scan(nodes, |node| class.allows(&node.labels))
    }

    fn scan(&self, nodes: &NodeSet, holds: impl Fn(&NodeRow) -> bool) -> NodeSet {
        nodes.iter().filter(|index| self.nodes.get(*index).is_some_and(&holds)).collect()
    }

    /// Nodes outside cannot meet the requirements; those inside may.
    fn narrow(&self, requirements: &[Requirement], nodes: &NodeSet) -> NodeSet {
        let Some(wanted) = requirements.iter().find(|wanted| wanted.operator == Operator::In) else {
            return nodes.clone();
        };
        let mut by_label = self.by_label.borrow_mut();
        let values = by_label.entry(wanted.key.clone()).or_insert_with(|| self.values_of(&wanted.key));
        let mut near = NodeSet::new();
        for known in wanted.values.iter().filter_map(|value| values.get(value)) {
            near.extend(known);
        }
        near.intersection(nodes)
    }

    fn values_of(&self, key: &str) -> Values {
        let mut values = Values::new();
        for (index, node) in self.nodes.iter() {
            if let Some(value) = node.label(key) {
                match values.get_mut(value) {
                    Some(known) => known.insert(index),
                    None => _ = values.insert(value.into(), NodeSet::from_iter([index])),
                }
            }
        }
        values
    }
}

fn fits(term: &NodeSelectorTerm, node: &NodeRow) -> bool {
    allows(std::slice::from_ref(term), &node.labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::{Value, json, serde_json};

    fn reach() -> Reach {
        let mut reach = Reach::default();
        for (index, zone) in ["a", "b", "a"].iter().enumerate() {
            let labels = json!({"zone": zone, "host": index.to_string()});
            let node = json!({"metadata": {"name": format!("n{index}"), "labels": labels}}).to_string();
            reach.upsert(index, &node).unwrap();
        }
        reach
    }

    fn volume(terms: Value) -> PersistentVolume {
        let affinity = json!({"required": {"nodeSelectorTerms": terms}});
        serde_json::from_value(json!({"spec": {"nodeAffinity": affinity}})).unwrap()
    }

    fn expressions(list: &[(&str, &str, &[&str])]) -> Value {
        let expression = |(key, operator, values): &(&str, &str, &[&str])| json!({"key": key, "operator": operator, "values": values});
        json!({"matchExpressions": list.iter().map(expression).collect::<Vec<_>>()})
    }

    fn indexes(set: NodeSet) -> Vec<usize> {
        set.iter().collect()
    }

    #[test]
    fn terms_are_met_by_the_nodes_asked_about() {
        let (mut reach, all) = (reach(), (0..5).collect());
        let zone = volume(json!([expressions(&[("zone", "In", &["a"])])]));
        assert_eq!(indexes(reach.of_volume(&zone, &all)), [0, 2]);
        assert_eq!(indexes(reach.of_volume(&zone, &NodeSet::from_iter([1, 2]))), [2]);
        let either = volume(json!([
            expressions(&[("zone", "In", &["a"]), ("host", "NotIn", &["0"])]),
            expressions(&[("host", "Exists", &[]), ("zone", "NotIn", &["a"])]),
            {},
        ]));
        assert_eq!(indexes(reach.of_volume(&either, &all)), [1, 2]);
        // What changes is seen.
        reach.remove(2);
        assert_eq!(indexes(reach.of_volume(&zone, &all)), [0]);
        reach.upsert(1, r#"{"metadata": {"name": "n1", "labels": {"zone": "a"}}}"#).unwrap();
        assert_eq!(indexes(reach.of_volume(&zone, &all)), [0, 1]);
        assert_eq!(indexes(reach.present(&all)), [0, 1]);
        assert_eq!(indexes(reach.named("n1", &all)), [1]);
    }

    #[test]
    fn selectors_are_met_too() {
        let (reach, all) = (reach(), (0..3).collect());
        let selector = |value: Value| Selector::from_label_selector(&value).unwrap();
        assert_eq!(indexes(reach.of_selector(&selector(json!({"matchLabels": {"zone": "b"}})), &all)), [1]);
        assert_eq!(indexes(reach.of_selector(&selector(json!({})), &all)), [0, 1, 2]);
    }
}
