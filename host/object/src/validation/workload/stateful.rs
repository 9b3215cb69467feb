//! StatefulSets.

use serde_json::{Value, json};

use super::super::{Errors, IMMUTABLE, Path, is_empty, items, metadata, pod, same, selector, storage, text};
use super::{
    NO_MATCH, amount, validate_counts, validate_not_more_than_all, validate_restarts, validate_share,
};
use crate::names;
use crate::status::FieldError;

const ROLLING_ONLY: &str = "only allowed for updateStrategy 'RollingUpdate'";

pub(crate) fn validate_stateful_set(set: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_either(set, old, names::dns1123_label, &mut errors);
    let (path, spec) = (Path::new("spec"), &set["spec"]);
    validate_spec(spec, old.is_none(), &path, &mut errors);
    if let Some(old) = old {
        let before = &old["spec"];
        errors.immutable_selector(&path.child("selector"), &spec["selector"], &before["selector"]);
        for field in ["volumeClaimTemplates", "serviceName", "podManagementPolicy"] {
            if !same(&spec[field], &before[field]) {
                let value = if field == "volumeClaimTemplates" {
                    spec[field].clone()
                } else {
                    text(&spec[field]).into()
                };
                errors.shown(&path.child(field), &value, IMMUTABLE);
            }
        }
    }
    errors.into_vec()
}

/// What may not change is not looked at again.
fn validate_spec(spec: &Value, is_new: bool, path: &Path, errors: &mut Errors) {
    let at = path.child("podManagementPolicy");
    match text(&spec["podManagementPolicy"]) {
        "" => errors.required(&at, ""),
        "OrderedReady" | "Parallel" => {}
        _ => errors.invalid(&at, &spec["podManagementPolicy"], "must be 'OrderedReady' or 'Parallel'"),
    }
    validate_strategy(&spec["updateStrategy"], &path.child("updateStrategy"), errors);
    let (retention, at) =
        (&spec["persistentVolumeClaimRetentionPolicy"], path.child("persistentVolumeClaimRetentionPolicy"));
    for field in ["whenDeleted", "whenScaled"].into_iter().filter(|_| retention.is_object()) {
        errors.listed(&at.child(field), &retention[field], &["Retain", "Delete"]);
    }
    for (index, claim) in items(&spec["volumeClaimTemplates"]).iter().enumerate().filter(|_| is_new) {
        let at = path.child("volumeClaimTemplates").index(index).child("spec");
        storage::validate_claim_spec(&claim["spec"], &at, errors);
    }
    errors.not_negative(&path.child("replicas"), &spec["replicas"]);
    errors.not_negative(&path.child("minReadySeconds"), &spec["minReadySeconds"]);
    errors.not_negative(&path.at(&["ordinals", "start"]), &spec["ordinals"]["start"]);
    let service = text(&spec["serviceName"]);
    if is_new && !service.is_empty() {
        errors.rule(&path.child("serviceName"), service, names::dns1123_label);
    }
    validate_selector(spec, path, errors);
    let (template, at) = (&spec["template"], path.child("template"));
    if !selector::can_be_read(&spec["selector"]) {
        errors.shown(&path.child("selector"), &spec["selector"], "");
    } else {
        validate_template(spec, &at, errors);
    }
    validate_restarts(template, "StatefulSet", &at, errors);
}

fn validate_selector(spec: &Value, path: &Path, errors: &mut Errors) {
    let (wanted, at) = (&spec["selector"], path.child("selector"));
    if !wanted.is_object() {
        return errors.required(&at, "");
    }
    selector::validate(wanted, &at, errors);
    if selector::is_empty(wanted) {
        errors.shown(&at, wanted, "empty selector is invalid for statefulset");
    }
}

fn validate_strategy(strategy: &Value, path: &Path, errors: &mut Errors) {
    let (rolling, at) = (&strategy["rollingUpdate"], path.child("rollingUpdate"));
    match text(&strategy["type"]) {
        "" => errors.required(path, ""),
        "OnDelete" if rolling.is_object() => errors.shown(&at, &go_rolling(rolling), ROLLING_ONLY),
        "OnDelete" => {}
        "RollingUpdate" => validate_rolling(rolling, &at, errors),
        kind => {
            let shown = json!({ "Type": kind, "RollingUpdate": go_rolling(rolling) });
            errors.invalid(path, &shown, "must be 'RollingUpdate' or 'OnDelete'");
        }
    }
}

/// As upstream's internal type prints it.
fn go_rolling(rolling: &Value) -> Value {
    if rolling.is_null() {
        return Value::Null;
    }
    json!({ "Partition": rolling["partition"].as_i64().unwrap_or(0), "MaxUnavailable": rolling["maxUnavailable"] })
}

fn validate_rolling(rolling: &Value, path: &Path, errors: &mut Errors) {
    errors.not_negative(&path.child("partition"), &rolling["partition"]);
    let (share, at) = (&rolling["maxUnavailable"], path.child("maxUnavailable"));
    if share.is_null() {
        return;
    }
    validate_share(share, &at, errors);
    if amount(share) == 0 {
        errors.invalid(&at, share, "cannot be 0");
    }
    validate_not_more_than_all(share, &at, errors);
}

/// With the volumes that its claims will be; hostname and subdomain are the set's affair.
fn validate_template(spec: &Value, path: &Path, errors: &mut Errors) {
    let labels = &spec["template"]["metadata"]["labels"];
    let wanted = &spec["selector"];
    if !(wanted.is_object() && selector::matches(wanted, labels)) {
        errors.shown(&path.at(&["metadata", "labels"]), labels, NO_MATCH);
    }
    let mut template = spec["template"].clone();
    if let Some(pod) = template.get_mut("spec").and_then(Value::as_object_mut) {
        pod.remove("hostname");
        pod.remove("subdomain");
        let claims = items(&spec["volumeClaimTemplates"]);
        if !claims.is_empty() {
            let volumes = with_claims(claims, items(&spec["template"]["spec"]["volumes"]));
            pod.insert("volumes".into(), volumes.into());
        }
    }
    pod::validate_template(&template, path, errors);
}

fn with_claims(claims: &[Value], volumes: &[Value]) -> Vec<Value> {
    let names: Vec<&str> = claims.iter().map(|claim| text(&claim["metadata"]["name"])).collect();
    let claimed =
        names.iter().map(|name| json!({ "name": name, "persistentVolumeClaim": { "claimName": name } }));
    let others = volumes.iter().filter(|volume| !names.contains(&text(&volume["name"])));
    let mut all: Vec<Value> = Vec::new();
    for volume in claimed.chain(others.cloned()) {
        // A map upstream: the same name twice is one.
        if is_empty(&volume["name"]) || !all.contains(&volume) {
            all.push(volume);
        }
    }
    all
}

/// A write of the status.
pub(crate) fn validate_stateful_set_part(set: &Value, old: &Value, part: &str, _: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (path, status) = (Path::new(part), &set["status"]);
    let parts = ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
    validate_counts(status, &["replicas"], &path, &mut errors);
    validate_counts(status, &parts, &path, &mut errors);
    validate_counts(status, &["observedGeneration", "collisionCount"], &path, &mut errors);
    super::validate_parts_of(status, &parts, "status.readyReplicas", &path, &mut errors);
    metadata::validate_change(set, old, &mut errors);
    super::validate_collisions(set, old, &path, &mut errors);
    errors.into_vec()
}
