//! Leases, disruption budgets, priority classes, runtime classes.

use serde_json::Value;

use super::{Errors, Path, metadata, selector, text, workload};
use crate::names;
use crate::status::FieldError;

/// Above are the system's own classes.
const HIGHEST_USER_PRIORITY: i64 = 1_000_000_000;

pub(crate) fn validate_lease(lease: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(lease, old, names::dns1123_subdomain, &mut errors);
    let path = Path::new("spec");
    if lease["spec"]["leaseDurationSeconds"].as_i64().is_some_and(|seconds| seconds <= 0) {
        let at = path.child("leaseDurationSeconds");
        errors.invalid(&at, &lease["spec"]["leaseDurationSeconds"], "must be greater than 0");
    }
    errors.not_negative(&path.child("leaseTransitions"), &lease["spec"]["leaseTransitions"]);
    errors.into_vec()
}

pub(crate) fn validate_priority_class(class: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(class, old, names::dns1123_subdomain, &mut errors);
    let name = text(&class["metadata"]["name"]);
    let value = class["value"].as_i64().unwrap_or(0);
    if let Some(known) = system_class(name) {
        if value != known {
            let path = Path::new("metadata").child("name");
            errors.forbidden(&path, format!("value of system-critical classes must be {known}"));
        }
    } else if name.starts_with("system-") {
        let path = Path::new("metadata").child("name");
        errors.forbidden(&path, "priority class names with 'system-' prefix are reserved for system use only. error: only system-node-critical and system-cluster-critical are allowed");
    } else if value > HIGHEST_USER_PRIORITY {
        let detail = format!("maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}");
        errors.forbidden(&Path::new("value"), detail);
    }
    let path = Path::new("preemptionPolicy");
    errors.optional_one_of(&path, &class["preemptionPolicy"], &["PreemptLowerPriority", "Never"]);
    if let Some(old) = old {
        if class["value"].as_i64().unwrap_or(0) != old["value"].as_i64().unwrap_or(0) {
            errors.forbidden(&Path::new("value"), "may not be changed in an update.");
        }
        errors.immutable(&path, &class["preemptionPolicy"], &old["preemptionPolicy"]);
    }
    errors.into_vec()
}

pub(crate) fn validate_disruption_budget(budget: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(budget, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &budget["spec"]);
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        errors.invalid(&path, spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for field in ["minAvailable", "maxUnavailable"] {
        workload::validate_share(&spec[field], &path.child(field), &mut errors);
        if workload::percent(&spec[field]).is_some_and(|percent| percent > 100) {
            errors.invalid(&path.child(field), &spec[field], "must not be greater than 100%");
        }
    }
    selector::validate(&spec["selector"], &path.child("selector"), &mut errors);
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    errors.optional_one_of(
        &path.child("unhealthyPodEvictionPolicy"),
        &spec["unhealthyPodEvictionPolicy"],
        &policies,
    );
    errors.into_vec()
}

fn system_class(name: &str) -> Option<i64> {
    match name {
        "system-node-critical" => Some(2_000_001_000),
        "system-cluster-critical" => Some(2_000_000_000),
        _ => None,
    }
}

pub(crate) fn validate_runtime_class(class: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(class, old, names::dns1123_subdomain, &mut errors);
    let path = Path::new("handler");
    errors.rule(&path, text(&class["handler"]), names::dns1123_label);
    if let Some(old) = old {
        errors.immutable(&path, &class["handler"], &old["handler"]);
    }
    errors.into_vec()
}
