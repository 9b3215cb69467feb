//! What is required: near those that the pod wants, apart from those it does not, and apart from those
//! that do not want it.

use orch_sdk::scheduler::{NodeSet, Rejection};
use orch_sdk::topology::{CounterId, Topology};

use crate::question::{Near, Question};

const NOT_NEAR: &str = "node(s) didn't match pod affinity rules";
const NOT_APART: &str = "node(s) didn't match pod anti-affinity rules";
const NOT_KEPT_APART: &str = "node(s) didn't satisfy existing pods anti-affinity rules";

pub fn filter(topology: &Topology, question: &Question, nodes: &NodeSet) -> Vec<Rejection> {
    let mut rejections = Vec::new();
    let mut open = nodes.clone();
    let mut reject = |nodes: NodeSet, reason: &str, unresolvable| {
        let nodes = nodes.intersection(&open);
        if !nodes.is_empty() {
            open = open.difference(&nodes);
            rejections.push(Rejection { reason: reason.into(), nodes, unresolvable });
        }
    };
    if let Some(near) = &question.near {
        reject(nodes.difference(&wanted(topology, near)), NOT_NEAR, true);
    }
    reject(any(topology, &question.apart), NOT_APART, false);
    reject(any(topology, &question.kept_apart), NOT_KEPT_APART, false);
    rejections
}

/// Nodes that have such a pod in their domain of every key. Where there is none at all, a pod that
/// means itself may begin on any node that has the labels.
fn wanted(topology: &Topology, near: &Near) -> NodeSet {
    let all = |sets: &mut dyn Iterator<Item = NodeSet>| {
        sets.reduce(|all, set| all.intersection(&set)).unwrap_or_default()
    };
    let inhabited = all(&mut near.counters.iter().map(|counter| inhabited(topology, *counter)));
    let is_first = || near.counters.iter().all(|counter| topology.read(*counter).is_zero());
    if near.means_itself && inhabited.is_empty() && is_first() {
        return all(&mut near.counters.iter().map(|counter| topology.read(*counter).key.labelled().clone()));
    }
    inhabited
}

/// Nodes that have such a pod in their domain of any key.
fn any(topology: &Topology, counters: &[CounterId]) -> NodeSet {
    let mut nodes = NodeSet::new();
    counters.iter().for_each(|counter| nodes.extend(&inhabited(topology, *counter)));
    nodes
}

fn inhabited(topology: &Topology, counter: CounterId) -> NodeSet {
    let count = topology.read(counter);
    count.key.nodes_over(count.counts, 0).intersection(count.key.labelled())
}
