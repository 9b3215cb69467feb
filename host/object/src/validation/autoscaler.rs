//! What scales workloads (`pkg/apis/autoscaling/validation/validation.go`).

use serde_json::Value;

use super::{Errors, NOT_NEGATIVE, Path, amount, is_empty, items, metadata, text};
use crate::names;
use crate::quantity::Quantity;
use crate::status::FieldError;

const LONGEST_PERIOD: i64 = 1800;
const LONGEST_WINDOW: i64 = 3600;
const METRICS: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];
/// Where a metric of a type stands, in the order they are looked at.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];

pub(crate) fn validate(scaler: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(scaler, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &scaler["spec"]);
    let fewest = spec["minReplicas"].as_i64();
    if fewest.is_some_and(|fewest| spec["maxReplicas"].as_i64().unwrap_or(0) < fewest) {
        let detail = "must be greater than or equal to `minReplicas`";
        errors.invalid(&path.child("maxReplicas"), &spec["maxReplicas"].as_i64().unwrap_or(0).into(), detail);
    }
    let old = old.map(|old| &old["spec"]);
    validate_target(spec, old, &path.child("scaleTargetRef"), &mut errors);
    let lenient = old.is_some_and(|old| items(&old["metrics"]).iter().any(is_about_nothing));
    let at = path.child("metrics");
    for (index, metric) in items(&spec["metrics"]).iter().enumerate() {
        validate_metric(metric, lenient, &at.index(index), &mut errors);
    }
    let outside = |metric: &Value| matches!(text(&metric["type"]), "Object" | "External");
    if fewest == Some(0) && !items(&spec["metrics"]).iter().any(outside) {
        let detail =
            "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.forbidden(&at, detail);
    }
    for direction in ["scaleUp", "scaleDown"] {
        let rules = &spec["behavior"][direction];
        if rules.is_object() {
            validate_rules(rules, &path.child("behavior").child(direction), &mut errors);
        }
    }
    errors.into_vec()
}

pub(crate) fn validate_status(new: &Value, old: &Value, _part: &str, _now: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(new, Some(old), names::dns1123_subdomain, &mut errors);
    let (path, status) = (Path::new("status"), &new["status"]);
    for (index, condition) in items(&status["conditions"]).iter().enumerate() {
        let at = path.child("conditions").index(index).child("observedGeneration");
        errors.not_negative(&at, &condition["observedGeneration"]);
    }
    for field in ["currentReplicas", "desiredReplicas"] {
        errors.not_negative(&path.child(field), &status[field]);
    }
    errors.into_vec()
}

/// What is scaled: as before, or of a group; ReplicationControllers have none.
fn validate_target(spec: &Value, old: Option<&Value>, path: &Path, errors: &mut Errors) {
    let target = &spec["scaleTargetRef"];
    let before = old.map(|old| &old["scaleTargetRef"]);
    let same = |field: &str| before.is_some_and(|before| text(&before[field]) == text(&target[field]));
    let group = match () {
        () if same("apiVersion") && same("kind") => Group::Any,
        () if target["kind"] == "ReplicationController" => Group::MayBeNone,
        () => Group::Needed,
    };
    validate_reference(target, group, path, errors);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Any,
    MayBeNone,
    Needed,
}

fn validate_reference(reference: &Value, group: Group, path: &Path, errors: &mut Errors) {
    for field in ["kind", "name"] {
        match text(&reference[field]) {
            "" => errors.required(&path.child(field), ""),
            value => errors.rule(&path.child(field), value, names::path_segment),
        }
    }
    if let Some(why) = wrong_version(text(&reference["apiVersion"]), group) {
        errors.invalid(&path.child("apiVersion"), &reference["apiVersion"], why);
    }
}

fn wrong_version(version: &str, group: Group) -> Option<String> {
    match (group, version.matches('/').count()) {
        (Group::Any, _) => None,
        (_, 2..) => Some(format!("unexpected GroupVersion string: {version}")),
        (Group::Needed, _) if !version.contains('/') || version.starts_with('/') => {
            Some("apiVersion must specify API group".into())
        }
        (Group::MayBeNone | Group::Needed, _) => None,
    }
}

