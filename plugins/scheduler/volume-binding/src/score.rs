//! Ranks nodes by how well the volumes fit: how much of the matched volumes would be used or, where all
//! are to be made, how much of the room.

use std::collections::{BTreeMap, HashMap};

use orch_sdk::scheduler::NodeSet;

use crate::config::Shape;
use crate::plan::Plan;

/// Bytes asked for and bytes there.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    requested: i64,
    capacity: i64,
}

/// By class.
type Uses<'a> = BTreeMap<&'a str, Use>;

pub fn scores(plan: &Plan, nodes: &NodeSet, shape: &Shape) -> Vec<u32> {
    let (matched, made) = (matched(plan), made(plan));
    let of_node = |node: usize| matched.get(&node).or_else(|| made.get(&node));
    nodes.iter().map(|node| of_node(node).map_or(0, |uses| score(uses, shape))).collect()
}

fn matched<'a>(plan: &'a Plan) -> HashMap<usize, Uses<'a>> {
    let mut uses: HashMap<usize, Uses> = HashMap::new();
    for found in &plan.matches {
        for node in found.nodes.iter() {
            let class = uses.entry(node).or_default().entry(found.volume.class()).or_default();
            class.requested = class.requested.saturating_add(found.claim.requested().unwrap_or(0));
            class.capacity = class.capacity.saturating_add(found.volume.capacity());
        }
    }
    uses
}

/// Claims of one class share its room: it counts once.
fn made<'a>(plan: &'a Plan) -> HashMap<usize, Uses<'a>> {
    let mut uses: HashMap<usize, Uses> = HashMap::new();
    for provision in &plan.provisions {
        for (room, nodes) in &provision.room {
            for node in nodes.iter() {
                let class = uses.entry(node).or_default().entry(provision.claim.class()).or_default();
                class.requested = class.requested.saturating_add(provision.claim.requested().unwrap_or(0));
                class.capacity = *room;
            }
        }
    }
    uses
}

/// The mean over the classes.
fn score(uses: &Uses, shape: &Shape) -> u32 {
    let each = uses.values().map(|used| shape.at(utilization(used)));
    let mean = each.sum::<i64>() as f64 / uses.len() as f64;
    mean.round().clamp(0.0, 100.0) as u32
}

fn utilization(used: &Use) -> i64 {
    if used.capacity == 0 || used.requested > used.capacity {
        return 100;
    }
    (i128::from(used.requested) * 100 / i128::from(used.capacity)) as i64
}
