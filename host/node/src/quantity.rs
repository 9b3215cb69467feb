//! Quantities as the node needs them: whole units and thousandths.

use orch_object::quantity::Quantity;
use serde_json::Value;

/// Thousandths of a unit; `None`: not a quantity, or not set.
pub fn milli(value: &Value) -> Option<i128> {
    Quantity::from_json(value).ok().map(|quantity| i128::from(quantity.milli_value()))
}

/// Whole units, rounded up: bytes, pods.
pub fn whole(value: &Value) -> Option<i64> {
    Quantity::from_json(value).ok().map(|quantity| quantity.value())
}
