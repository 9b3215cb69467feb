use serde_json::Value;

use super::{PLAIN, default_to, drop_status, ensure, restore_status};
use crate::kind::{Connects, Strategy};
use crate::validation;

pub(crate) const STRATEGY: Strategy = Strategy {
    connects: Some(Connects::Plugin),
    default,
    prepare_create: drop_status,
    prepare_update: restore_status,
    validate: validation::plugin::validate,
    ..PLAIN
};

pub(crate) const POLICY: Strategy = Strategy { validate: validation::plugin::validate_policy, ..PLAIN };

pub(crate) const ARTIFACT: Strategy = Strategy { validate: validation::plugin::validate_artifact, ..PLAIN };

pub(crate) const CHUNK: Strategy = Strategy { validate: validation::plugin::validate_chunk, ..PLAIN };

fn default(plugin: &mut Value) {
    let Some(spec) = ensure(plugin, "spec") else { return };
    default_to(spec, "failurePolicy", "Fail");
    if let Some(rollout) = ensure(spec, "rollout") {
        default_to(rollout, "strategy", "Immediate");
    }
}