/// A metric of an object whose version nobody can read: older servers took it.
fn is_about_nothing(metric: &Value) -> bool {
    let object = &metric["object"]["describedObject"];
    metric["type"] == "Object"
        && !metric["object"].is_null()
        && wrong_version(text(&object["apiVersion"]), Group::MayBeNone).is_some()
}

fn validate_metric(metric: &Value, lenient: bool, path: &Path, errors: &mut Errors) {
    let (kind, at) = (&metric["type"], path.child("type"));
    if text(kind).is_empty() {
        errors.required(&at, "must specify a metric source type");
    }
    errors.one_of(&at, kind, &METRICS);
    let given: Vec<&str> =
        SOURCES.iter().map(|(_, field)| *field).filter(|field| !metric[*field].is_null()).collect();
    if let Some(first) = given.first() {
        validate_source(first, &metric[*first], lenient, &path.child(first), errors);
    }
    let own = SOURCES.iter().find(|(name, _)| kind == name).map(|(_, field)| *field);
    match own {
        Some(own) if metric[own].is_null() => {
            errors.required(&path.child(own), "must populate information for the given metric source");
        }
        Some(_) => {}
        None => errors.one_of(&at, kind, &METRICS),
    }
    if given.len() != 1 {
        for other in given.into_iter().filter(|field| Some(*field) != own) {
            errors.forbidden(&path.child(other), "must populate the given metric source only");
        }
    }
}

fn validate_source(field: &str, source: &Value, lenient: bool, path: &Path, errors: &mut Errors) {
    let target = &source["target"];
    match field {
        "object" => {
            let group = if lenient { Group::Any } else { Group::MayBeNone };
            validate_reference(&source["describedObject"], group, &path.child("describedObject"), errors);
            validate_name(&source["metric"], &path.child("metric"), errors);
        }
        "external" | "pods" => validate_name(&source["metric"], &path.child("metric"), errors),
        "containerResource" => {
            let at = path.child("name");
            match text(&source["name"]) {
                "" => errors.required(&at, "must specify a resource name"),
                name => amount::validate_container_name(name, &at, errors),
            }
            match text(&source["container"]) {
                "" => errors.required(&path.child("container"), "must specify a container"),
                name => errors.rule(&path.child("container"), name, names::dns1123_label),
            }
        }
        _ if text(&source["name"]).is_empty() => {
            errors.required(&path.child("name"), "must specify a resource name");
        }
        _ => {}
    }
    let at = path.child("target");
    validate_amounts(target, &at, errors);
    validate_choice(field, target, &at, errors);
}

fn validate_name(metric: &Value, path: &Path, errors: &mut Errors) {
    match text(&metric["name"]) {
        "" => errors.required(&path.child("name"), "must specify a metric name"),
        name => errors.rule(&path.child("name"), name, names::path_segment),
    }
}

fn validate_amounts(target: &Value, path: &Path, errors: &mut Errors) {
    let kind = &target["type"];
    if text(kind).is_empty() {
        errors.required(&path.child("type"), "must specify a metric target type");
    }
    if !matches!(text(kind), "Utilization" | "Value" | "AverageValue") {
        errors.invalid(&path.child("type"), kind, "must be either Utilization, Value, or AverageValue");
    }
    for field in ["value", "averageValue"] {
        if Quantity::from_json(&target[field]).is_ok_and(|amount| amount <= Quantity::ZERO) {
            errors.invalid(&path.child(field), &target[field], "must be positive");
        }
    }
    if target["averageUtilization"].as_i64().is_some_and(|share| share < 1) {
        errors.invalid(
            &path.child("averageUtilization"),
            &target["averageUtilization"],
            "must be greater than 0",
        );
    }
}

