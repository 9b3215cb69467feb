//! A pod's quality of service: who is evicted first.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::quantity::Quantity;

const COUNTED: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed`, `Burstable` or `BestEffort` (`ComputePodQOS`).
pub(crate) fn class(pod: &Value) -> &'static str {
    let spec = &pod["spec"];
    if spec["resources"].is_object() {
        return of(&mut [&spec["resources"]].into_iter());
    }
    let containers = ["initContainers", "containers"];
    let mut resources = containers
        .iter()
        .flat_map(|field| spec[*field].as_array().into_iter().flatten())
        .map(|container| &container["resources"]);
    of(&mut resources)
}

fn of(resources: &mut dyn Iterator<Item = &Value>) -> &'static str {
    let (mut requests, mut limits) = (BTreeMap::new(), BTreeMap::new());
    let mut guaranteed = true;
    for resource in resources {
        add(&mut requests, &resource["requests"]);
        let counted = add(&mut limits, &resource["limits"]);
        guaranteed &= counted == COUNTED.len();
    }
    if requests.is_empty() && limits.is_empty() {
        return "BestEffort";
    }
    if guaranteed && requests.len() == limits.len() && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// Adds what counts and is not zero; returns how many resources that were.
fn add(totals: &mut BTreeMap<&'static str, Quantity>, list: &Value) -> usize {
    let mut counted = 0;
    for resource in COUNTED {
        let amount = list[resource].as_str().and_then(|text| text.parse::<Quantity>().ok());
        let Some(amount) = amount.filter(|amount| *amount > Quantity::ZERO) else { continue };
        counted += 1;
        let total = totals.entry(resource).or_insert(Quantity::ZERO);
        *total = total.add(&amount);
    }
    counted
}
