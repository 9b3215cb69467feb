use serde_json::Value;

use super::{PLAIN, part, restore_status};
use crate::kind::{Connects, Strategy};
use crate::validation;

/// A node registers with its status in one request, so a create keeps it.
pub(crate) const STRATEGY: Strategy = Strategy {
    connects: Some(Connects::Node),
    default: |node| {
        set_allocatable(node);
        align_networks(node);
    },
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

/// `podCIDR` is the first of `podCIDRs`; where they differ, the one that older clients know counts.
fn align_networks(node: &mut Value) {
    let Some(spec) = part(node, "spec") else { return };
    let first = spec["podCIDR"].as_str().unwrap_or_default().to_owned();
    let listed = spec["podCIDRs"].as_array().and_then(|networks| networks.first()).cloned();
    match listed {
        Some(listed) if first.is_empty() => spec["podCIDR"] = listed,
        Some(listed) if listed == first.as_str() => {}
        _ if !first.is_empty() => spec["podCIDRs"] = serde_json::json!([first]),
        _ => {}
    }
}
