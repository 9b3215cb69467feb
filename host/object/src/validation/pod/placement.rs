//! Where a pod may run: affinity, tolerations, spreading.

use serde_json::Value;

use crate::names;
use crate::status::FieldError;
use crate::validation::node::TAINT_EFFECTS;
use crate::validation::{Errors, Path, items, selector, text};

const ACTIONS: [&str; 2] = ["DoNotSchedule", "ScheduleAnyway"];
const INCLUSIONS: [&str; 2] = ["Honor", "Ignore"];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const NO_SELECTOR: &str = "must not be specified when labelSelector is not set";

pub(crate) fn validate_tolerations(tolerations: &Value, path: &Path, errors: &mut Errors) {
    for (index, toleration) in items(tolerations).iter().enumerate() {
        let at = path.index(index);
        let (key, operator) = (text(&toleration["key"]), text(&toleration["operator"]));
        if !key.is_empty() {
            errors.rule(&at.child("key"), key, names::qualified_name);
        } else if operator != "Exists" {
            let detail =
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(&at.child("operator"), &toleration["operator"], detail);
        }
        if !toleration["tolerationSeconds"].is_null() && toleration["effect"] != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(&at.child("effect"), &toleration["effect"], detail);
        }
        validate_toleration_value(toleration, &at.child("operator"), errors);
        if !text(&toleration["effect"]).is_empty() {
            errors.listed(&at.child("effect"), &toleration["effect"], &TAINT_EFFECTS);
        }
    }
}

fn validate_toleration_value(toleration: &Value, path: &Path, errors: &mut Errors) {
    let value = &toleration["value"];
    match text(&toleration["operator"]) {
        "" | "Equal" => {
            let wrong = names::label_value(text(value));
            if !wrong.is_empty() {
                errors.invalid(path, value, wrong.join(";"));
            }
        }
        "Exists" if !text(value).is_empty() => {
            errors.invalid(path, value, "value must be empty when `operator` is 'Exists'");
        }
        "Exists" => {}
        // Comparisons are an alpha feature.
        "Lt" | "Gt" => {
            let known = ["Equal", "Exists", "Lt", "Gt"];
            errors.push(FieldError::not_listed(path.as_str(), toleration["operator"].clone(), &known));
        }
        _ => errors.listed(path, &toleration["operator"], &["Equal", "Exists"]),
    }
}

pub(super) fn validate_affinity(affinity: &Value, path: &Path, errors: &mut Errors) {
    let (node, at) = (&affinity["nodeAffinity"], path.child("nodeAffinity"));
    if node[REQUIRED].is_object() {
        validate_node_selector(&node[REQUIRED], &at.child(REQUIRED), errors);
    }
    for (index, term) in items(&node[PREFERRED]).iter().enumerate() {
        let at = at.child(PREFERRED).index(index);
        validate_weight(&term["weight"], &at, errors);
        validate_node_term(&term["preference"], false, &at.child("preference"), errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let (pod, at) = (&affinity[kind], path.child(kind));
        for (index, term) in items(&pod[REQUIRED]).iter().enumerate() {
            validate_pod_term(term, &at.child(REQUIRED).index(index), errors);
        }
        for (index, term) in items(&pod[PREFERRED]).iter().enumerate() {
            let at = at.child(PREFERRED).index(index);
            validate_weight(&term["weight"], &at, errors);
            validate_pod_term(&term["podAffinityTerm"], &at.child("podAffinityTerm"), errors);
        }
    }
}

fn validate_weight(weight: &Value, path: &Path, errors: &mut Errors) {
    let weight = weight.as_i64().unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.child("weight"), &weight.into(), "must be in the range 1-100");
    }
}

/// `ValidateNodeSelector`
pub(crate) fn validate_node_selector(selector: &Value, path: &Path, errors: &mut Errors) {
    let (terms, at) = (items(&selector["nodeSelectorTerms"]), path.child("nodeSelectorTerms"));
    if terms.is_empty() {
        errors.required(&at, "must have at least one node selector term");
    }
    for (index, term) in terms.iter().enumerate() {
        validate_node_term(term, true, &at.index(index), errors);
    }
}

/// What is only preferred may have values that no label has.
fn validate_node_term(term: &Value, strict: bool, path: &Path, errors: &mut Errors) {
    for (index, requirement) in items(&term["matchExpressions"]).iter().enumerate() {
        validate_requirement(requirement, strict, &path.child("matchExpressions").index(index), errors);
    }
    for (index, requirement) in items(&term["matchFields"]).iter().enumerate() {
        validate_field(requirement, &path.child("matchFields").index(index), errors);
    }
}

