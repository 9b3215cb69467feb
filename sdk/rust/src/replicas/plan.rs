//! How many pods to make or to end.

use crate::object::Object;
use serde_json::Value;

/// At most so many pods are made or ended in one go, as upstream's.
const BURST: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    Nothing,
    Create(usize),
    Delete(usize),
}

pub fn wanted(set: &Value) -> usize {
    let replicas = set.at(&["spec", "replicas"]).as_i64().unwrap_or(1);
    usize::try_from(replicas).unwrap_or(0)
}

pub fn plan(wanted: usize, active: usize) -> Plan {
    match wanted.cmp(&active) {
        std::cmp::Ordering::Equal => Plan::Nothing,
        std::cmp::Ordering::Greater => Plan::Create((wanted - active).min(BURST)),
        std::cmp::Ordering::Less => Plan::Delete((active - wanted).min(BURST)),
    }
}

/// The sizes of the batches that make `count`: doubling from one.
pub fn slow_start(count: usize) -> impl Iterator<Item = usize> {
    let (mut left, mut next) = (count, 1);
    std::iter::from_fn(move || {
        let batch = next.min(left);
        left -= batch;
        next = 2 * batch;
        (batch > 0).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_in_bursts() {
        assert_eq!(plan(3, 3), Plan::Nothing);
        assert_eq!(plan(3, 1), Plan::Create(2));
        assert_eq!(plan(0, 2), Plan::Delete(2));
        assert_eq!(plan(2000, 0), Plan::Create(500));
    }

    #[test]
    fn batches_double() {
        assert_eq!(slow_start(10).collect::<Vec<_>>(), [1, 2, 4, 3]);
        assert_eq!(slow_start(1).collect::<Vec<_>>(), [1]);
        assert_eq!(slow_start(0).count(), 0);
    }
}
