//! Limit ranges and quotas.

use serde_json::Value;

use super::{Errors, Path, items, metadata, text};
use crate::names;
use crate::quantity::Quantity;
use crate::status::FieldError;

pub(crate) fn validate_limit_range(range: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(range, old, names::dns1123_subdomain, &mut errors);
    let path = Path::new("spec").child("limits");
    let mut seen = Vec::new();
    for (index, limit) in items(&range["spec"]["limits"]).iter().enumerate() {
        let at = path.index(index);
        let kind = text(&limit["type"]);
        if seen.contains(&kind) {
            errors.duplicate(&at.child("type"), kind);
        }
        seen.push(kind);
        if kind == "Pod" {
            for field in ["default", "defaultRequest"] {
                if !super::is_empty(&limit[field]) {
                    errors.forbidden(&at.child(field), "may not be specified when `type` is 'Pod'");
                }
            }
        }
        let order = [("min", "max"), ("min", "default"), ("defaultRequest", "default"), ("default", "max")];
        for (low, high) in order.into_iter().chain([("min", "defaultRequest"), ("defaultRequest", "max")]) {
            validate_order(limit, low, high, &at, &mut errors);
        }
    }
    errors.into_vec()
}

fn validate_order(limit: &Value, low: &str, high: &str, path: &Path, errors: &mut Errors) {
    for (resource, amount) in limit[low].as_object().into_iter().flatten() {
        let (Ok(less), Ok(more)) = (Quantity::from_json(amount), Quantity::from_json(&limit[high][resource]))
        else {
            continue;
        };
        if less > more {
            // Upstream words each pair from the side of the value that clients set.
            let (at, shown, detail) = match (low, high) {
                ("min", "max") => (low, amount, format!("min value {less} is greater than max value {more}")),
                ("min", other) => (
                    other,
                    &limit[high][resource],
                    format!("min value {less} is greater than {} value {more}", spoken(other)),
                ),
                (other, "max") => (
                    other,
                    amount,
                    format!("{} value {less} is greater than max value {more}", spoken(other)),
                ),
                (_, _) => (
                    low,
                    amount,
                    format!("default request value {less} is greater than default limit value {more}"),
                ),
            };
            errors.invalid(&path.child(at).key(resource), shown, detail);
        }
    }
}

fn spoken(field: &str) -> &str {
    if field == "defaultRequest" { "default request" } else { field }
}

pub(crate) fn validate_resource_quota(quota: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(quota, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &quota["spec"]);
    for (resource, amount) in spec["hard"].as_object().into_iter().flatten() {
        let at = path.child("hard").key(resource);
        errors.rule(&at, resource, names::qualified_name);
        if Quantity::from_json(amount).is_ok_and(|amount| amount < Quantity::ZERO) {
            errors.invalid(&at, amount, super::NOT_NEGATIVE);
        }
    }
    if let Some(old) = old {
        errors.immutable(&path.child("scopes"), &spec["scopes"], &old["spec"]["scopes"]);
    }
    errors.into_vec()
}
