//! `DoNotSchedule`: nodes of a domain that would be ahead of the emptiest by more than `maxSkew`.

use orch_sdk::scheduler::{NodeSet, Rejection};
use orch_sdk::topology::{Count, Topology};

use crate::question::Hard;

const CROWDED: &str = "node(s) didn't match pod topology spread constraints";
const UNLABELLED: &str = "node(s) didn't match pod topology spread constraints (missing required label)";

pub fn filter(topology: &Topology, constraints: &[Hard], nodes: &NodeSet) -> Vec<Rejection> {
    if constraints.is_empty() {
        return Vec::new();
    }
    let (mut crowded, mut unlabelled) = (NodeSet::new(), NodeSet::new());
    let mut open = nodes.clone();
    // The first constraint that a node fails gives the reason.
    for constraint in constraints {
        let count = topology.read(constraint.counter);
        let lacking = open.difference(count.key.labelled());
        unlabelled.extend(&lacking);
        open = open.difference(&lacking);
        let over = over(constraint, count).intersection(&open);
        crowded.extend(&over);
        open = open.difference(&over);
    }
    let rejection =
        |reason: &str, nodes, unresolvable| Rejection { reason: reason.into(), nodes, unresolvable };
    let rejections = [rejection(CROWDED, crowded, false), rejection(UNLABELLED, unlabelled, true)];
    rejections.into_iter().filter(|rejection| !rejection.nodes.is_empty()).collect()
}

fn over(constraint: &Hard, count: Count<'_>) -> NodeSet {
    // With fewer domains than asked for, one more is taken to be there, empty.
    let least = if count.domains < constraint.min_domains { Some(0) } else { count.least() };
    let most = constraint.max_skew + i64::from(least.unwrap_or(0)) - constraint.itself;
    let most = most.min(i32::MAX.into()) as i32;
    count.key.nodes_over(count.counts, most)
}
