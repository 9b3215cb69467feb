//! What may change in a pod that exists.

use serde_json::Value;

use super::{container, go, placement};
use crate::status::FieldError;
use crate::validation::{Errors, Path, changed_fields, is_empty, items, same, same_as_meant, text};

const OTHER_FIELDS: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub(super) fn validate(pod: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let (new_spec, old_spec) = (&pod["spec"], &old["spec"]);
    for field in ["containers", "initContainers"] {
        let (new, at) = (items(&new_spec[field]), path.child(field));
        if new.len() != items(&old_spec[field]).len() {
            return errors.forbidden(&at, "pod updates may not add or remove containers");
        }
        for (index, container) in new.iter().enumerate() {
            errors.require_all(container, &["image"], &at.index(index));
            container::validate_trimmed(container, &at.index(index), errors);
        }
    }
    if !validate_deadline(new_spec, old_spec, path, errors) {
        return;
    }
    validate_tolerations(new_spec, old_spec, &path.child("tolerations"), errors);
    validate_gates(new_spec, old_spec, path, errors);
    if !is_empty(&old_spec["schedulingGates"]) {
        validate_narrowing(new_spec, old_spec, path, errors);
    }
    let allowed = with_allowed_changes(old_spec, new_spec);
    if !same_as_meant(&allowed, new_spec) {
        errors.forbidden(path, format!("{OTHER_FIELDS}\n{}", changed_fields(path, &allowed, new_spec)));
    }
}

/// The old spec with every permitted change taken over: what is still different is not permitted.
fn with_allowed_changes(old: &Value, new: &Value) -> Value {
    let mut allowed = old.clone();
    if !allowed.is_object() {
        return allowed;
    }
    for field in ["containers", "initContainers"] {
        let images = items(&new[field]).iter().map(|container| container["image"].clone());
        let containers = allowed.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, image) in containers.zip(images).filter(|(container, _)| container.is_object()) {
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
        let affinity = &new["affinity"]["nodeAffinity"];
        if !same(affinity, &old["affinity"]["nodeAffinity"]) {
            allowed["affinity"]["nodeAffinity"] = affinity.clone();
        }
    }
    allowed
}

/// False when nothing else needs to be said.
fn validate_deadline(new: &Value, old: &Value, path: &Path, errors: &mut Errors) -> bool {
    let (at, deadline) = (path.child("activeDeadlineSeconds"), &new["activeDeadlineSeconds"]);
    match (deadline.as_i64(), old["activeDeadlineSeconds"].as_i64()) {
        (Some(seconds), _) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            errors.invalid(&at, deadline, "must be between 0 and 2147483647, inclusive");
            return false;
        }
        (Some(seconds), Some(before)) if seconds > before => {
            errors.invalid(&at, deadline, "must be less than or equal to previous value");
            return false;
        }
        (None, Some(_)) => {
            let detail = "must not update from a positive integer to nil value";
            errors.push(FieldError::invalid(at.as_str(), Value::Null, detail));
        }
        _ => {}
    }
    true
}

/// Every old toleration is still there, whatever became of its seconds.
fn validate_tolerations(new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let identity = |toleration: &Value| {
        ["key", "operator", "value", "effect"].map(|field| text(&toleration[field]).to_owned())
    };
    let kept: Vec<_> = items(&new["tolerations"]).iter().map(identity).collect();
    if items(&old["tolerations"]).iter().any(|toleration| !kept.contains(&identity(toleration))) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        return errors.forbidden(path, detail);
    }
    placement::validate_tolerations(&new["tolerations"], path, errors);
}

fn validate_gates(new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let known = items(&old["schedulingGates"]);
    for (index, gate) in items(&new["schedulingGates"]).iter().enumerate() {
        if !known.contains(gate) {
            let detail =
                format!("only deletion is allowed, but found new scheduling gate '{}'", text(&gate["name"]));
            errors.forbidden(&path.child("schedulingGates").index(index).child("name"), detail);
        }
    }
}

/// Of a pod that waits for its gates: selectors may ask for more.
fn validate_narrowing(new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let kept = |(key, value): (&String, &Value)| new["nodeSelector"][key] == *value;
    if !old["nodeSelector"].as_object().into_iter().flatten().all(kept) {
        let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        let shown = if new["nodeSelector"].is_null() { Value::Null } else { new["nodeSelector"].clone() };
        errors.push(FieldError::invalid(path.child("nodeSelector").as_str(), shown, detail));
    }
    let terms = |spec: &Value| spec["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"].clone();
    let (new_terms, old_terms) = (terms(new), terms(old));
    let at = path.at(&["affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms"]);
    let (added, before) = (items(&new_terms), items(&old_terms));
    if !before.is_empty() && added.len() != before.len() {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        let shown = go::node_selector_terms(&new_terms);
        return errors.push(FieldError::invalid(at.as_str(), shown, detail));
    }
    for (index, (term, old)) in added.iter().zip(before).enumerate() {
        if !only_adds(term, old) {
            let detail = "only additions are allowed (no mutations or deletions)";
            errors.invalid(&at.index(index), &go::node_selector_term(term), detail);
        }
    }
}

fn only_adds(term: &Value, old: &Value) -> bool {
    const LISTS: [&str; 2] = ["matchExpressions", "matchFields"];
    let empty = |term: &Value| LISTS.iter().all(|list| is_empty(&term[*list]));
    if empty(old) && !empty(term) {
        return false;
    }
    LISTS.iter().all(|list| items(&term[*list]).starts_with(items(&old[*list])))
}
