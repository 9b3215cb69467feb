//! Requests and limits.

use serde_json::Value;

use crate::names;
use crate::quantity::Quantity;
use crate::validation::amount::{self, entries};
use crate::validation::{Errors, Path, is_empty, items, text};

/// A rule for the names that a place knows.
type NameRule = fn(&str, &Path, &mut Errors);

/// Of a container; `claims` are the names of its pod's resource claims.
pub(crate) fn validate(resources: &Value, claims: &[&str], path: &Path, errors: &mut Errors) {
    validate_with(resources, amount::validate_container_name, path, errors);
    validate_claims(&resources["claims"], claims, &path.child("claims"), errors);
}

/// Of the pod as a whole.
pub(super) fn validate_pod(spec: &Value, claims: &[&str], path: &Path, errors: &mut Errors) {
    let (resources, at) = (&spec["resources"], path.child("resources"));
    if !resources.is_object() {
        return;
    }
    if spec["os"]["name"] == "windows" {
        return errors.forbidden(&at, "may not be set for a windows pod");
    }
    if !is_empty(&resources["claims"]) {
        errors.forbidden(&at.child("claims"), "claims may not be set for Resources at pod-level");
    }
    validate_with(resources, amount::validate_pod_name, &at, errors);
    validate_claims(&resources["claims"], claims, &at.child("claims"), errors);
    validate_limits_of_containers(spec, &at, errors);
}

pub(super) fn validate_overhead(spec: &Value, path: &Path, errors: &mut Errors) {
    let limits = serde_json::json!({ "limits": spec["overhead"] });
    validate_with(&limits, amount::validate_container_name, &path.child("overhead"), errors);
}

fn validate_with(resources: &Value, rule: NameRule, path: &Path, errors: &mut Errors) {
    let (limits, requests) = (path.child("limits"), path.child("requests"));
    for (name, limit) in entries(&resources["limits"]) {
        let at = limits.key(name);
        rule(name, &at, errors);
        amount::validate_amount(name, limit, &at, errors);
        amount::validate_pages(name, limit, &at, errors);
    }
    for (name, request) in entries(&resources["requests"]) {
        let at = requests.key(name);
        rule(name, &at, errors);
        amount::validate_amount(name, request, &at, errors);
        compare(name, request, &resources["limits"][name], path, errors);
        amount::validate_pages(name, request, &at, errors);
    }
    let given: Vec<&String> =
        ["limits", "requests"].iter().flat_map(|list| entries(&resources[*list])).map(|(n, _)| n).collect();
    let computes = given.iter().any(|name| ["cpu", "memory"].contains(&name.as_str()));
    if !computes && given.iter().any(|name| amount::is_huge_page(name)) {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
}

fn compare(name: &str, request: &Value, limit: &Value, path: &Path, errors: &mut Errors) {
    let free = amount::may_overcommit(name);
    if limit.is_null() {
        if !free {
            errors.required(&path.child("limits"), "Limit must be set for non overcommitable resources");
        }
        return;
    }
    let (Ok(asked), Ok(most)) = (Quantity::from_json(request), Quantity::from_json(limit)) else { return };
    let at = path.child("requests");
    if asked != most && !free {
        errors.invalid(&at, request, format!("must be equal to {name} limit of {most}"));
    } else if asked > most {
        errors.invalid(&at, request, format!("must be less than or equal to {name} limit of {most}"));
    }
}

fn validate_claims(claims: &Value, known: &[&str], path: &Path, errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    for (index, claim) in items(claims).iter().enumerate() {
        let (at, name, request) = (path.index(index), text(&claim["name"]), text(&claim["request"]));
        if name.is_empty() {
            errors.required(&at, "");
            continue;
        }
        validate_claim_once(name, request, &mut seen, &at, errors);
        if !known.contains(&name) {
            let names = match known {
                [] => " which is empty".into(),
                known => format!(": {}", known.join(", ")),
            };
            errors.not_found_among(
                &at,
                name,
                format!("must be one of the names in pod.spec.resourceClaims{names}"),
            );
        }
    }
}

/// A claim is used whole, or by some of its requests.
fn validate_claim_once(name: &str, request: &str, seen: &mut Vec<String>, path: &Path, errors: &mut Errors) {
    if seen.iter().any(|seen| seen == name) {
        return errors.duplicate(path, name);
    }
    let mut key = name.to_owned();
    if !request.is_empty() {
        errors.rule(&path.child("request"), request, names::dns1123_label);
        key = format!("{name}/{request}");
    }
    if seen.contains(&key) {
        errors.duplicate(path, key.as_str());
    } else if request.is_empty() {
        let parts = seen.iter().filter(|seen| seen.split_once('/').is_some_and(|(claim, _)| claim == name));
        parts.for_each(|_| errors.duplicate(path, name));
    }
    seen.push(key);
}

fn validate_limits_of_containers(spec: &Value, path: &Path, errors: &mut Errors) {
    for (index, container) in items(&spec["containers"]).iter().enumerate() {
        for (name, limit) in entries(&container["resources"]["limits"]) {
            let of_pod = &spec["resources"]["limits"][name];
            let (Ok(own), Ok(most)) = (Quantity::from_json(limit), Quantity::from_json(of_pod)) else {
                continue;
            };
            if own > most {
                let at = path.child("containers").index(index).key(name).child("limits");
                errors.invalid(&at, limit, format!("must be less than or equal to pod limits of {most}"));
            }
        }
    }
}
