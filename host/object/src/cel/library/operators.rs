//! Arithmetic, comparison, membership, indexes.

use std::cmp::Ordering;

use super::{Fault, Meter, Row, Value};
use crate::cel::value::Key;

/// What the evaluator does itself (`_&&_`, `_||_`, `_?_:_`) is here for its signature.
pub(super) const ROWS: &[Row] = &[
    ("_&&_(bool, bool): bool", unevaluated),
    ("_||_(bool, bool): bool", unevaluated),
    ("_?_:_(bool, A, A): A", unevaluated),
    ("_+_(int, int): int", add),
    ("_+_(uint, uint): uint", add),
    ("_+_(double, double): double", add),
    ("_+_(string, string): string", add),
    ("_+_(bytes, bytes): bytes", add),
    ("_+_(list<A>, list<A>): list<A>", add),
    ("_+_(timestamp, duration): timestamp", add),
    ("_+_(duration, timestamp): timestamp", add),
    ("_+_(duration, duration): duration", add),
    ("_-_(int, int): int", subtract),
    ("_-_(uint, uint): uint", subtract),
    ("_-_(double, double): double", subtract),
    ("_-_(timestamp, timestamp): duration", subtract),
    ("_-_(timestamp, duration): timestamp", subtract),
    ("_-_(duration, duration): duration", subtract),
    ("_*_(int, int): int", multiply),
    ("_*_(uint, uint): uint", multiply),
    ("_*_(double, double): double", multiply),
    ("_/_(int, int): int", divide),
    ("_/_(uint, uint): uint", divide),
    ("_/_(double, double): double", divide),
    ("_%_(int, int): int", remainder),
    ("_%_(uint, uint): uint", remainder),
    ("-_(int): int", negate),
    ("-_(double): double", negate),
    ("!_(bool): bool", |a, _| match &a[0] {
        Value::Bool(value) => Ok(Value::Bool(!value)),
        _ => Err(Fault::NoSuchOverload),
    }),
    ("_==_(A, A): bool", |a, meter| Ok(Value::Bool(equal(a, meter)?))),
    ("_!=_(A, A): bool", |a, meter| Ok(Value::Bool(!equal(a, meter)?))),
    ("_<_(bool, bool): bool", less),
    ("_<_(int, int): bool", less),
    ("_<_(int, uint): bool", less),
    ("_<_(int, double): bool", less),
    ("_<_(uint, uint): bool", less),
    ("_<_(uint, int): bool", less),
    ("_<_(uint, double): bool", less),
    ("_<_(double, double): bool", less),
    ("_<_(double, int): bool", less),
    ("_<_(double, uint): bool", less),
    ("_<_(string, string): bool", less),
    ("_<_(bytes, bytes): bool", less),
    ("_<_(timestamp, timestamp): bool", less),
    ("_<_(duration, duration): bool", less),
    ("_<=_(bool, bool): bool", less_or_equal),
    ("_<=_(int, int): bool", less_or_equal),
    ("_<=_(int, uint): bool", less_or_equal),
    ("_<=_(int, double): bool", less_or_equal),
    ("_<=_(uint, uint): bool", less_or_equal),
    ("_<=_(uint, int): bool", less_or_equal),
    ("_<=_(uint, double): bool", less_or_equal),
    ("_<=_(double, double): bool", less_or_equal),
    ("_<=_(double, int): bool", less_or_equal),
    ("_<=_(double, uint): bool", less_or_equal),
    ("_<=_(string, string): bool", less_or_equal),
    ("_<=_(bytes, bytes): bool", less_or_equal),
    ("_<=_(timestamp, timestamp): bool", less_or_equal),
    ("_<=_(duration, duration): bool", less_or_equal),
    ("_>_(bool, bool): bool", greater),
    ("_>_(int, int): bool", greater),
    ("_>_(int, uint): bool", greater),
    ("_>_(int, double): bool", greater),
    ("_>_(uint, uint): bool", greater),
    ("_>_(uint, int): bool", greater),
    ("_>_(uint, double): bool", greater),
    ("_>_(double, double): bool", greater),
    ("_>_(double, int): bool", greater),
    ("_>_(double, uint): bool", greater),
    ("_>_(string, string): bool", greater),
    ("_>_(bytes, bytes): bool", greater),
    ("_>_(timestamp, timestamp): bool", greater),
    ("_>_(duration, duration): bool", greater),
    ("_>=_(bool, bool): bool", greater_or_equal),
    ("_>=_(int, int): bool", greater_or_equal),
    ("_>=_(int, uint): bool", greater_or_equal),
    ("_>=_(int, double): bool", greater_or_equal),
    ("_>=_(uint, uint): bool", greater_or_equal),
    ("_>=_(uint, int): bool", greater_or_equal),
    ("_>=_(uint, double): bool", greater_or_equal),
    ("_>=_(double, double): bool", greater_or_equal),
    ("_>=_(double, int): bool", greater_or_equal),
    ("_>=_(double, uint): bool", greater_or_equal),
    ("_>=_(string, string): bool", greater_or_equal),
    ("_>=_(bytes, bytes): bool", greater_or_equal),
    ("_>=_(timestamp, timestamp): bool", greater_or_equal),
    ("_>=_(duration, duration): bool", greater_or_equal),
    ("@in(A, list<A>): bool", contained),
    ("@in(A, map<A, B>): bool", contained),
    ("_[_](list<A>, int): A", index),
    ("_[_](map<A, B>, A): B", index),
    ("_[_](optional<list<A>>, int): optional<A>", index_optional),
    ("_[_](optional<map<A, B>>, A): optional<B>", index_optional),
    ("_[?_](list<A>, int): optional<A>", index_optional),
    ("_[?_](map<A, B>, A): optional<B>", index_optional),
    ("_[?_](optional<list<A>>, int): optional<A>", index_optional),
    ("_[?_](optional<map<A, B>>, A): optional<B>", index_optional),
];

