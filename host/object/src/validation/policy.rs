//! Leases, disruption budgets, priority classes, runtime classes.

use serde_json::Value;

use super::{
    Errors, NOT_NEGATIVE, Path, amount, condition, items, metadata, node_labels, pod, selector, text,
    workload,
};
use crate::names;
use crate::status::FieldError;

/// Above are the system's own classes.
const HIGHEST_USER_PRIORITY: i64 = 1_000_000_000;
const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

pub(crate) fn validate_lease(lease: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_common(lease, old, names::dns1123_subdomain, &mut errors);
    let path = Path::new("spec");
    let limits =
        [("leaseDurationSeconds", 1, "must be greater than 0"), ("leaseTransitions", 0, NOT_NEGATIVE)];
    for (field, least, detail) in limits {
        let number = &lease["spec"][field];
        if number.as_i64().is_some_and(|number| number < least) {
            errors.invalid(&path.child(field), number, detail);
        }
    }
    errors.into_vec()
}

pub(crate) fn validate_priority_class(class: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(class, old, names::dns1123_subdomain, &mut errors);
    let value = class["value"].as_i64().unwrap_or(0);
    let path = Path::new("preemptionPolicy");
    if let Some(old) = old {
        if value != old["value"].as_i64().unwrap_or(0) {
            errors.forbidden(&Path::new("value"), "may not be changed in an update.");
        }
        errors.immutable(&path, &class["preemptionPolicy"], &old["preemptionPolicy"]);
        return errors.into_vec();
    }
    let name = text(&class["metadata"]["name"]);
    if name.starts_with("system-") {
        if let Some(why) = not_of_the_system(name, value, class["globalDefault"] == true) {
            let at = Path::new("metadata").child("name");
            errors.forbidden(&at, format!("priority class names with 'system-' prefix are reserved for system use only. error: {why}"));
        }
    } else if value > HIGHEST_USER_PRIORITY {
        let detail = format!("maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}");
        errors.forbidden(&Path::new("value"), detail);
    }
    match class["preemptionPolicy"].as_str() {
        None => {}
        Some("") => errors.required(&path, ""),
        Some(_) => errors.listed(&path, &class["preemptionPolicy"], &["PreemptLowerPriority", "Never"]),
    }
    errors.into_vec()
}

/// Why a class is none of the system's own.
fn not_of_the_system(name: &str, value: i64, default: bool) -> Option<String> {
    let Some((_, known)) = SYSTEM_CLASSES.iter().find(|(known, _)| *known == name) else {
        return Some(format!("{name} is not a known system priority class"));
    };
    if value != *known {
        return Some(format!("value of {name} PriorityClass must be {known}"));
    }
    default.then(|| format!("globalDefault of {name} PriorityClass must be false"))
}

pub(crate) fn validate_disruption_budget(budget: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_common(budget, old, names::path_segment, &mut errors);
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
    errors.given_one_of(
        &path.child("unhealthyPodEvictionPolicy"),
        &spec["unhealthyPodEvictionPolicy"],
        &policies,
    );
    errors.into_vec()
}

/// A write to the status of a budget.
pub(crate) fn validate_disruption_status(
    new: &Value,
    _old: &Value,
    _part: &str,
    _now: &str,
) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (path, status) = (Path::new("status"), &new["status"]);
    condition::validate_conditions(&status["conditions"], &path.child("conditions"), &mut errors);
    for field in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
        errors.not_negative(&path.child(field), &status[field]);
    }
    errors.into_vec()
}

pub(crate) fn validate_runtime_class(class: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_common(class, old, names::dns1123_subdomain, &mut errors);
    if !text(&class["handler"]).is_empty() {
        errors.rule(&Path::new("handler"), text(&class["handler"]), names::dns1123_label);
    }
    let path = Path::new("overhead").child("limits");
    for (name, limit) in amount::entries(&class["overhead"]["podFixed"]) {
        let at = path.key(name);
        amount::validate_container_name(name, &at, &mut errors);
        amount::validate_amount(name, limit, &at, &mut errors);
    }
    let (path, scheduling) = (Path::new("scheduling"), &class["scheduling"]);
    metadata::validate_labels(&scheduling["nodeSelector"], &path.child("nodeSelector"), &mut errors);
    let (at, tolerations) = (path.child("tolerations"), items(&scheduling["tolerations"]));
    pod::validate_tolerations(&scheduling["tolerations"], &at, &mut errors);
    for (index, toleration) in tolerations.iter().enumerate() {
        let alike = |other: &Value| {
            let fields = ["key", "operator", "value", "effect"];
            fields.iter().all(|field| text(&other[*field]) == text(&toleration[*field]))
        };
        if tolerations[..index].iter().any(alike) {
            errors.duplicate(&at.index(index), toleration.clone());
        }
    }
    errors.into_vec()
}

pub(crate) fn warn_of_runtime_class(class: &Value, _old: Option<&Value>) -> Vec<String> {
    let labels = class["scheduling"]["nodeSelector"].as_object().into_iter().flatten();
    let warning =
        |key: &str| node_labels::deprecated(key).map(|words| format!("scheduling.nodeSelector: {words}"));
    labels.filter_map(|(key, _)| warning(key)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(errors: Vec<FieldError>) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_system_has_classes_of_its_own() {
        let class = |name: &str, value: i64| json!({ "metadata": { "name": name }, "value": value });
        let reserved = "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error:";
        let cases = [
            ("mine", 10, vec![]),
            ("system-node-critical", 2_000_001_000, vec![]),
            (
                "system-node-critical",
                1,
                vec![format!("{reserved} value of system-node-critical PriorityClass must be 2000001000")],
            ),
            ("system-x", 1, vec![format!("{reserved} system-x is not a known system priority class")]),
            (
                "mine",
                1_000_000_001,
                vec![
                    "value: Forbidden: maximum allowed value of a user defined priority is 1000000000".into(),
                ],
            ),
        ];
        for (name, value, expected) in cases {
            assert_eq!(told(validate_priority_class(&class(name, value), None)), expected, "{name} {value}");
        }
    }

    #[test]
    fn runtimes_tolerate_each_taint_once() {
        let toleration = json!({ "key": "k", "operator": "Exists" });
        let class = json!({ "metadata": { "name": "r" }, "handler": "h", "scheduling": { "tolerations": [toleration, toleration] } });
        let found = told(validate_runtime_class(&class, None));
        assert!(found[0].starts_with("scheduling.tolerations[1]: Duplicate value"), "{found:?}");
    }
}
