//! `spec.config`: upstream's `NodeResourcesFitArgs`.

use std::collections::HashSet;

use orch_sdk::Value;
use orch_sdk::config::Field;

use crate::strategy::{Kind, Point, Strategy};

const KINDS: [&str; 3] = ["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"];
/// Users give scores of 0 to 10 in shapes.
const MAX_SHAPE_SCORE: i64 = 10;

/// Extended resources that somebody else looks after.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ignored {
    resources: HashSet<String>,
    /// What stands before the `/`.
    groups: HashSet<String>,
}

impl Ignored {
    pub fn contains(&self, resource: &str) -> bool {
        let Some((group, _)) = resource.split_once('/').filter(|_| is_extended(resource)) else {
            return false;
        };
        self.resources.contains(resource) || self.groups.contains(group)
    }
}

fn is_extended(resource: &str) -> bool {
    !resource.contains("kubernetes.io/") && !resource.starts_with("requests.")
}

pub fn read(config: &Value) -> Result<(Ignored, Strategy), String> {
    let root = Field::root(config).only(&["ignoredResources", "ignoredResourceGroups", "scoringStrategy"])?;
    let ignored = Ignored {
        resources: names(&root.child("ignoredResources"))?,
        groups: groups(&root.child("ignoredResourceGroups"))?,
    };
    Ok((ignored, strategy(root.child("scoringStrategy"))?))
}

fn names(list: &Field) -> Result<HashSet<String>, String> {
    list.items()?.iter().map(|item| item.text().map(String::from)).collect()
}

fn groups(list: &Field) -> Result<HashSet<String>, String> {
    match list.items()?.iter().find(|item| item.value().as_str().is_some_and(|group| group.contains('/'))) {
        Some(item) => Err(item.invalid("resource group name can't contain '/'")),
        None => names(list),
    }
}

fn strategy(field: Field) -> Result<Strategy, String> {
    let field = field.only(&["type", "resources", "requestedToCapacityRatio"])?;
    let (name, ratio) = (field.child("type"), field.child("requestedToCapacityRatio"));
    let kind = match name.value().as_str() {
        None if name.is_absent() => Kind::LeastAllocated,
        Some("LeastAllocated") => Kind::LeastAllocated,
        Some("MostAllocated") => Kind::MostAllocated,
        Some("RequestedToCapacityRatio") if ratio.is_absent() => {
            return Err(ratio.required("must be specified when type is RequestedToCapacityRatio"));
        }
        Some("RequestedToCapacityRatio") => Kind::RequestedToCapacityRatio(shape(&ratio)?),
        _ => return Err(name.unsupported(&KINDS)),
    };
    if !ratio.is_absent() && !matches!(kind, Kind::RequestedToCapacityRatio(_)) {
        return Err(ratio.forbidden("must be nil when type is not RequestedToCapacityRatio"));
    }
    let resources: Vec<(String, u32)> =
        field.child("resources").items()?.into_iter().map(resource).collect::<Result<_, _>>()?;
    Ok(Strategy {
        kind,
        resources: if resources.is_empty() { Strategy::default().resources } else { resources },
    })
}

fn resource(item: Field) -> Result<(String, u32), String> {
    let item = item.only(&["name", "weight"])?;
    let (name, weight) = (item.child("name").text()?, item.child("weight"));
    match weight.value().as_i64() {
        None if weight.is_absent() => Ok((name.into(), 1)),
        Some(found @ 1..=100) => Ok((name.into(), found as u32)),
        _ => Err(weight.invalid(format!("resource weight of {name} not in valid range (0, 100]"))),
    }
}

/// Points sorted by utilization, their scores scaled to 100.
fn shape(ratio: &Field) -> Result<Vec<Point>, String> {
    let list = ratio.clone().only(&["shape"])?.child("shape");
    let mut points: Vec<Point> = Vec::new();
    for item in list.items()? {
        let item = item.only(&["utilization", "score"])?;
        let (utilization, score) = (item.child("utilization"), item.child("score"));
        let point = Point {
            utilization: utilization.integer(0..=100)?,
            score: score.integer_or(0, 0..=MAX_SHAPE_SCORE)? * (100 / MAX_SHAPE_SCORE),
        };
        if points.last().is_some_and(|last| last.utilization >= point.utilization) {
            return Err(utilization.invalid("values must be sorted in increasing order"));
        }
        points.push(point);
    }
    if points.is_empty() { Err(list.required("at least one point must be specified")) } else { Ok(points) }
}
