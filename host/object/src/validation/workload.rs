//! Workloads that stay.

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

pub(crate) fn validate_daemon_set(set: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(set, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &set["spec"]);
    validate_selector(spec, &path, "daemonset", &mut errors);
    validate_template(spec, &path, &mut errors);
    errors.not_negative(&path.child("minReadySeconds"), &spec["minReadySeconds"]);
    errors.not_negative(&path.child("revisionHistoryLimit"), &spec["revisionHistoryLimit"]);
    let (at, strategy) = (path.child("updateStrategy"), &spec["updateStrategy"]);
    errors.one_of(&at.child("type"), &strategy["type"], &["OnDelete", "RollingUpdate"]);
    if strategy["type"] == "RollingUpdate" {
        validate_rolling_daemons(&strategy["rollingUpdate"], &at.child("rollingUpdate"), &mut errors);
    }
    if let Some(old) = old {
        errors.immutable(&path.child("selector"), &spec["selector"], &old["spec"]["selector"]);
    }
    errors.into_vec()
}

/// Exactly one of the two: a node runs the new pod before the old one goes, or after.
fn validate_rolling_daemons(rolling: &Value, path: &Path, errors: &mut Errors) {
    for field in ["maxUnavailable", "maxSurge"] {
        validate_share(&rolling[field], &path.child(field), errors);
        if percent(&rolling[field]).is_some_and(|percent| percent > 100) {
            errors.invalid(&path.child(field), &rolling[field], "must not be greater than 100%");
        }
    }
    let (unavailable, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
    let zero = |share: &Value| share.is_null() || is_zero(share);
    match (zero(unavailable), zero(surge)) {
        (true, true) => {
            let detail = "may not be 0 when `maxSurge` is 0";
            errors.invalid(&path.child("maxUnavailable"), unavailable, detail);
        }
        (false, false) => {
            let detail = "may not be set when `maxUnavailable` is non-zero";
            errors.invalid(&path.child("maxSurge"), surge, detail);
        }
        (true, false) | (false, true) => {}
    }
}

pub(crate) fn validate_stateful_set(set: &Value, old: Option<&Value>) -> Vec<FieldError> {
    const CHANGEABLE: [&str; 8] = [
        "minReadySeconds",
        "ordinals",
        "persistentVolumeClaimRetentionPolicy",
        "replicas",
        "revisionHistoryLimit",
        "template",
        "updateStrategy",
        "podManagementPolicy",
    ];
    let mut errors = Errors::default();
    metadata::validate(set, old, names::dns1123_label, &mut errors);
    let (path, spec) = (Path::new("spec"), &set["spec"]);
    errors.required_one_of(
        &path.child("podManagementPolicy"),
        &spec["podManagementPolicy"],
        &["OrderedReady", "Parallel"],
    );
    let (at, strategy) = (path.child("updateStrategy"), &spec["updateStrategy"]);
    errors.required_one_of(&at.child("type"), &strategy["type"], &["OnDelete", "RollingUpdate"]);
    if strategy["type"] == "OnDelete" && strategy["rollingUpdate"].is_object() {
        let detail = "only allowed for updateStrategy 'RollingUpdate'";
        errors.invalid(&at.child("rollingUpdate"), &strategy["rollingUpdate"], detail);
    }
    let rolling = at.child("rollingUpdate");
    errors.not_negative(&rolling.child("partition"), &strategy["rollingUpdate"]["partition"]);
    errors.not_negative(&path.child("replicas"), &spec["replicas"]);
    errors.not_negative(&path.child("minReadySeconds"), &spec["minReadySeconds"]);
    errors.not_negative(&path.child("ordinals").child("start"), &spec["ordinals"]["start"]);
    validate_selector(spec, &path, "statefulset", &mut errors);
    validate_template(spec, &path, &mut errors);
    if let Some(old) = old {
        let fixed = |spec: &Value| {
            let fields = spec.as_object().cloned().unwrap_or_default();
            let kept = fields.into_iter().filter(|(name, _)| !CHANGEABLE.contains(&name.as_str()));
            Value::Object(kept.collect())
        };
        let moved = spec["podManagementPolicy"] != old["spec"]["podManagementPolicy"];
        if moved || !super::same(&fixed(spec), &fixed(&old["spec"])) {
            errors.forbidden(&path, "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
        }
    }
    errors.into_vec()
}

pub(crate) fn validate_replication_controller(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(object, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &object["spec"]);
    errors.not_negative(&path.child("minReadySeconds"), &spec["minReadySeconds"]);
    if super::is_empty(&spec["selector"]) {
        errors.required(&path.child("selector"), "");
    }
    errors.not_negative(&path.child("replicas"), &spec["replicas"]);
    // As a label selector, which is what the other workloads have.
    let labels = serde_json::json!({ "matchLabels": spec["selector"] });
    let like = serde_json::json!({ "selector": labels, "template": spec["template"] });
    validate_template(&like, &path, &mut errors);
    errors.into_vec()
}

pub(crate) fn validate_controller_revision(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(object, old, names::dns1123_subdomain, &mut errors);
    if object["data"].is_null() {
        errors.required(&Path::new("data"), "data is mandatory");
    }
    errors.not_negative(&Path::new("revision"), &object["revision"]);
    if let Some(old) = old {
        errors.immutable(&Path::new("data"), &object["data"], &old["data"]);
    }
    errors.into_vec()
}

pub(crate) fn validate_pod_template(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(object, old, names::dns1123_subdomain, &mut errors);
    validate_pods(&object["template"], &Path::new("template"), &mut errors);
    errors.into_vec()
}

/// A template without a selector's demands on it.
pub(crate) fn validate_pods(template: &Value, path: &Path, errors: &mut Errors) {
    metadata::validate_labels(&template["metadata"]["labels"], &path.child("labels"), errors);
    metadata::validate_annotations(&template["metadata"]["annotations"], &path.child("annotations"), errors);
    pod::validate_spec(&template["spec"], &path.child("spec"), errors);
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
    validate_pods(template, &at, errors);
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

pub(crate) fn percent(share: &Value) -> Option<u64> {
    let digits = share.as_str()?.strip_suffix('%')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn is_zero(share: &Value) -> bool {
    share.as_i64() == Some(0) || percent(share) == Some(0)
}
