//! Jobs, CronJobs and what scales workloads.

use serde_json::{Map, Value, json};

use super::pod::defaults::default_template;
use super::{PLAIN, WITH_STATUS, default_to, drop_status, ensure, part, restore_status};
use crate::conversion;
use crate::kind::Strategy;
use crate::validation::pod::warnings;
use crate::validation::{self, Path};

/// Labels by which a job finds its pods; the last two are the names they had before 1.27.
const UID_LABEL: &str = "batch.kubernetes.io/controller-uid";
const NAME_LABEL: &str = "batch.kubernetes.io/job-name";
const OLD_UID_LABEL: &str = "controller-uid";
const OLD_NAME_LABEL: &str = "job-name";

pub(crate) const JOB: Strategy = Strategy {
    default: default_job,
    prepare_create: prepare_job,
    prepare_update: restore_status,
    validate: validation::batch::validate_job,
    validate_part: Some(validation::batch::validate_job_part),
    warn: warn_of_job,
    warn_of_orphans: "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to \
        remove them or set propagationPolicy=Orphan to suppress this warning",
    ..PLAIN
};

pub(crate) const CRON_JOB: Strategy = Strategy {
    default: default_cron_job,
    validate: validation::batch::validate_cron_job,
    warn: warn_of_cron_job,
    ..WITH_STATUS
};

pub(crate) const AUTOSCALER: Strategy = Strategy {
    default: default_autoscaler,
    validate: validation::autoscaler::validate,
    validate_part: Some(validation::autoscaler::validate_status),
    ..WITH_STATUS
};

/// `autoscaling/v1`; judged as what it is stored as.
pub(crate) const FIRST_AUTOSCALER: Strategy = Strategy {
    default: |scaler| {
        if let Some(spec) = ensure(scaler, "spec") {
            default_to(spec, "minReplicas", 1);
        }
        // Without any metric it is the processor's share.
        let share = "targetCPUUtilizationPercentage";
        if scaler["spec"][share].is_null() {
            let shown = (conversion::AUTOSCALER.show)(&(conversion::AUTOSCALER.store)(scaler));
            if let Some(spec) = part(scaler, "spec").filter(|_| !shown["spec"][share].is_null()) {
                default_to(spec, share, shown["spec"][share].clone());
            }
        }
    },
    validate: |new, old| {
        let stored = |scaler: &Value| (conversion::AUTOSCALER.store)(scaler);
        validation::autoscaler::validate(&stored(new), old.map(stored).as_ref())
    },
    validate_part: Some(validation::autoscaler::validate_status),
    ..WITH_STATUS
};

/// Jobs beyond both of these lose count of what failed.
const MANY_COMPLETIONS: i64 = 100_000;
const MANY_AT_ONCE: i64 = 10_000;

fn warn_of_job(job: &Value, old: Option<&Value>) -> Vec<String> {
    match old {
        None => [warnings::of_owner_name(job), warn_of_job_spec(&job["spec"], &Path::new("spec"))].concat(),
        Some(old) if old["spec"] != job["spec"] => warn_of_job_spec(&job["spec"], &Path::new("spec")),
        Some(_) => Vec::new(),
    }
}

