//! What is preferred: the weights of all preferences that hold on a node, either way.

use orch_sdk::scheduler::{MAX_SCORE, NodeSet};
use orch_sdk::topology::{CounterId, Topology};

use crate::question::Question;

pub fn score(topology: &Topology, question: &Question, nodes: &NodeSet) -> Vec<u32> {
    if question.preferences.is_empty() {
        return Vec::new();
    }
    let mut sums = vec![0; topology.len()];
    let mut matters = false;
    for (key, counters) in &question.preferences {
        let of_domain = of_domain(topology, counters);
        if of_domain.iter().any(|worth| *worth != 0) {
            matters = true;
            topology.read_key(*key).add_to_nodes(&mut sums, &of_domain);
        }
    }
    if matters { normalize(&sums, nodes) } else { Vec::new() }
}

fn of_domain(topology: &Topology, counters: &[(CounterId, i64)]) -> Vec<i64> {
    let mut of_domain = Vec::new();
    for (counter, worth) in counters {
        let counts = topology.read(*counter).counts;
        of_domain.resize(counts.len(), 0);
        let sums = of_domain.iter_mut().zip(counts);
        sums.for_each(|(sum, count)| *sum += worth * i64::from(*count));
    }
    of_domain
}

/// The worst of these nodes gets 0, the best 100, all alike nothing.
fn normalize(sums: &[i64], nodes: &NodeSet) -> Vec<u32> {
    let mut worth = Vec::with_capacity(nodes.count());
    nodes.iter().for_each(|node| worth.push(sums.get(node).copied().unwrap_or(0)));
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    for worth in &worth {
        least = least.min(*worth);
        most = most.max(*worth);
    }
    if least >= most {
        return Vec::new();
    }
    let range = (most - least) as f64;
    let score = |worth: i64| (MAX_SCORE as f64 * ((worth - least) as f64 / range)) as u32;
    worth.into_iter().map(score).collect()
}