fn unevaluated(_: &[Value], _: &Meter) -> Result<Value, Fault> {
    Err(Fault::NoSuchOverload)
}

fn overflow(of: &str) -> Fault {
    Fault::other(format!("{of} overflow"))
}

fn add(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    Ok(match (&a[0], &a[1]) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_add(*b).ok_or_else(|| overflow("integer"))?),
        (Value::Uint(a), Value::Uint(b)) => {
            Value::Uint(a.checked_add(*b).ok_or_else(|| overflow("unsigned integer"))?)
        }
        (Value::Double(a), Value::Double(b)) => Value::Double(a + b),
        (Value::String(a), Value::String(b)) => {
            meter.traverse(a.len() + b.len())?;
            Value::String([&**a, &**b].concat().into())
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            meter.traverse(a.len() + b.len())?;
            Value::Bytes([&**a, &**b].concat().into())
        }
        (Value::List(a), Value::List(b)) => {
            // Where order does not count every item is compared with every other.
            let work = if a.merge.is_some() { a.items.len() * b.items.len() } else { 0 };
            meter.traverse(a.items.len() + b.items.len())?;
            meter.spend(work as u64)?;
            Value::List(a.join(b))
        }
        (Value::Timestamp(at), Value::Duration(by)) | (Value::Duration(by), Value::Timestamp(at)) => {
            Value::Timestamp(at.checked_add(*by).map_err(|_| overflow("timestamp"))?)
        }
        (Value::Duration(a), Value::Duration(b)) => {
            Value::Duration(a.checked_add(*b).ok_or_else(|| overflow("duration"))?)
        }
        _ => return Err(Fault::NoSuchOverload),
    })
}

fn subtract(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    Ok(match (&a[0], &a[1]) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_sub(*b).ok_or_else(|| overflow("integer"))?),
        (Value::Uint(a), Value::Uint(b)) => {
            Value::Uint(a.checked_sub(*b).ok_or_else(|| overflow("unsigned integer"))?)
        }
        (Value::Double(a), Value::Double(b)) => Value::Double(a - b),
        (Value::Timestamp(a), Value::Timestamp(b)) => Value::Duration(a.duration_since(*b)),
        (Value::Timestamp(at), Value::Duration(by)) => {
            Value::Timestamp(at.checked_sub(*by).map_err(|_| overflow("timestamp"))?)
        }
        (Value::Duration(a), Value::Duration(b)) => {
            Value::Duration(a.checked_sub(*b).ok_or_else(|| overflow("duration"))?)
        }
        _ => return Err(Fault::NoSuchOverload),
    })
}

fn multiply(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    Ok(match (&a[0], &a[1]) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_mul(*b).ok_or_else(|| overflow("integer"))?),
        (Value::Uint(a), Value::Uint(b)) => {
            Value::Uint(a.checked_mul(*b).ok_or_else(|| overflow("unsigned integer"))?)
        }
        (Value::Double(a), Value::Double(b)) => Value::Double(a * b),
        _ => return Err(Fault::NoSuchOverload),
    })
}

