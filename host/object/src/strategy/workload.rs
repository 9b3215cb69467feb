//! Deployments and ReplicaSets.

use serde_json::Value;

use super::pod::defaults::default_template;
use super::{PLAIN, default_to, drop_status, ensure, part, restore_status};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const DEPLOYMENT: Strategy = Strategy {
    default: default_deployment,
    prepare_create: drop_status,
    prepare_update: restore_status,
    validate: validation::workload::validate_deployment,
    ..PLAIN
};

pub(crate) const REPLICA_SET: Strategy = Strategy {
    default: default_replica_set,
    prepare_create: drop_status,
    prepare_update: restore_status,
    validate: validation::workload::validate_replica_set,
    ..PLAIN
};

fn default_deployment(deployment: &mut Value) {
    let Some(spec) = ensure(deployment, "spec") else { return };
    default_to(spec, "replicas", 1);
    default_to(spec, "revisionHistoryLimit", 10);
    default_to(spec, "progressDeadlineSeconds", 600);
    if let Some(strategy) = ensure(spec, "strategy") {
        default_to(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate"
            && let Some(rolling) = ensure(strategy, "rollingUpdate")
        {
            default_to(rolling, "maxUnavailable", "25%");
            default_to(rolling, "maxSurge", "25%");
        }
    }
    if let Some(template) = part(spec, "template") {
        default_template(template);
    }
}

fn default_replica_set(replica_set: &mut Value) {
    let Some(spec) = ensure(replica_set, "spec") else { return };
    default_to(spec, "replicas", 1);
    if let Some(template) = part(spec, "template") {
        default_template(template);
    }
}
