//! The score: how full a node would be, and what that is worth.

use orch_sdk::scheduler::resources::{CORE, Request, Resources, Row};

/// What times a hundred, and once more on top, still fits into 64 bits.
const MOST_TIMES_100: i64 = i64::MAX / 102;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Kind {
    #[default]
    LeastAllocated,
    MostAllocated,
    /// A broken line over the percentage that would be taken.
    RequestedToCapacityRatio(Vec<Point>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// 0 to 100.
    pub utilization: i64,
    /// 0 to 100.
    pub score: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strategy {
    pub kind: Kind,
    /// Resource name and weight, 1 to 100.
    pub resources: Vec<(String, u32)>,
}

/// A resource that counts for a pod.
#[derive(Debug, Clone, Copy)]
pub struct Weighed {
    number: usize,
    /// What the pod asks for.
    request: i64,
    weight: u32,
}

impl Default for Strategy {
    fn default() -> Self {
        Strategy { kind: Kind::default(), resources: vec![("cpu".into(), 1), ("memory".into(), 1)] }
    }
}

impl Strategy {
    /// What counts for this pod: extended resources only when it asks for them.
    pub fn weigh(&self, resources: &Resources, request: &Request) -> Vec<Weighed> {
        let weighed = self.resources.iter().filter_map(|(name, weight)| {
            let number = resources.find(name)?;
            Some(Weighed { number, request: request.scored(number), weight: *weight })
        });
        weighed.filter(|weighed| weighed.number < CORE || weighed.request > 0).collect()
    }

    /// 0 to 100: the weighted mean over the resources the node has.
    pub fn score(&self, row: &Row, weighed: &[Weighed]) -> u32 {
        let (mut total, mut weights) = (0, 0);
        for Weighed { number, request, weight } in weighed {
            let (allocatable, requested) = row.scored_amounts(*number);
            if allocatable == 0 {
                continue;
            }
            let score = self.score_resource(allocatable, requested + request);
            if self.counts(score) {
                total += weight * score;
                weights += weight;
            }
        }
        self.mean(total, weights)
    }

    /// Upstream leaves a resource that a shape finds worthless out of the mean.
    fn counts(&self, score: u32) -> bool {
        match self.kind {
            Kind::LeastAllocated | Kind::MostAllocated => true,
            Kind::RequestedToCapacityRatio(_) => score > 0,
        }
    }

    fn mean(&self, total: u32, weights: u32) -> u32 {
        match (weights, &self.kind) {
            (0, _) => 0,
            (weights, Kind::LeastAllocated | Kind::MostAllocated) => total / weights,
            (weights, Kind::RequestedToCapacityRatio(_)) => (total + weights / 2) / weights,
        }
    }

    fn score_resource(&self, allocatable: i64, wanted: i64) -> u32 {
        let wanted = wanted.max(0);
        match &self.kind {
            Kind::LeastAllocated if wanted > allocatable => 0,
            Kind::LeastAllocated => percent(allocatable - wanted, allocatable),
            Kind::MostAllocated => percent(wanted.min(allocatable), allocatable),
            Kind::RequestedToCapacityRatio(shape) => {
                interpolate(shape, percent(wanted.min(allocatable), allocatable).into())
            }
        }
    }
}

/// `part * 100 / whole` rounded down, for a part from 0 to the whole. Dividing floating point numbers is
/// several times as fast as dividing integers; the result is at most one off, and set right.
fn percent(part: i64, whole: i64) -> u32 {
    if whole > MOST_TIMES_100 {
        return (part / (whole / 100).max(1)).clamp(0, 100) as u32;
    }
    let hundredfold = part * 100;
    let near = (hundredfold as f64 / whole as f64) as i64;
    let exact = match near * whole {
        taken if taken > hundredfold => near - 1,
        taken if taken + whole <= hundredfold => near + 1,
        _ => near,
    };
    exact as u32
}

/// Flat before the first point and after the last.
fn interpolate(shape: &[Point], utilization: i64) -> u32 {
    let score = match shape.iter().position(|point| utilization <= point.utilization) {
        Some(0) => shape[0].score,
        None => shape.last().map_or(0, |last| last.score),
        Some(next) => {
            let (from, to) = (shape[next - 1], shape[next]);
            let width = to.utilization - from.utilization;
            from.score + (to.score - from.score) * (utilization - from.utilization) / width
        }
    };
    score as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn percentages_are_exact(whole in 1..=MOST_TIMES_100, share in 0.0..=1.0f64, near in -3i64..=3) {
            let part = ((whole as f64 * share) as i64 + near).clamp(0, whole);
            prop_assert_eq!(i128::from(percent(part, whole)), i128::from(part) * 100 / i128::from(whole));
            let small = (part % 1000, whole % 1000 + 1000);
            prop_assert_eq!(i64::from(percent(small.0, small.1)), small.0 * 100 / small.1);
        }
    }

    #[test]
    fn huge_amounts_do_not_overflow() {
        assert_eq!(percent(i64::MAX, i64::MAX), 100);
        assert_eq!(percent(i64::MAX / 2, i64::MAX), 50);
        assert_eq!(percent(0, i64::MAX), 0);
        assert_eq!(percent(MOST_TIMES_100, i64::MAX), 0);
        assert_eq!(percent(MOST_TIMES_100, MOST_TIMES_100), 100);
    }
}
