//! Jobs, CronJobs and what scales workloads.

use serde_json::Value;

use super::{Errors, Path, items, metadata, selector, text, workload};
use crate::names;
use crate::status::FieldError;

/// A CronJob's jobs have eleven characters more.
const LONGEST_CRON_NAME: usize = 52;

pub(crate) fn validate_job(job: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(job, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &job["spec"]);
    validate_job_spec(spec, &path, &mut errors);
    if !spec["selector"].is_object() {
        errors.required(&path.child("selector"), "");
    } else {
        selector::validate(&spec["selector"], &path.child("selector"), &mut errors);
        let labels = &spec["template"]["metadata"]["labels"];
        if !selector::matches(&spec["selector"], labels) {
            let at = path.child("template").child("metadata").child("labels");
            errors.invalid(&at, labels, "`selector` does not match template `labels`");
        }
    }
    if let Some(old) = old {
        validate_job_update(spec, &old["spec"], &path, &mut errors);
    }
    errors.into_vec()
}

fn validate_job_spec(spec: &Value, path: &Path, errors: &mut Errors) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        errors.not_negative(&path.child(field), &spec[field]);
    }
    errors.optional_one_of(
        &path.child("completionMode"),
        &spec["completionMode"],
        &["Indexed", "NonIndexed"],
    );
    if spec["completionMode"] == "Indexed" && spec["completions"].is_null() {
        let detail = format!("when completion mode is {}", text(&spec["completionMode"]));
        errors.required(&path.child("completions"), &detail);
    }
    let at = path.child("template");
    workload::validate_pods(&spec["template"], &at, errors);
    let policy = &spec["template"]["spec"]["restartPolicy"];
    if matches!(text(policy), "Always") {
        let at = at.child("spec").child("restartPolicy");
        // In upstream's order, which is not the alphabet's.
        let detail = "supported values: \"OnFailure\", \"Never\"".into();
        let error = FieldError::not_supported(at.as_str(), policy.clone(), &[]);
        errors.push(FieldError { detail, ..error });
    }
}

fn validate_job_update(spec: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    // An indexed job may grow and shrink as a whole.
    let elastic = spec["completionMode"] == "Indexed" && spec["completions"] == spec["parallelism"];
    if !elastic {
        errors.immutable(&path.child("completions"), &spec["completions"], &old["completions"]);
    }
    errors.immutable(&path.child("selector"), &spec["selector"], &old["selector"]);
    // While a job has not started, where and how its pods run may still be decided.
    if old["suspend"] != true {
        errors.immutable(&path.child("template"), &spec["template"], &old["template"]);
    }
    for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    {
        errors.immutable(&path.child(field), &spec[field], &old[field]);
    }
}

pub(crate) fn validate_cron_job(job: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(job, old, names::dns1123_subdomain, &mut errors);
    if old.is_none() && text(&job["metadata"]["name"]).len() > LONGEST_CRON_NAME {
        let at = Path::new("metadata").child("name");
        errors.invalid(&at, &job["metadata"]["name"], "must be no more than 52 characters");
    }
    let (path, spec) = (Path::new("spec"), &job["spec"]);
    let schedule = text(&spec["schedule"]);
    if schedule.is_empty() {
        errors.required(&path.child("schedule"), "");
    } else if !schedule.starts_with('@') && schedule.split_whitespace().count() != 5 {
        let found = schedule.split_whitespace().count();
        let detail = format!("expected exactly 5 fields, found {found}: [{schedule}]");
        errors.invalid(&path.child("schedule"), &spec["schedule"], detail);
    }
    let policies = ["Allow", "Forbid", "Replace"];
    errors.required_one_of(&path.child("concurrencyPolicy"), &spec["concurrencyPolicy"], &policies);
    for field in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        errors.not_negative(&path.child(field), &spec[field]);
    }
    validate_job_spec(&spec["jobTemplate"]["spec"], &path.child("jobTemplate").child("spec"), &mut errors);
    errors.into_vec()
}

pub(crate) fn validate_autoscaler(scaler: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(scaler, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &scaler["spec"]);
    let (fewest, most) = (spec["minReplicas"].as_i64(), spec["maxReplicas"].as_i64().unwrap_or(0));
    if fewest.is_some_and(|fewest| fewest < 1) {
        errors.invalid(
            &path.child("minReplicas"),
            &spec["minReplicas"],
            "must be greater than or equal to 1",
        );
    }
    if most < 1 {
        errors.invalid(&path.child("maxReplicas"), &spec["maxReplicas"], "must be greater than 0");
    }
    if fewest.is_some_and(|fewest| most < fewest) {
        let detail = "must be greater than or equal to `minReplicas`";
        errors.invalid(&path.child("maxReplicas"), &spec["maxReplicas"], detail);
    }
    let (at, target) = (path.child("scaleTargetRef"), &spec["scaleTargetRef"]);
    for field in ["kind", "name"] {
        match text(&target[field]) {
            "" => errors.required(&at.child(field), ""),
            value => errors.rule(&at.child(field), value, names::path_segment),
        }
    }
    let known = ["ContainerResource", "External", "Object", "Pods", "Resource"];
    for (index, metric) in items(&spec["metrics"]).iter().enumerate() {
        let at = path.child("metrics").index(index).child("type");
        errors.required_one_of(&at, &metric["type"], &known);
    }
    errors.into_vec()
}
