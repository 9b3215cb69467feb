//! `resource.Quantity`.

use std::cmp::Ordering;

use super::{Fault, Meter, Native, Row, Value, number, text};
use crate::Quantity;
use crate::quantity::QuantityError;

pub(super) const ROWS: &[Row] = &[
    ("quantity(string): kubernetes.Quantity", |a, meter| {
        meter.traverse(text(&a[0])?.len())?;
        Ok(value(parse(text(&a[0])?).map_err(|error| Fault::other(error.to_string()))?))
    }),
    ("isQuantity(string): bool", |a, meter| {
        meter.traverse(text(&a[0])?.len())?;
        Ok(Value::Bool(parse(text(&a[0])?).is_ok()))
    }),
    ("sign(kubernetes.Quantity): int", sign),
    ("(kubernetes.Quantity).sign(): int", sign),
    ("(kubernetes.Quantity).isGreaterThan(kubernetes.Quantity): bool", |a, _| {
        Ok(Value::Bool(order(a)? == Ordering::Greater))
    }),
    ("(kubernetes.Quantity).isLessThan(kubernetes.Quantity): bool", |a, _| {
        Ok(Value::Bool(order(a)? == Ordering::Less))
    }),
    ("(kubernetes.Quantity).compareTo(kubernetes.Quantity): int", |a, _| Ok(Value::Int(order(a)? as i64))),
    ("(kubernetes.Quantity).asApproximateFloat(): double", |a, _| {
        Ok(Value::Double(quantity(&a[0])?.approximate()))
    }),
    ("(kubernetes.Quantity).isInteger(): bool", |a, _| Ok(Value::Bool(quantity(&a[0])?.whole().is_some()))),
    ("(kubernetes.Quantity).asInteger(): int", |a, _| {
        let whole = quantity(&a[0])?.whole();
        whole.map(Value::Int).ok_or_else(|| Fault::other("cannot convert value to integer"))
    }),
    ("(kubernetes.Quantity).add(kubernetes.Quantity): kubernetes.Quantity", |a, _| {
        Ok(value(quantity(&a[0])?.add(&quantity(&a[1])?)))
    }),
    ("(kubernetes.Quantity).add(int): kubernetes.Quantity", |a, _| {
        Ok(value(quantity(&a[0])?.add(&Quantity::decimal(number(&a[1])?))))
    }),
    ("(kubernetes.Quantity).sub(kubernetes.Quantity): kubernetes.Quantity", |a, _| {
        Ok(value(quantity(&a[0])?.sub(&quantity(&a[1])?)))
    }),
    ("(kubernetes.Quantity).sub(int): kubernetes.Quantity", |a, _| {
        Ok(value(quantity(&a[0])?.sub(&Quantity::decimal(number(&a[1])?))))
    }),
];

fn parse(text: &str) -> Result<Quantity, QuantityError> {
    text.parse()
}

fn value(quantity: Quantity) -> Value {
    Value::native(Native::Quantity(quantity))
}

fn quantity(value: &Value) -> Result<Quantity, Fault> {
    match value {
        Value::Native(native) => match &**native {
            Native::Quantity(quantity) => Ok(*quantity),
            _ => Err(Fault::NoSuchOverload),
        },
        _ => Err(Fault::NoSuchOverload),
    }
}

fn order(a: &[Value]) -> Result<Ordering, Fault> {
    Ok(quantity(&a[0])?.cmp(&quantity(&a[1])?))
}

fn sign(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    Ok(Value::Int(quantity(&a[0])?.cmp(&Quantity::ZERO) as i64))
}
