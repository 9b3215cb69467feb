//! The score: how full a node would be, and whether full is good.

use orch_sdk::Value;

use crate::request::{CPU, EPHEMERAL, MEMORY, Request, Resources};
use crate::rows::Row;

const MOST_TIMES_100: i64 = i64::MAX / 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    LeastAllocated,
    MostAllocated,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strategy {
    kind: Kind,
    /// Resource name and weight.
    resources: Vec<(String, i64)>,
}

impl Default for Strategy {
    fn default() -> Self {
        Strategy { kind: Kind::default(), resources: vec![("cpu".into(), 1), ("memory".into(), 1)] }
    }
}

impl Strategy {
    /// From `spec.config`; the default is upstream's: spread by cpu and memory alike.
    pub fn read(config: &Value) -> Result<Self, String> {
        let strategy = &config["scoringStrategy"];
        let kind = match strategy["type"].as_str() {
            None if strategy["type"].is_null() => Kind::LeastAllocated,
            Some("LeastAllocated") => Kind::LeastAllocated,
            Some("MostAllocated") => Kind::MostAllocated,
            _ => {
                let found = &strategy["type"];
                return Err(format!("scoringStrategy.type: {found} is not LeastAllocated or MostAllocated"));
            }
        };
        let resources = match &strategy["resources"] {
            Value::Null => Strategy::default().resources,
            Value::Array(list) => list.iter().map(weight).collect::<Result<_, _>>()?,
            other => return Err(format!("scoringStrategy.resources: {other} is not a list")),
        };
        Ok(Strategy { kind, resources })
    }

    /// The numbers of the resources that count for this pod: extended ones only when it asks for them.
    pub fn weights(&self, resources: &Resources, request: &Request) -> Vec<(usize, i64)> {
        let numbered =
            self.resources.iter().filter_map(|(name, weight)| Some((resources.find(name)?, *weight)));
        numbered.filter(|(number, _)| *number <= EPHEMERAL || request.extended(*number) > 0).collect()
    }

    /// 0 to 100: the weighted mean over the resources the node has.
    pub fn score(&self, row: &Row, request: &Request, weights: &[(usize, i64)]) -> u32 {
        let (mut total, mut weighed) = (0, 0);
        for (number, weight) in weights {
            let (allocatable, wanted) = after(row, request, *number);
            if allocatable == 0 {
                continue;
            }
            total += weight * self.score_resource(allocatable, wanted);
            weighed += weight;
        }
        if weighed == 0 { 0 } else { (total / weighed).clamp(0, 100) as u32 }
    }

    fn score_resource(&self, allocatable: i64, wanted: i64) -> i64 {
        // In 64 bits: wider arithmetic is what this score would spend its time on.
        let percent = |part: i64| match part {
            0..=MOST_TIMES_100 => part * 100 / allocatable,
            _ => part / (allocatable / 100).max(1),
        };
        match self.kind {
            Kind::LeastAllocated if wanted > allocatable => 0,
            Kind::LeastAllocated => percent(allocatable - wanted),
            Kind::MostAllocated => percent(wanted.min(allocatable)),
        }
    }
}

/// What the node has of a resource, and what would be taken of it with the pod there.
fn after(row: &Row, request: &Request, number: usize) -> (i64, i64) {
    match number {
        CPU => (row.allocatable[CPU], row.scored_cpu + request.scored_cpu),
        MEMORY => (row.allocatable[MEMORY], row.scored_memory + request.scored_memory),
        EPHEMERAL => (row.allocatable[EPHEMERAL], row.requested[EPHEMERAL] + request.ephemeral),
        number => {
            let (allocatable, requested) = row.extended(number);
            (allocatable, requested + request.extended(number))
        }
    }
}

fn weight(resource: &Value) -> Result<(String, i64), String> {
    let name = resource["name"].as_str().ok_or("scoringStrategy.resources: an item without a name")?;
    let weight = if resource["weight"].is_null() { Some(1) } else { resource["weight"].as_i64() };
    match weight.filter(|weight| (1..=100).contains(weight)) {
        Some(weight) => Ok((name.into(), weight)),
        None => Err(format!("scoringStrategy.resources: the weight of {name} must be 1 to 100")),
    }
}
