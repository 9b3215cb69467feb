//! Workloads that stay.

mod daemon;
mod stateful;

pub(crate) use daemon::{validate_daemon_set, validate_daemon_set_part};
use serde_json::Value;
pub(crate) use stateful::{validate_stateful_set, validate_stateful_set_part};

use super::{Errors, NOT_NEGATIVE, Path, is_empty, metadata, pod, selector, text};
use crate::names;
use crate::status::FieldError;

const NO_MATCH: &str = "`selector` does not match template `labels`";

pub(crate) fn validate_deployment(deployment: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_either(deployment, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &deployment["spec"]);
    errors.not_negative(&path.child("replicas"), &spec["replicas"]);
    validate_pods_of(spec, &path, "deployment", &mut errors);
    validate_strategy(&spec["strategy"], &path.child("strategy"), &mut errors);
    errors.not_negative(&path.child("minReadySeconds"), &spec["minReadySeconds"]);
    errors.not_negative(&path.child("revisionHistoryLimit"), &spec["revisionHistoryLimit"]);
    let (deadline, at) = (&spec["progressDeadlineSeconds"], path.child("progressDeadlineSeconds"));
    errors.not_negative(&at, deadline);
    let ready = spec["minReadySeconds"].as_i64().unwrap_or(0);
    if deadline.as_i64().is_some_and(|deadline| deadline <= ready) {
        errors.invalid(&at, deadline, "must be greater than minReadySeconds");
    }
    if let Some(old) = old {
        errors.immutable_selector(&path.child("selector"), &spec["selector"], &old["spec"]["selector"]);
    }
    errors.into_vec()
}

pub(crate) fn validate_replica_set(replica_set: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_either(replica_set, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &replica_set["spec"]);
    errors.not_negative(&path.child("replicas"), &spec["replicas"]);
    errors.not_negative(&path.child("minReadySeconds"), &spec["minReadySeconds"]);
    // Upstream calls it a deployment here, too.
    validate_pods_of(spec, &path, "deployment", &mut errors);
    if let Some(old) = old {
        errors.immutable_selector(&path.child("selector"), &spec["selector"], &old["spec"]["selector"]);
    }
    errors.into_vec()
}

pub(crate) fn validate_replication_controller(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_named(object, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &object["spec"]);
    if is_empty(&spec["selector"]) {
        errors.required(&path.child("selector"), "");
    }
    let (template, at) = (&spec["template"], path.child("template"));
    if template.is_object() {
        let labels = &template["metadata"]["labels"];
        let wanted = spec["selector"].as_object().into_iter().flatten();
        if !wanted.into_iter().all(|(key, value)| labels.get(key) == Some(value)) {
            errors.shown(&at.at(&["metadata", "labels"]), labels, NO_MATCH);
        }
        pod::validate_template(template, &at, &mut errors);
        validate_restarts(template, "ReplicationController", &at, &mut errors);
    } else {
        errors.required(&at, "");
    }
    // What upstream's types themselves say is found last.
    if spec["replicas"].is_null() {
        errors.required(&path.child("replicas"), "");
    }
    errors.not_negative(&path.child("replicas"), &spec["replicas"]);
    errors.not_negative(&path.child("minReadySeconds"), &spec["minReadySeconds"]);
    errors.into_vec()
}

pub(crate) fn validate_controller_revision(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let path = Path::new("data");
    if let Some(old) = old {
        metadata::validate_any(object, Some(old), &mut errors);
        metadata::validate_change(object, old, &mut errors);
    }
    metadata::validate_new(object, names::dns1123_subdomain, &mut errors);
    errors.not_negative(&Path::new("revision"), &object["revision"]);
    match old {
        Some(old) if object["data"] != old["data"] => errors.shown(&path, &object["data"], super::IMMUTABLE),
        Some(_) => {}
        None if object["data"].is_null() => errors.required(&path, "data is mandatory"),
        None if !object["data"].is_object() => errors.required(&path, "data must be a valid JSON object"),
        None => {}
    }
    errors.into_vec()
}

pub(crate) fn validate_pod_template(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_either(object, old, names::dns1123_subdomain, &mut errors);
    pod::validate_template(&object["template"], &Path::new("template"), &mut errors);
    errors.into_vec()
}

/// The selector of a workload, and the template that it selects.
fn validate_pods_of(spec: &Value, path: &Path, kind: &str, errors: &mut Errors) {
    let at = path.child("selector");
    let wanted = &spec["selector"];
    if wanted.is_object() {
        selector::validate(wanted, &at, errors);
        if selector::is_empty(wanted) {
            errors.shown(&at, wanted, &format!("empty selector is invalid for {kind}"));
        }
    } else {
        errors.required(&at, "");
    }
    if !selector::can_be_read(wanted) {
        return errors.shown(&at, wanted, "invalid label selector");
    }
    let (template, at) = (&spec["template"], path.child("template"));
    let labels = &template["metadata"]["labels"];
    // None at all selects nothing.
    if !(wanted.is_object() && selector::matches(wanted, labels)) {
        errors.shown(&at.at(&["metadata", "labels"]), labels, NO_MATCH);
    }
    pod::validate_template(template, &at, errors);
    validate_restarts(template, "ReplicaSet", &at, errors);
}

/// What is kept running is always restarted, and has no end.
fn validate_restarts(template: &Value, kind: &str, path: &Path, errors: &mut Errors) {
    let spec = &template["spec"];
    errors.listed(&path.at(&["spec", "restartPolicy"]), &spec["restartPolicy"], &["Always"]);
    if !spec["activeDeadlineSeconds"].is_null() {
        let at = path.at(&["spec", "activeDeadlineSeconds"]);
        errors.forbidden(&at, format!("activeDeadlineSeconds in {kind} is not Supported"));
    }
}

