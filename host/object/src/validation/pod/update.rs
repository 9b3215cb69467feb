//! What may change in a pod that exists.

use serde_json::Value;

use crate::status::FieldError;
use crate::validation::{Errors, Path, is_empty, items, same, text};

const OTHER_FIELDS: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub(super) fn validate(pod: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let (new_spec, old_spec) = (&pod["spec"], &old["spec"]);
    for field in ["containers", "initContainers"] {
        if items(&new_spec[field]).len() != items(&old_spec[field]).len() {
            errors.forbidden(&path.child(field), "pod updates may not add or remove containers");
            return;
        }
    }
    validate_deadline(new_spec, old_spec, path, errors);
    validate_tolerations(new_spec, old_spec, path, errors);
    validate_gates(new_spec, old_spec, path, errors);
    if !errors.is_empty() {
        return;
    }
    let allowed = with_allowed_changes(old_spec, new_spec);
    if !same(&allowed, new_spec) {
        errors.forbidden(path, format!("{OTHER_FIELDS}\n{}", changed_fields(&allowed, new_spec)));
    }
}

/// The old spec with every permitted change taken over: what is still different is not permitted.
fn with_allowed_changes(old: &Value, new: &Value) -> Value {
    let mut allowed = old.clone();
    for field in ["containers", "initContainers"] {
        let images = items(&new[field]).iter().map(|container| container["image"].clone());
        let containers = allowed.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, image) in containers.zip(images) {
            container["image"] = image;
        }
    }
    let mut take = |field: &str| allowed[field] = new[field].clone();
    take("activeDeadlineSeconds");
    take("tolerations");
    take("schedulingGates");
    if old["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds < 0)
        && new["terminationGracePeriodSeconds"] == 1
    {
        take("terminationGracePeriodSeconds");
    }
    // Nobody has looked at a gated pod yet: where it may run can still be narrowed.
    if !is_empty(&old["schedulingGates"]) {
        take("nodeSelector");
        take("affinity");
    }
    allowed
}

fn changed_fields(allowed: &Value, new: &Value) -> String {
    let mut names: Vec<&String> =
        [allowed, new].into_iter().filter_map(Value::as_object).flat_map(|fields| fields.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !same(&allowed[name.as_str()], &new[name.as_str()]));
    let names: Vec<String> = names.into_iter().map(|name| format!("spec.{name}")).collect();
    format!("changed: {}", names.join(", "))
}

fn validate_deadline(new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("activeDeadlineSeconds");
    match (new["activeDeadlineSeconds"].as_i64(), old["activeDeadlineSeconds"].as_i64()) {
        (Some(new_seconds), Some(old_seconds)) if new_seconds > old_seconds => {
            errors.invalid(
                &at,
                &new["activeDeadlineSeconds"],
                "must be less than or equal to previous value",
            );
        }
        (None, Some(_)) => {
            let detail = "must not update from a positive integer to nil value";
            errors.push(FieldError::invalid(at.as_str(), Value::Null, detail));
        }
        _ => {}
    }
}

/// Every old toleration is still there, whatever became of its seconds.
fn validate_tolerations(new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let identity = |toleration: &Value| {
        ["key", "operator", "value", "effect"].map(|field| text(&toleration[field]).to_owned())
    };
    let kept: Vec<_> = items(&new["tolerations"]).iter().map(identity).collect();
    if items(&old["tolerations"]).iter().any(|toleration| !kept.contains(&identity(toleration))) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        errors.forbidden(&path.child("tolerations"), detail);
    }
}

fn validate_gates(new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let known = items(&old["schedulingGates"]);
    for (index, gate) in items(&new["schedulingGates"]).iter().enumerate() {
        if !known.contains(gate) {
            let detail =
                format!("only deletion is allowed, but found new scheduling gate '{}'", text(&gate["name"]));
            errors.forbidden(&path.child("schedulingGates").index(index), detail);
        }
    }
}
