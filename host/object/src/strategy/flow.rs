//! Flow schemas and priority levels.

use serde_json::Value;

use super::{WITH_LONE_STATUS, default_to, ensure, part, remove};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const SCHEMA: Strategy = Strategy {
    default: |schema| {
        ensure(schema, "status");
        if let Some(spec) = ensure(schema, "spec") {
            default_number(spec, "matchingPrecedence", 1000);
        }
    },
    validate: validation::flow::validate_schema,
    ..WITH_LONE_STATUS
};

pub(crate) const LEVEL: Strategy =
    Strategy { default: default_level, validate: validation::flow::validate_level, ..WITH_LONE_STATUS };

fn default_level(level: &mut Value) {
    ensure(level, "status");
    let Some(spec) = ensure(level, "spec") else { return };
    if spec["type"] == "Exempt"
        && let Some(exempt) = ensure(spec, "exempt")
    {
        default_to(exempt, "nominalConcurrencyShares", 0);
        default_to(exempt, "lendablePercent", 0);
    }
    if let Some(limited) = part(spec, "limited") {
        default_to(limited, "nominalConcurrencyShares", 30);
        default_to(limited, "lendablePercent", 0);
        if let Some(queuing) = part(limited, "limitResponse").and_then(|response| part(response, "queuing")) {
            for (field, number) in [("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)] {
                default_number(queuing, field, number);
            }
        }
    }
}

/// A zero is as good as nothing.
fn default_number(object: &mut Value, field: &str, number: i64) {
    if object[field] == 0 {
        remove(object, field);
    }
    default_to(object, field, number);
}