fn validate_requirement(requirement: &Value, strict: bool, path: &Path, errors: &mut Errors) {
    let (values, at) = (items(&requirement["values"]), path.child("values"));
    match text(&requirement["operator"]) {
        "In" | "NotIn" if values.is_empty() => {
            errors.required(&at, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            errors.forbidden(&at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        "Gt" | "Lt" if values.len() != 1 => {
            errors.required(&at, "must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        _ => {
            let detail = "not a valid selector operator";
            errors.invalid(&path.child("operator"), &requirement["operator"], detail);
        }
    }
    errors.rule(&path.child("key"), text(&requirement["key"]), names::qualified_name);
    for (index, value) in values.iter().enumerate().filter(|_| strict) {
        errors.rule(&at.index(index), text(value), names::label_value);
    }
}

/// The one field that nodes are told apart by is their name.
fn validate_field(requirement: &Value, path: &Path, errors: &mut Errors) {
    let (values, at) = (items(&requirement["values"]), path.child("values"));
    match text(&requirement["operator"]) {
        "In" | "NotIn" if values.len() != 1 => {
            let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.required(&at, detail);
        }
        "In" | "NotIn" => {}
        _ => {
            let detail = "not a valid selector operator";
            errors.invalid(&path.child("operator"), &requirement["operator"], detail);
        }
    }
    if requirement["key"] != "metadata.name" {
        errors.invalid(&path.child("key"), &requirement["key"], "not a valid field selector key");
        return;
    }
    for (index, value) in values.iter().enumerate() {
        errors.rule(&at.index(index), text(value), names::dns1123_subdomain);
    }
}

fn validate_pod_term(term: &Value, path: &Path, errors: &mut Errors) {
    for field in ["labelSelector", "namespaceSelector"] {
        selector::validate(&term[field], &path.child(field), errors);
    }
    for name in items(&term["namespaces"]) {
        errors.rule(&path.child("namespace"), text(name), names::dns1123_label);
    }
    validate_label_keys(term, path, errors);
    let (key, at) = (text(&term["topologyKey"]), path.child("topologyKey"));
    if key.is_empty() {
        errors.required(&at, "can not be empty");
    }
    errors.rule(&at, key, names::qualified_name);
}

/// `matchLabelKeys` and `mismatchLabelKeys`, which become part of the selector.
fn validate_label_keys(term: &Value, path: &Path, errors: &mut Errors) {
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        let (keys, at) = (items(&term[field]), path.child(field));
        if !keys.is_empty() && term["labelSelector"].is_null() {
            errors.forbidden(&at, NO_SELECTOR);
            continue;
        }
        for (index, key) in keys.iter().enumerate() {
            errors.rule(&at.index(index), text(key), names::qualified_name);
        }
    }
    let keys = items(&term["matchLabelKeys"]);
    let labels = &term["labelSelector"]["matchLabels"];
    let mut selected: Vec<&str> =
        labels.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    for expression in items(&term["labelSelector"]["matchExpressions"]) {
        let key = text(&expression["key"]);
        let position = keys.iter().rposition(|listed| text(listed) == key);
        if let Some(index) = position.filter(|_| selected.contains(&key)) {
            errors.invalid(
                &path.index(index),
                &key.into(),
                "exists in both matchLabelKeys and labelSelector",
            );
        }
        selected.push(key);
    }
    for (index, key) in keys.iter().enumerate() {
        if items(&term["mismatchLabelKeys"]).contains(key) {
            let at = path.child("matchLabelKeys").index(index);
            errors.invalid(&at, key, "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
}

pub(super) fn validate_spreading(constraints: &Value, path: &Path, errors: &mut Errors) {
    let constraints = items(constraints);
    for (index, constraint) in constraints.iter().enumerate() {
        let at = path.index(index);
        errors.positive(&at.child("maxSkew"), &constraint["maxSkew"]);
        if text(&constraint["topologyKey"]).is_empty() {
            errors.required(&at.child("topologyKey"), "can not be empty");
        }
        errors.one_of(&at.child("whenUnsatisfiable"), &constraint["whenUnsatisfiable"], &ACTIONS);
        let (key, action) = (text(&constraint["topologyKey"]), text(&constraint["whenUnsatisfiable"]));
        let again =
            |other: &Value| text(&other["topologyKey"]) == key && text(&other["whenUnsatisfiable"]) == action;
        if constraints[index + 1..].iter().any(again) {
            errors.duplicate(&at.child("{topologyKey, whenUnsatisfiable}"), format!("{{{key}, {action}}}"));
        }
        validate_domains(constraint, action, &at.child("minDomains"), errors);
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            errors.given_one_of(&at.child(field), &constraint[field], &INCLUSIONS);
        }
        validate_label_keys(constraint, &at, errors);
        selector::validate(&constraint["labelSelector"], &at.child("labelSelector"), errors);
    }
}

fn validate_domains(constraint: &Value, action: &str, path: &Path, errors: &mut Errors) {
    let fewest = &constraint["minDomains"];
    if fewest.is_null() {
        return;
    }
    errors.positive(path, fewest);
    if action != "DoNotSchedule" {
        let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
        errors.invalid(path, fewest, detail);
    }
}

pub(super) fn validate_gates(spec: &Value, path: &Path, errors: &mut Errors) {
    for (index, gate) in items(&spec["readinessGates"]).iter().enumerate() {
        let at = path.child("readinessGates").index(index).child("conditionType");
        errors.rule(&at, text(&gate["conditionType"]), names::qualified_name);
    }
    let mut seen: Vec<&str> = Vec::new();
    for (index, gate) in items(&spec["schedulingGates"]).iter().enumerate() {
        let at = path.child("schedulingGates").index(index);
        let name = text(&gate["name"]);
        errors.rule(&at, name, names::qualified_name);
        if seen.contains(&name) {
            errors.duplicate(&at, name);
        }
        seen.push(name);
    }
}