/// Of the ways to say how much, those that the kind of metric has.
fn validate_choice(field: &str, target: &Value, path: &Path, errors: &mut Errors) {
    let has = |field: &str| !target[field].is_null();
    let average = path.child("averageValue");
    match field {
        "object" | "external" if !has("value") && !has("averageValue") => {
            let detail = match field {
                "object" => "must set either a target value or averageValue",
                _ => "must set either a target value for metric or a per-pod target",
            };
            errors.required(&average, detail);
        }
        "external" if has("value") && has("averageValue") => {
            let detail = "may not set both a target value for metric and a per-pod target";
            errors.forbidden(&path.child("value"), detail);
        }
        "pods" if !has("averageValue") => {
            errors.required(&average, "must specify a positive target averageValue");
        }
        "resource" | "containerResource" => match (has("averageUtilization"), has("averageValue")) {
            (false, false) => {
                let detail = "must set either a target raw value or a target utilization";
                errors.required(&path.child("averageUtilization"), detail);
            }
            (true, true) => {
                errors.forbidden(&average, "may not set both a target raw value and a target utilization");
            }
            (true, false) | (false, true) => {}
        },
        _ => {}
    }
}

fn validate_rules(rules: &Value, path: &Path, errors: &mut Errors) {
    let (window, at) = (&rules["stabilizationWindowSeconds"], path.child("stabilizationWindowSeconds"));
    if window.as_i64().is_some_and(|window| window < 0) {
        errors.invalid(&at, window, "must be greater than or equal to zero");
    }
    if window.as_i64().is_some_and(|window| window > LONGEST_WINDOW) {
        errors.invalid(&at, window, format!("must be less than or equal to {LONGEST_WINDOW}"));
    }
    errors.given_one_of(&path.child("selectPolicy"), &rules["selectPolicy"], &["Disabled", "Max", "Min"]);
    let at = path.child("policies");
    if is_empty(&rules["policies"]) {
        errors.required(&at, "must specify at least one Policy");
    }
    for (index, policy) in items(&rules["policies"]).iter().enumerate() {
        validate_policy(policy, &at.index(index), errors);
    }
    if Quantity::from_json(&rules["tolerance"]).is_ok_and(|amount| amount < Quantity::ZERO) {
        errors.invalid(&path.child("tolerance"), &rules["tolerance"], NOT_NEGATIVE);
    }
}

fn validate_policy(policy: &Value, path: &Path, errors: &mut Errors) {
    errors.one_of(&path.child("type"), &policy["type"], &["Percent", "Pods"]);
    for field in ["value", "periodSeconds"] {
        let number = policy[field].as_i64().unwrap_or_default();
        if number <= 0 {
            errors.invalid(&path.child(field), &number.into(), "must be greater than zero");
        }
        if field == "periodSeconds" && number > LONGEST_PERIOD {
            let detail = format!("must be less than or equal to {LONGEST_PERIOD}");
            errors.invalid(&path.child(field), &policy[field], detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(change: Value) -> Vec<String> {
        let mut spec = json!({
            "minReplicas": 1, "maxReplicas": 3,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" },
        });
        for (field, value) in change.as_object().expect("fields") {
            spec[field] = value.clone();
        }
        let scaler = json!({ "metadata": { "name": "h" }, "spec": spec });
        validate(&scaler, None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn scalers_are_upstreams() {
        let resource = |target: Value| json!({ "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": target } }] });
        let cases = [
            (json!({}), vec![]),
            (resource(json!({ "type": "Utilization", "averageUtilization": 50 })), vec![]),
            (
                resource(json!({ "type": "Utilization" })),
                vec![
                    "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization",
                ],
            ),
            (
                json!({ "maxReplicas": 0 }),
                vec!["spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`"],
            ),
            (
                json!({ "minReplicas": 0 }),
                vec![
                    "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas",
                ],
            ),
            (
                json!({ "scaleTargetRef": { "kind": "D", "name": "d", "apiVersion": "v1" } }),
                vec![
                    r#"spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group"#,
                ],
            ),
            (
                json!({ "metrics": [{ "type": "Pods" }] }),
                vec![
                    "spec.metrics[0].pods: Required value: must populate information for the given metric source",
                ],
            ),
            (
                json!({ "behavior": { "scaleUp": { "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 1801 }] } } }),
                vec![
                    "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
                ],
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(found(change.clone()), expected, "{change}");
        }
    }
}
