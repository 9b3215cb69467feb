//! `ScheduleAnyway`: the fewer pods in a node's domains, the better.

use orch_sdk::scheduler::{MAX_SCORE, NodeSet};
use orch_sdk::topology::Topology;

use crate::question::{Question, Soft, Tally};

pub fn score(topology: &Topology, question: &Question, nodes: &NodeSet) -> Vec<u32> {
    if question.soft.is_empty() {
        return Vec::new();
    }
    let mut scored = nodes.clone();
    if question.needs_all_labels {
        let keys = question.soft.iter().map(|constraint| topology.read_key(constraint.key));
        scored = keys.fold(scored, |scored, key| scored.intersection(key.labelled()));
    }
    let mut burdens = vec![0.0; topology.len()];
    question.soft.iter().for_each(|constraint| add(&mut burdens, topology, constraint, &scored));
    normalize(&burdens, nodes, &scored)
}

/// Adds what the constraint counts on each node that has its label.
fn add(burdens: &mut [f64], topology: &Topology, constraint: &Soft, scored: &NodeSet) {
    let key = topology.read_key(constraint.key);
    match constraint.tally {
        Tally::Nodes(selection) => {
            let burden = burden(constraint.max_skew, scored.count());
            let lacks_label = scored.difference(key.labelled());
            let every = burdens.iter_mut().zip(topology.on_nodes(selection));
            if lacks_label.is_empty() {
                every.for_each(|(sum, pods)| *sum += burden(*pods));
            } else {
                let labelled = every.enumerate().filter(|(node, _)| !lacks_label.contains(*node));
                labelled.for_each(|(_, (sum, pods))| *sum += burden(*pods));
            }
        }
        Tally::Domains(counter) => {
            let burden = burden(constraint.max_skew, key.domains_of(scored));
            let of_domain: Vec<f64> =
                topology.read(counter).counts.iter().map(|pods| burden(*pods)).collect();
            key.add_to_nodes(burdens, &of_domain);
        }
    }
}

/// Upstream's weight of a count: that of a key with many domains, each with few pods, is raised, and
/// `maxSkew` waters small differences down.
fn burden(max_skew: i32, domains: usize) -> impl Fn(i32) -> f64 {
    let weight = ((domains + 2) as f64).ln();
    move |pods| f64::from(pods) * weight + f64::from(max_skew - 1)
}

/// Of a node that is not scored.
const NONE: i64 = -1;

/// The least burden scores most; nodes that are not scored get nothing.
fn normalize(burdens: &[f64], nodes: &NodeSet, scored: &NodeSet) -> Vec<u32> {
    let mut rounded = Vec::with_capacity(nodes.count());
    let (mut least, mut most) = (i64::MAX, 0);
    nodes.iter().for_each(|node| {
        let burden = if scored.contains(node) { round(burdens.get(node).copied()) } else { NONE };
        if burden != NONE {
            least = least.min(burden);
            most = most.max(burden);
        }
        rounded.push(burden);
    });
    let scale = scale(least, most);
    let score = |burden| if burden == NONE { 0 } else { scale(burden) };
    rounded.into_iter().map(score).collect()
}

/// 100 for the least, in proportion to the most for the others; none is 100 for all.
fn scale(least: i64, most: i64) -> impl Fn(i64) -> u32 {
    // Division of small numbers is several times faster.
    let narrow = u32::try_from(most).ok().filter(|most| *most < u32::MAX / MAX_SCORE as u32);
    move |burden| match narrow {
        Some(0) => MAX_SCORE as u32,
        Some(narrow) => MAX_SCORE as u32 * (most + least - burden) as u32 / narrow,
        None => (MAX_SCORE * (most + least - burden) / most) as u32,
    }
}

/// Half goes up; a burden is never negative.
fn round(burden: Option<f64>) -> i64 {
    let burden = burden.unwrap_or(0.0);
    let whole = burden as i64;
    whole + i64::from(burden - whole as f64 >= 0.5)
}
