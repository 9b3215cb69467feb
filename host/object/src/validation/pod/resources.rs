//! Requests and limits.

use serde_json::Value;

use crate::names;
use crate::quantity::Quantity;
use crate::validation::{Errors, NOT_NEGATIVE, Path};

/// Resources whose request may lie below their limit.
const STANDARD: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

pub(super) fn validate(resources: &Value, path: &Path, errors: &mut Errors) {
    for list in ["limits", "requests"] {
        for (name, amount) in entries(&resources[list]) {
            validate_amount(name, amount, &path.child(list), errors);
        }
    }
    for (name, request) in entries(&resources["requests"]) {
        compare(name, request, &resources["limits"][name], path, errors);
    }
    for (name, limit) in entries(&resources["limits"]) {
        if !may_overcommit(name) && resources["requests"][name].is_null() {
            errors.invalid(
                &path.child("limits"),
                limit,
                format!("Limit must be set for non overcommitable resources: {name}"),
            );
        }
    }
}

/// Limits of the whole pod.
pub(super) fn validate_pod(spec: &Value, path: &Path, errors: &mut Errors) {
    if spec["resources"].is_object() {
        validate(&spec["resources"], &path.child("resources"), errors);
    }
    for (name, amount) in entries(&spec["overhead"]) {
        validate_amount(name, amount, &path.child("overhead"), errors);
    }
}

fn validate_amount(name: &str, amount: &Value, path: &Path, errors: &mut Errors) {
    for message in names::qualified_name(name) {
        errors.invalid(path, &name.into(), message);
    }
    if !name.contains('/') && !STANDARD.contains(&name) && !name.starts_with("hugepages-") {
        errors.invalid(path, &name.into(), "must be a standard resource for containers");
    }
    let Ok(quantity) = Quantity::from_json(amount) else { return };
    let at = path.key(name);
    if quantity < Quantity::ZERO {
        errors.invalid(&at, amount, NOT_NEGATIVE);
    }
    if !STANDARD.contains(&name) && quantity.milli_value() % 1000 != 0 {
        errors.invalid(&at, amount, "must be an integer");
    }
}

fn compare(name: &str, request: &Value, limit: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("requests");
    if limit.is_null() {
        if !may_overcommit(name) {
            errors.required(&path.child("limits"), "Limit must be set for non overcommitable resources");
        }
        return;
    }
    let (Ok(asked), Ok(most)) = (Quantity::from_json(request), Quantity::from_json(limit)) else { return };
    if asked > most {
        errors.invalid(&at, request, format!("must be less than or equal to {name} limit of {most}"));
    } else if asked != most && !may_overcommit(name) {
        errors.invalid(&at, request, format!("must be equal to {name} limit of {most}"));
    }
}

fn may_overcommit(name: &str) -> bool {
    STANDARD.contains(&name)
}

fn entries(list: &Value) -> impl Iterator<Item = (&String, &Value)> {
    list.as_object().into_iter().flatten()
}
