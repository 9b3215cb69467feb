//! Deployments and ReplicaSets.

use serde_json::Value;

use super::{Errors, NOT_NEGATIVE, Path, metadata, pod, selector, text};
use crate::names;
use crate::status::FieldError;

pub(crate) fn validate_deployment(deployment: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(deployment, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &deployment["spec"]);
    errors.not_negative(&path.child("replicas"), &spec["replicas"]);
    validate_selector(spec, &path, "deployment", &mut errors);
    validate_template(spec, &path, &mut errors);
    validate_strategy(&spec["strategy"], &path.child("strategy"), &mut errors);
    errors.not_negative(&path.child("minReadySeconds"), &spec["minReadySeconds"]);
    errors.not_negative(&path.child("revisionHistoryLimit"), &spec["revisionHistoryLimit"]);
    errors.not_negative(&path.child("progressDeadlineSeconds"), &spec["progressDeadlineSeconds"]);
    if let (Some(deadline), ready) =
        (spec["progressDeadlineSeconds"].as_i64(), spec["minReadySeconds"].as_i64().unwrap_or(0))
        && deadline <= ready
    {
        let detail = "must be greater than minReadySeconds";
        errors.invalid(&path.child("progressDeadlineSeconds"), &spec["progressDeadlineSeconds"], detail);
    }
    if let Some(old) = old {
        errors.immutable(&path.child("selector"), &spec["selector"], &old["spec"]["selector"]);
    }
    errors.into_vec()
}

pub(crate) fn validate_replica_set(replica_set: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(replica_set, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &replica_set["spec"]);
    errors.not_negative(&path.child("replicas"), &spec["replicas"]);
    errors.not_negative(&path.child("minReadySeconds"), &spec["minReadySeconds"]);
    validate_selector(spec, &path, "replicaset", &mut errors);
    validate_template(spec, &path, &mut errors);
    if let Some(old) = old {
        errors.immutable(&path.child("selector"), &spec["selector"], &old["spec"]["selector"]);
    }
    errors.into_vec()
}

fn validate_selector(spec: &Value, path: &Path, kind: &str, errors: &mut Errors) {
    let at = path.child("selector");
    if !spec["selector"].is_object() {
        errors.required(&at, "");
        return;
    }
    selector::validate(&spec["selector"], &at, errors);
    if selector::is_empty(&spec["selector"]) {
        errors.invalid(&at, &spec["selector"], format!("empty selector is invalid for {kind}"));
    }
}

fn validate_template(spec: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("template");
    let template = &spec["template"];
    if !template.is_object() {
        errors.required(&at, "");
        return;
    }
    let labels = &template["metadata"]["labels"];
    if spec["selector"].is_object()
        && !selector::is_empty(&spec["selector"])
        && !selector::matches(&spec["selector"], labels)
    {
        let detail = "`selector` does not match template `labels`";
        errors.invalid(&at.child("metadata").child("labels"), labels, detail);
    }
    metadata::validate_labels(labels, &at.child("labels"), errors);
    metadata::validate_annotations(&template["metadata"]["annotations"], &at.child("annotations"), errors);
    pod::validate_spec(&template["spec"], &at.child("spec"), errors);
    let policy = &template["spec"]["restartPolicy"];
    // A policy that is no policy at all is reported with the pod's.
    if matches!(text(policy), "OnFailure" | "Never") {
        let restart = at.child("spec").child("restartPolicy");
        errors.push(FieldError::not_supported(restart.as_str(), policy.clone(), &["Always"]));
    }
    if template["spec"]["activeDeadlineSeconds"].is_i64() {
        errors.forbidden(
            &at.child("spec").child("activeDeadlineSeconds"),
            "activeDeadlineSeconds in ReplicaSet is not Supported",
        );
    }
}

fn validate_strategy(strategy: &Value, path: &Path, errors: &mut Errors) {
    match text(&strategy["type"]) {
        "Recreate" if strategy["rollingUpdate"].is_object() => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            errors.forbidden(&path.child("rollingUpdate"), detail);
        }
        "Recreate" => {}
        "RollingUpdate" => validate_rolling(&strategy["rollingUpdate"], &path.child("rollingUpdate"), errors),
        _ => errors.one_of(&path.child("type"), &strategy["type"], &["Recreate", "RollingUpdate"]),
    }
}

fn validate_rolling(rolling: &Value, path: &Path, errors: &mut Errors) {
    for field in ["maxUnavailable", "maxSurge"] {
        validate_share(&rolling[field], &path.child(field), errors);
    }
    if is_zero(&rolling["maxUnavailable"]) && is_zero(&rolling["maxSurge"]) {
        let detail = "may not be 0 when `maxSurge` is 0";
        errors.invalid(&path.child("maxUnavailable"), &rolling["maxUnavailable"], detail);
    }
    if percent(&rolling["maxUnavailable"]).is_some_and(|percent| percent > 100) {
        errors.invalid(
            &path.child("maxUnavailable"),
            &rolling["maxUnavailable"],
            "must not be greater than 100%",
        );
    }
}

fn validate_share(share: &Value, path: &Path, errors: &mut Errors) {
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

fn percent(share: &Value) -> Option<u64> {
    let digits = share.as_str()?.strip_suffix('%')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn is_zero(share: &Value) -> bool {
    share.as_i64() == Some(0) || percent(share) == Some(0)
}
