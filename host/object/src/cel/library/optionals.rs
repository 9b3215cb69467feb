//! Values that may be missing. `or` and `orValue` are the evaluator's: what is not needed is not
//! worked out.

use super::{Fault, Row, Value};

pub(super) const ROWS: &[Row] = &[
    ("optional.of(A): optional<A>", |a, _| Ok(Value::some(a[0].clone()))),
    ("optional.ofNonZeroValue(A): optional<A>", |a, _| {
        Ok(if a[0].is_zero() { Value::none() } else { Value::some(a[0].clone()) })
    }),
    ("optional.none(): optional<A>", |_, _| Ok(Value::none())),
    ("optional.unwrap(list<optional<A>>): list<A>", |a, _| unwrapped(&a[0])),
    ("(list<optional<A>>).unwrapOpt(): list<A>", |a, _| unwrapped(&a[0])),
    ("(optional<A>).hasValue(): bool", |a, _| match &a[0] {
        Value::Optional(value) => Ok(Value::Bool(value.is_some())),
        _ => Err(Fault::NoSuchOverload),
    }),
    ("(optional<A>).value(): A", |a, _| match &a[0] {
        Value::Optional(Some(value)) => Ok((**value).clone()),
        Value::Optional(None) => Err(Fault::other("optional.none() dereference")),
        _ => Err(Fault::NoSuchOverload),
    }),
    ("(optional<A>).or(optional<A>): optional<A>", |a, _| match &a[0] {
        Value::Optional(Some(_)) => Ok(a[0].clone()),
        _ => Ok(a[1].clone()),
    }),
    ("(optional<A>).orValue(A): A", |a, _| match &a[0] {
        Value::Optional(Some(value)) => Ok((**value).clone()),
        _ => Ok(a[1].clone()),
    }),
];

fn unwrapped(list: &Value) -> Result<Value, Fault> {
    let held = super::items(list)?.iter().filter_map(|item| match item {
        Value::Optional(value) => value.as_deref().cloned(),
        other => Some(other.clone()),
    });
    Ok(Value::list(held.collect()))
}