fn validate_strategy(strategy: &Value, path: &Path, errors: &mut Errors) {
    let (rolling, at) = (&strategy["rollingUpdate"], path.child("rollingUpdate"));
    match text(&strategy["type"]) {
        "Recreate" if rolling.is_object() => {
            errors.forbidden(&at, "may not be specified when strategy `type` is 'Recreate'");
        }
        "Recreate" => {}
        "RollingUpdate" if rolling.is_object() => validate_rolling(rolling, &at, errors),
        "RollingUpdate" => errors.required(&at, "this should be defaulted and never be nil"),
        _ => {
            let known = ["Recreate", "RollingUpdate"];
            errors.push(FieldError::not_listed(path.as_str(), go_strategy(strategy), &known));
        }
    }
}

/// As upstream's internal type prints it.
fn go_strategy(strategy: &Value) -> Value {
    let rolling = match &strategy["rollingUpdate"] {
        Value::Null => Value::Null,
        rolling => {
            let share =
                |field: &str| if rolling[field].is_null() { 0.into() } else { rolling[field].clone() };
            serde_json::json!({ "MaxUnavailable": share("maxUnavailable"), "MaxSurge": share("maxSurge") })
        }
    };
    serde_json::json!({ "Type": text(&strategy["type"]), "RollingUpdate": rolling })
}

fn validate_rolling(rolling: &Value, path: &Path, errors: &mut Errors) {
    let (unavailable, at) = (&rolling["maxUnavailable"], path.child("maxUnavailable"));
    validate_share(unavailable, &at, errors);
    validate_share(&rolling["maxSurge"], &path.child("maxSurge"), errors);
    if amount(unavailable) == 0 && amount(&rolling["maxSurge"]) == 0 {
        errors.invalid(&at, unavailable, "may not be 0 when `maxSurge` is 0");
    }
    validate_not_more_than_all(unavailable, &at, errors);
}

pub(crate) fn validate_share(share: &Value, path: &Path, errors: &mut Errors) {
    match share {
        Value::String(_) if percent(share).is_none() => {
            let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
            errors.invalid(path, share, detail);
        }
        Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => {
            errors.invalid(path, share, NOT_NEGATIVE);
        }
        _ => {}
    }
}

fn validate_not_more_than_all(share: &Value, path: &Path, errors: &mut Errors) {
    if percent(share).is_some_and(|percent| percent > 100) {
        errors.invalid(path, share, "must not be greater than 100%");
    }
}

pub(crate) fn percent(share: &Value) -> Option<u64> {
    let digits = share.as_str()?.strip_suffix('%')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// A number, a percentage's too; nothing else is one.
fn amount(share: &Value) -> i64 {
    let whole = share.as_i64().or_else(|| share.as_str().and_then(|text| text.parse().ok()));
    percent(share).and_then(|percent| percent.try_into().ok()).or(whole).unwrap_or(0)
}

/// `status.replicas` counts all that the other counts count.
fn validate_counts(status: &Value, counts: &[&str], path: &Path, errors: &mut Errors) {
    for field in counts {
        errors.not_negative(&path.child(field), &status[*field]);
    }
}

const NOT_MORE: &str = "cannot be greater than status.replicas";

fn validate_parts_of(status: &Value, parts: &[&str], of_ready: &str, path: &Path, errors: &mut Errors) {
    let number = |field: &str| status[field].as_i64().unwrap_or(0);
    for field in parts.iter().filter(|field| number(field) > number("replicas")) {
        errors.invalid(&path.child(field), &number(field).into(), NOT_MORE);
    }
    if number("availableReplicas") > number("readyReplicas") {
        let detail = format!("cannot be greater than {of_ready}");
        errors.invalid(&path.child("availableReplicas"), &number("availableReplicas").into(), detail);
    }
}

/// The count of collisions of names only grows.
fn validate_collisions(object: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let count = |object: &Value| object["status"]["collisionCount"].as_i64();
    if count(old).is_some_and(|before| count(object).is_none_or(|now| now < before)) {
        let now = count(object).unwrap_or(0);
        errors.invalid(&path.child("collisionCount"), &now.into(), "cannot be decremented");
    }
}

/// A write of the status of a Deployment.
pub(crate) fn validate_deployment_part(object: &Value, old: &Value, part: &str, _: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (path, status) = (Path::new(part), &object["status"]);
    metadata::validate_change(object, old, &mut errors);
    let counts = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "collisionCount",
    ];
    validate_counts(status, &counts, &path, &mut errors);
    let parts = ["updatedReplicas", "readyReplicas", "availableReplicas"];
    validate_parts_of(status, &parts, "readyReplicas", &path, &mut errors);
    validate_collisions(object, old, &path, &mut errors);
    errors.into_vec()
}

/// A write of the status of a ReplicaSet or ReplicationController.
pub(crate) fn validate_replicas_part(object: &Value, old: &Value, part: &str, _: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (path, status) = (Path::new(part), &object["status"]);
    metadata::validate_change(object, old, &mut errors);
    let counts = [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
        "terminatingReplicas",
    ];
    validate_counts(status, &counts, &path, &mut errors);
    let parts = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    validate_parts_of(status, &parts, "readyReplicas", &path, &mut errors);
    errors.into_vec()
}
