//! Limit ranges and quotas.

use serde_json::Value;

use super::{PLAIN, WITH_STATUS, each, ensure, part};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const LIMIT_RANGE: Strategy = Strategy {
    default: default_limit_range,
    validate: validation::quota::validate_limit_range,
    names_itself: true,
    ..PLAIN
};

pub(crate) const RESOURCE_QUOTA: Strategy = Strategy {
    validate: validation::quota::validate_resource_quota,
    validate_part: Some(validation::quota::validate_quota_part),
    ..WITH_STATUS
};

/// A container's default limit is the largest allowed, its default request that limit or the least.
fn default_limit_range(range: &mut Value) {
    let Some(spec) = part(range, "spec") else { return };
    for limit in each(spec, "limits").filter(|limit| limit["type"] == "Container") {
        for (target, source) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")]
        {
            let amounts = limit[source].as_object().cloned().unwrap_or_default();
            if amounts.is_empty() {
                continue;
            }
            let Some(Value::Object(known)) = ensure(limit, target) else { continue };
            for (resource, amount) in amounts {
                known.entry(resource).or_insert(amount);
            }
        }
    }
}
