//! Jobs, CronJobs and what scales workloads.

mod cron;
mod job;
mod policy;
mod schedule;

pub(crate) use cron::validate_cron_job;
pub(crate) use job::{validate_job, validate_job_part};
use serde_json::Value;

use super::{Errors, Path, items, metadata, text};
use crate::names;
use crate::status::FieldError;

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