fn warn_of_job_spec(spec: &Value, path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let many = |field: &str, most: i64| spec[field].as_i64().is_some_and(|number| number > most);
    if spec["completionMode"] == "Indexed"
        && many("completions", MANY_COMPLETIONS)
        && many("parallelism", MANY_AT_ONCE)
    {
        found.push(format!(
            "{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than \
             10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        ));
    }
    found.extend(warnings::of_template(&spec["template"], &path.child("template")));
    found
}

fn warn_of_cron_job(job: &Value, old: Option<&Value>) -> Vec<String> {
    let of_spec = || {
        let path = Path::new("spec").at(&["jobTemplate", "spec"]);
        warn_of_job_spec(&job["spec"]["jobTemplate"]["spec"], &path)
    };
    let Some(old) = old else { return [warnings::of_owner_name(job), of_spec()].concat() };
    let mut found = if old["spec"] != job["spec"] { of_spec() } else { Vec::new() };
    if job["spec"]["schedule"].as_str().is_some_and(|schedule| schedule.contains("TZ")) {
        // Upstream's path, with its spec twice.
        found.push(
            "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see \
             https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
                .into(),
        );
    }
    found
}

fn default_job(job: &mut Value) {
    default_labels(job);
    let Some(spec) = ensure(job, "spec") else { return };
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        default_to(spec, "completions", 1);
    }
    default_to(spec, "parallelism", 1);
    let per_index = spec["backoffLimitPerIndex"].is_i64();
    default_to(spec, "backoffLimit", if per_index { i64::from(i32::MAX) } else { 6 });
    default_to(spec, "completionMode", "NonIndexed");
    default_to(spec, "suspend", false);
    let replace = if spec["podFailurePolicy"].is_object() { "Failed" } else { "TerminatingOrFailed" };
    default_to(spec, "podReplacementPolicy", replace);
    default_to(spec, "manualSelector", false);
    if let Some(template) = part(spec, "template") {
        default_template(template);
    }
}

/// A job without labels has its template's.
fn default_labels(job: &mut Value) {
    let labels = job["spec"]["template"]["metadata"]["labels"].clone();
    let has = |labels: &Value| labels.as_object().is_some_and(|labels| !labels.is_empty());
    if has(&labels)
        && !has(&job["metadata"]["labels"])
        && let Some(Value::Object(metadata)) = ensure(job, "metadata")
    {
        metadata.insert("labels".into(), labels);
    }
}

/// Pods are told apart by their job's uid, unless the job brings a selector of its own.
fn prepare_job(job: &mut Value) {
    drop_status(job);
    if job["spec"]["manualSelector"] == true || !job["spec"]["template"].is_object() {
        return;
    }
    let (uid, name) = (job["metadata"]["uid"].clone(), job["metadata"]["name"].clone());
    let template = &mut job["spec"]["template"];
    let Some(metadata) = ensure(template, "metadata") else { return };
    let Some(Value::Object(labels)) = ensure(metadata, "labels") else { return };
    for (label, value) in
        [(UID_LABEL, &uid), (NAME_LABEL, &name), (OLD_UID_LABEL, &uid), (OLD_NAME_LABEL, &name)]
    {
        labels.entry(label).or_insert(value.clone());
    }
    let Some(selector) = ensure(&mut job["spec"], "selector") else { return };
    let Some(Value::Object(wanted)) = ensure(selector, "matchLabels") else { return };
    wanted.entry(UID_LABEL).or_insert(uid);
}

fn default_cron_job(job: &mut Value) {
    let Some(spec) = ensure(job, "spec") else { return };
    default_to(spec, "concurrencyPolicy", "Allow");
    default_to(spec, "suspend", false);
    default_to(spec, "successfulJobsHistoryLimit", 3);
    default_to(spec, "failedJobsHistoryLimit", 1);
    let template = part(spec, "jobTemplate").and_then(|job| part(job, "spec"));
    if let Some(template) = template.and_then(|spec| part(spec, "template")) {
        default_template(template);
    }
}

fn default_autoscaler(scaler: &mut Value) {
    let Some(spec) = ensure(scaler, "spec") else { return };
    default_to(spec, "minReplicas", 1);
    if spec["metrics"].as_array().is_none_or(Vec::is_empty) {
        spec["metrics"] = json!([{
            "type": "Resource",
            "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } },
        }]);
    }
    if let Some(behavior) = part(spec, "behavior") {
        let up = json!([
            { "type": "Pods", "value": 4, "periodSeconds": 15 },
            { "type": "Percent", "value": 100, "periodSeconds": 15 },
        ]);
        let down = json!([{ "type": "Percent", "value": 100, "periodSeconds": 15 }]);
        default_rules(behavior, "scaleUp", Some(0), up);
        default_rules(behavior, "scaleDown", None, down);
    }
}

fn default_rules(behavior: &mut Value, direction: &str, window: Option<i64>, policies: Value) {
    let Some(Value::Object(rules)) = ensure(behavior, direction) else { return };
    set(rules, "selectPolicy", "Max".into());
    set(rules, "policies", policies);
    if let Some(window) = window {
        set(rules, "stabilizationWindowSeconds", window.into());
    }
}

fn set(rules: &mut Map<String, Value>, field: &str, value: Value) {
    if rules.get(field).is_none_or(Value::is_null) {
        rules.insert(field.into(), value);
    }
}
