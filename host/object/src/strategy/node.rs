use serde_json::Value;

use super::{PLAIN, part, restore_status};
use crate::kind::Strategy;
use crate::validation;

/// A node registers with its status in one request, so a create keeps it.
pub(crate) const STRATEGY: Strategy = Strategy {
    default: set_allocatable,
    prepare_update: restore_status,
    validate: validation::node::validate,
    ..PLAIN
};

fn set_allocatable(node: &mut Value) {
    let Some(status) = part(node, "status") else { return };
    if status["allocatable"].is_null() && status["capacity"].is_object() {
        status["allocatable"] = status["capacity"].clone();
    }
}
