//! Lists as sets.

use super::{Fault, Meter, Row, Value, items};

pub(super) const ROWS: &[Row] = &[
    ("sets.contains(list<A>, list<A>): bool", |a, meter| all_in(&a[0], &a[1], meter)),
    ("sets.equivalent(list<A>, list<A>): bool", |a, meter| match all_in(&a[0], &a[1], meter)? {
        Value::Bool(true) => all_in(&a[1], &a[0], meter),
        other => Ok(other),
    }),
    ("sets.intersects(list<A>, list<A>): bool", |a, meter| {
        let (first, second) = (items(&a[0])?, items(&a[1])?);
        meter.spend(first.len() as u64 * second.len() as u64)?;
        Ok(Value::Bool(first.iter().any(|item| second.contains(item))))
    }),
];

/// Whether the first has all that is in the second.
fn all_in(whole: &Value, part: &Value, meter: &Meter) -> Result<Value, Fault> {
    let (whole, part) = (items(whole)?, items(part)?);
    meter.spend(whole.len() as u64 * part.len() as u64)?;
    Ok(Value::Bool(part.iter().all(|item| whole.contains(item))))
}
