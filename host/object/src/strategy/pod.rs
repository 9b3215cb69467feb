//! Pods.

pub(crate) mod defaults;
mod label_keys;
mod parts;
pub(crate) mod qos;
mod status;

use serde_json::{Value, json};

use super::restore_status;
use crate::kind::{Connects, Strategy};
use crate::validation;

pub(crate) const STRATEGY: Strategy = Strategy {
    connects: Some(Connects::Pod),
    default: defaults::default_pod,
    prepare_create,
    prepare_update: restore_status,
    grace_period,
    keep_rest: parts::keep_rest,
    reset_by_status: &["spec", "metadata.deletionTimestamp", "metadata.ownerReferences"],
    prepare_part: |pod, old, part, _| {
        if part == "status" {
            status::keep_what_writers_forget(pod, old);
        }
    },
    validate: validation::pod::validate,
    validate_part: Some(validation::pod::validate_part),
    warn: validation::pod::warnings::of_pod,
    ..super::PLAIN
};

fn prepare_create(pod: &mut Value) {
    pod["status"] = json!({ "phase": "Pending", "qosClass": qos::class(pod) });
    if pod["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
        pod["status"]["conditions"] = json!([{
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
            "lastTransitionTime": pod["metadata"]["creationTimestamp"],
        }]);
    }
    label_keys::write_into_selectors(pod);
}

/// Only a pod that a node runs has an agent to end it gracefully; others have no time.
fn grace_period(pod: &Value, asked: Option<i64>) -> Option<i64> {
    let placed = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let over = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if !placed || over {
        return Some(0);
    }
    let seconds = asked.or(pod["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30);
    // Negative means "as soon as possible", which one second is.
    Some(if seconds < 0 { 1 } else { seconds })
}
