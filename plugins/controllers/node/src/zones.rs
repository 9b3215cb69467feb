//! How fast nodes that are lost may be emptied, by how their zone fares: where many are lost at once, it is
//! rather the network than the nodes. Pure.
//! <https://kubernetes.io/docs/concepts/architecture/nodes/#rate-limits-on-eviction>

use orch_sdk::Value;
use orch_sdk::object::Object;

/// Between two nodes of a zone, in milliseconds: 0.1 a second, 0.01 where a large zone is unhealthy.
const INTERVAL_MS: u64 = 10_000;
const SLOW_INTERVAL_MS: u64 = 100_000;
/// An unhealthy zone of no more nodes is left alone.
const LARGE: usize = 50;
/// A zone is unhealthy when this share of its nodes is lost, in hundredths, and more than [`FEW`].
const UNHEALTHY: usize = 55;
const FEW: usize = 2;

/// Nodes of one zone; those that are excluded from disruption do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Zone {
    pub nodes: usize,
    pub lost: usize,
}

impl Zone {
    pub fn is_down(&self) -> bool {
        self.lost == self.nodes
    }

    /// Milliseconds between two of its nodes; `None`: none is emptied.
    pub fn interval_ms(&self) -> Option<u64> {
        let is_unhealthy = self.lost > FEW && self.lost * 100 >= self.nodes * UNHEALTHY;
        match (self.is_down() || !is_unhealthy, self.nodes > LARGE) {
            (true, _) => Some(INTERVAL_MS),
            (false, true) => Some(SLOW_INTERVAL_MS),
            (false, false) => None,
        }
    }
}

/// Region and zone, by the labels of either age.
pub fn of(node: &Value) -> String {
    let label = |old: &str, new: &str| node.label(old).or(node.label(new)).unwrap_or_default().to_owned();
    let region = label("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region");
    let zone = label("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone");
    if region.is_empty() && zone.is_empty() { String::new() } else { format!("{region}/{zone}") }
}

pub fn is_excluded(node: &Value) -> bool {
    node.label("node.kubernetes.io/exclude-disruption").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_a_zone_fares_the_slower() {
        let interval = |nodes, lost| Zone { nodes, lost }.interval_ms();
        assert_eq!(interval(10, 1), Some(10_000));
        assert_eq!(interval(3, 2), Some(10_000), "two may well be broken");
        assert_eq!(interval(10, 6), None, "most of a small zone: not the nodes, it seems");
        assert_eq!(interval(100, 54), Some(10_000));
        assert_eq!(interval(100, 55), Some(100_000));
        assert_eq!(interval(10, 10), Some(10_000), "all of it, while other zones are up");
    }
}
