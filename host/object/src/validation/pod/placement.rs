//! Where a pod may run: selectors, affinity, tolerations, spreading, gates.

use serde_json::Value;

use crate::names;
use crate::validation::node::TAINT_EFFECTS;
use crate::validation::{Errors, Path, is_empty, items, metadata, selector, text};

const NODE_OPERATORS: [&str; 6] = ["DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn"];

pub(super) fn validate(spec: &Value, path: &Path, errors: &mut Errors) {
    metadata::validate_labels(&spec["nodeSelector"], &path.child("nodeSelector"), errors);
    validate_tolerations(&spec["tolerations"], &path.child("tolerations"), errors);
    validate_affinity(&spec["affinity"], &path.child("affinity"), errors);
    validate_spreading(&spec["topologySpreadConstraints"], &path.child("topologySpreadConstraints"), errors);
    validate_gates(spec, path, errors);
    errors.optional_one_of(
        &path.child("preemptionPolicy"),
        &spec["preemptionPolicy"],
        &["Never", "PreemptLowerPriority"],
    );
}

fn validate_tolerations(tolerations: &Value, path: &Path, errors: &mut Errors) {
    for (index, toleration) in items(tolerations).iter().enumerate() {
        let at = path.index(index);
        let (key, operator) = (text(&toleration["key"]), text(&toleration["operator"]));
        if !key.is_empty() {
            errors.rule(&at.child("key"), key, names::qualified_name);
        } else if operator != "Exists" {
            errors.invalid(
                &at.child("operator"),
                &toleration["operator"],
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            );
        }
        if !toleration["tolerationSeconds"].is_null() && toleration["effect"] != "NoExecute" {
            errors.invalid(
                &at.child("effect"),
                &toleration["effect"],
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            );
        }
        match operator {
            "" | "Equal" => errors.rule(&at.child("value"), text(&toleration["value"]), names::label_value),
            "Exists" if !is_empty(&toleration["value"]) => {
                errors.invalid(
                    &at.child("operator"),
                    &toleration["value"],
                    "value must be empty when `operator` is 'Exists'",
                );
            }
            "Exists" => {}
            _ => errors.one_of(&at.child("operator"), &toleration["operator"], &["Equal", "Exists"]),
        }
        errors.optional_one_of(&at.child("effect"), &toleration["effect"], &TAINT_EFFECTS);
    }
}

fn validate_affinity(affinity: &Value, path: &Path, errors: &mut Errors) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let (node, at) = (&affinity["nodeAffinity"], path.child("nodeAffinity"));
    if node[REQUIRED].is_object() {
        let terms = at.child(REQUIRED).child("nodeSelectorTerms");
        if is_empty(&node[REQUIRED]["nodeSelectorTerms"]) {
            errors.required(&terms, "must have at least one node selector term");
        }
        for (index, term) in items(&node[REQUIRED]["nodeSelectorTerms"]).iter().enumerate() {
            validate_node_term(term, &terms.index(index), errors);
        }
    }
    for (index, term) in items(&node[PREFERRED]).iter().enumerate() {
        let at = at.child(PREFERRED).index(index);
        validate_weight(&term["weight"], &at, errors);
        validate_node_term(&term["preference"], &at.child("preference"), errors);
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

fn validate_node_term(term: &Value, path: &Path, errors: &mut Errors) {
    for field in ["matchExpressions", "matchFields"] {
        for (index, requirement) in items(&term[field]).iter().enumerate() {
            validate_requirement(requirement, &path.child(field).index(index), errors);
        }
    }
}

fn validate_requirement(requirement: &Value, path: &Path, errors: &mut Errors) {
    let values = items(&requirement["values"]);
    let at = path.child("values");
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
        operator if !NODE_OPERATORS.contains(&operator) => {
            errors.invalid(
                &path.child("operator"),
                &requirement["operator"],
                "not a valid selector operator",
            );
        }
        _ => {}
    }
    errors.rule(&path.child("key"), text(&requirement["key"]), names::qualified_name);
}

fn validate_pod_term(term: &Value, path: &Path, errors: &mut Errors) {
    for field in ["labelSelector", "namespaceSelector"] {
        selector::validate(&term[field], &path.child(field), errors);
    }
    match text(&term["topologyKey"]) {
        "" => errors.required(&path.child("topologyKey"), "can not be empty"),
        key => errors.rule(&path.child("topologyKey"), key, names::qualified_name),
    }
}

fn validate_spreading(constraints: &Value, path: &Path, errors: &mut Errors) {
    for (index, constraint) in items(constraints).iter().enumerate() {
        let at = path.index(index);
        let skew = constraint["maxSkew"].as_i64().unwrap_or(0);
        if skew <= 0 {
            errors.invalid(&at.child("maxSkew"), &skew.into(), "must be greater than zero");
        }
        match text(&constraint["topologyKey"]) {
            "" => errors.required(&at.child("topologyKey"), "can not be empty"),
            key => errors.rule(&at.child("topologyKey"), key, names::qualified_name),
        }
        let unsatisfiable = &constraint["whenUnsatisfiable"];
        errors.required_one_of(
            &at.child("whenUnsatisfiable"),
            unsatisfiable,
            &["DoNotSchedule", "ScheduleAnyway"],
        );
        selector::validate(&constraint["labelSelector"], &at.child("labelSelector"), errors);
    }
}

fn validate_gates(spec: &Value, path: &Path, errors: &mut Errors) {
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
    for (index, gate) in items(&spec["readinessGates"]).iter().enumerate() {
        let at = path.child("readinessGates").index(index).child("conditionType");
        errors.rule(&at, text(&gate["conditionType"]), names::qualified_name);
    }
}