fn divide(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    Ok(match (&a[0], &a[1]) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            return Err(Fault::other("division by zero"));
        }
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_div(*b).ok_or_else(|| overflow("integer"))?),
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a / b),
        (Value::Double(a), Value::Double(b)) => Value::Double(a / b),
        _ => return Err(Fault::NoSuchOverload),
    })
}

fn remainder(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    Ok(match (&a[0], &a[1]) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            return Err(Fault::other("modulus by zero"));
        }
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_rem(*b).ok_or_else(|| overflow("integer"))?),
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a % b),
        _ => return Err(Fault::NoSuchOverload),
    })
}

fn negate(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    Ok(match &a[0] {
        Value::Int(a) => Value::Int(a.checked_neg().ok_or_else(|| overflow("integer"))?),
        Value::Double(a) => Value::Double(-a),
        _ => return Err(Fault::NoSuchOverload),
    })
}

fn equal(a: &[Value], meter: &Meter) -> Result<bool, Fault> {
    weigh(&a[0], &a[1], meter)?;
    Ok(a[0] == a[1])
}

/// What a comparison costs: the smaller of the two decides.
fn weigh(a: &Value, b: &Value, meter: &Meter) -> Result<(), Fault> {
    match (a, b) {
        (Value::List(a), Value::List(b)) => {
            let unordered = a.merge.is_some() || b.merge.is_some();
            let most = a.items.len().min(b.items.len());
            meter.spend(if unordered { most * most } else { 0 } as u64)?;
            a.items.iter().zip(b.items.iter()).try_for_each(|(a, b)| weigh(a, b, meter))?;
            meter.traverse(most)
        }
        (Value::Map(a), Value::Map(b)) => {
            a.entries.values().zip(b.entries.values()).try_for_each(|(a, b)| weigh(a, b, meter))?;
            meter.traverse(a.entries.len().min(b.entries.len()))
        }
        (a, b) => meter.traverse(a.size().min(b.size())),
    }
}

fn compare(a: &[Value], meter: &Meter) -> Result<Option<Ordering>, Fault> {
    meter.traverse(a[0].size().min(a[1].size()))?;
    match a[0].order(&a[1]) {
        Some(order) => Ok(Some(order)),
        None if a.iter().any(|value| matches!(value, Value::Double(_))) => {
            Err(Fault::other("NaN values cannot be ordered"))
        }
        None => Err(Fault::NoSuchOverload),
    }
}

fn less(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    Ok(Value::Bool(compare(a, meter)?.is_some_and(Ordering::is_lt)))
}

fn less_or_equal(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    Ok(Value::Bool(compare(a, meter)?.is_some_and(Ordering::is_le)))
}

fn greater(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    Ok(Value::Bool(compare(a, meter)?.is_some_and(Ordering::is_gt)))
}

fn greater_or_equal(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    Ok(Value::Bool(compare(a, meter)?.is_some_and(Ordering::is_ge)))
}

fn contained(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    Ok(Value::Bool(match &a[1] {
        Value::List(list) => {
            for item in list.items.iter() {
                meter.spend(1)?;
                if *item == a[0] {
                    return Ok(Value::Bool(true));
                }
            }
            false
        }
        Value::Map(map) => Key::of(&a[0]).is_some_and(|key| map.entries.contains_key(&key)),
        _ => return Err(Fault::NoSuchOverload),
    }))
}

fn index(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    match (&a[0], &a[1]) {
        (Value::List(list), at) => {
            let Some(Key::Int(place)) = Key::of(at) else { return Err(Fault::NoSuchOverload) };
            let found = usize::try_from(place).ok().and_then(|place| list.items.get(place));
            found.cloned().ok_or_else(|| Fault::other(format!("index out of bounds: {place}")))
        }
        (Value::Map(map), key) => {
            let known = Key::of(key).ok_or(Fault::NoSuchOverload)?;
            let missing = || Fault::NoSuchKey(key.print().unwrap_or_default());
            map.entries.get(&known).cloned().ok_or_else(missing)
        }
        _ => Err(Fault::NoSuchOverload),
    }
}

fn index_optional(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let within = match &a[0] {
        Value::Optional(None) => return Ok(Value::none()),
        Value::Optional(Some(value)) => (**value).clone(),
        other => other.clone(),
    };
    match index(&[within, a[1].clone()], meter) {
        Ok(found) => Ok(Value::some(found)),
        Err(Fault::NoSuchOverload) => Err(Fault::NoSuchOverload),
        Err(_) => Ok(Value::none()),
    }
}
