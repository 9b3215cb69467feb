//! `min`, `max` and `maxLimitRequestRatio`.

use orch_sdk::Value;
use orch_sdk::object::Object;
use orch_sdk::quantity::Amount;
use orch_sdk::quota::{Amounts, PodLimits, amounts};

/// What is bounded, in the words of its LimitRange.
struct Bounded<'a> {
    /// `Container`, `Pod`, `PersistentVolumeClaim`
    sort: &'a str,
    requests: Amounts,
    limits: Amounts,
}

pub fn of_pod(pod: &Value, limits: &[Value]) -> Vec<String> {
    let containers = pod.items(&["spec", "containers"]).iter().chain(pod.items(&["spec", "initContainers"]));
    let containers: Vec<Bounded> = containers
        .map(|container| Bounded {
            sort: "Container",
            requests: amounts(container.at(&["resources", "requests"])),
            limits: amounts(container.at(&["resources", "limits"])),
        })
        .collect();
    let whole = [Bounded {
        sort: "Pod",
        requests: PodLimits::REQUESTS.total(pod),
        limits: PodLimits::LIMITS.total(pod),
    }];
    let mut errors = Vec::new();
    for item in limits {
        let bounded: &[Bounded] = match item["type"].as_str() {
            Some("Container") => &containers,
            Some("Pod") => &whole,
            _ => &[],
        };
        for one in bounded {
            errors.extend(amounts(&item["min"]).iter().filter_map(|(name, least)| one.below(name, *least)));
            errors.extend(amounts(&item["max"]).iter().filter_map(|(name, most)| one.above(name, *most)));
            let ratios = amounts(&item["maxLimitRequestRatio"]);
            errors.extend(ratios.iter().filter_map(|(name, most)| one.out_of_ratio(name, *most)));
        }
    }
    errors
}

pub fn of_claim(claim: &Value, limits: &[Value]) -> Vec<String> {
    let requests = amounts(claim.at(&["spec", "resources", "requests"]));
    let one = Bounded { sort: "PersistentVolumeClaim", requests, limits: Amounts::new() };
    let mut errors = Vec::new();
    for item in limits.iter().filter(|item| item["type"] == one.sort) {
        errors.extend(amounts(&item["min"]).iter().filter_map(|(name, least)| one.below(name, *least)));
        errors.extend(amounts(&item["max"]).iter().filter_map(|(name, most)| one.asks_above(name, *most)));
    }
    errors
}

impl Bounded<'_> {
    fn below(&self, name: &str, least: Amount) -> Option<String> {
        let found = match (self.requests.get(name), self.limits.get(name)) {
            (None, _) => ".  No request is specified".to_string(),
            (Some(request), _) if *request < least => format!(", but request is {request}"),
            (_, Some(limit)) if *limit < least => format!(", but limit is {limit}"),
            _ => return None,
        };
        Some(format!("minimum {name} usage per {} is {least}{found}", self.sort))
    }

    fn above(&self, name: &str, most: Amount) -> Option<String> {
        let found = match (self.requests.get(name), self.limits.get(name)) {
            (_, None) => ".  No limit is specified".to_string(),
            (_, Some(limit)) if *limit > most => format!(", but limit is {limit}"),
            (Some(request), _) if *request > most => format!(", but request is {request}"),
            _ => return None,
        };
        Some(format!("maximum {name} usage per {} is {most}{found}", self.sort))
    }

    /// As [`Bounded::above`], of what has no limits.
    fn asks_above(&self, name: &str, most: Amount) -> Option<String> {
        let found = match self.requests.get(name) {
            None => ".  No request is specified".to_string(),
            Some(request) if *request > most => format!(", but request is {request}"),
            Some(_) => return None,
        };
        Some(format!("maximum {name} usage per {} is {most}{found}", self.sort))
    }

    fn out_of_ratio(&self, name: &str, most: Amount) -> Option<String> {
        let amount = |amounts: &Amounts| amounts.get(name).copied().filter(|amount| !amount.is_zero());
        let found = match (amount(&self.requests), amount(&self.limits)) {
            (None, _) => "no request is specified or request is 0".to_string(),
            (_, None) => "no limit is specified or limit is 0".to_string(),
            (Some(request), Some(limit)) => {
                let ratio = limit
                    .ratio(request)
                    .filter(|ratio| *ratio > most.ratio(Amount::units(1)).unwrap_or(0.0))?;
                format!("provided ratio is {ratio:.6}")
            }
        };
        Some(format!("{name} max limit to request ratio per {} is {most}, but {found}", self.sort))
    }
}
