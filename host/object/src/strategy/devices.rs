//! Claims on devices.

use serde_json::Value;

use super::{PLAIN, WITH_LONE_STATUS, default_to, each, ensure, part};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const CLASS: Strategy = Strategy { validate: validation::devices::validate_class, ..PLAIN };

pub(crate) const SLICE: Strategy = Strategy { validate: validation::devices::validate_slice, ..PLAIN };

pub(crate) const CLAIM: Strategy = Strategy {
    default: |claim| {
        if let Some(spec) = part(claim, "spec") {
            default_requests(spec);
        }
        // Patches go into it.
        ensure(claim, "status");
    },
    validate: validation::devices::validate_claim,
    ..WITH_LONE_STATUS
};

pub(crate) const CLAIM_TEMPLATE: Strategy = Strategy {
    default: |template| {
        if let Some(spec) = part(template, "spec").and_then(|outer| part(outer, "spec")) {
            default_requests(spec);
        }
    },
    validate: validation::devices::validate_template,
    ..PLAIN
};

/// One device unless the request says otherwise.
fn default_requests(spec: &mut Value) {
    let Some(devices) = part(spec, "devices") else { return };
    for request in each(devices, "requests") {
        if let Some(exactly) = part(request, "exactly") {
            default_count(exactly);
        }
        for option in each(request, "firstAvailable") {
            default_count(option);
        }
    }
}

fn default_count(request: &mut Value) {
    default_to(request, "allocationMode", "ExactCount");
    if request["allocationMode"] == "ExactCount" {
        default_to(request, "count", 1);
    }
}
