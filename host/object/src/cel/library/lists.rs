//! Kubernetes' lists library and the lists extension, version 3.

use std::cmp::Ordering;

use super::{Fault, Meter, Row, Value, items, number};
use crate::cel::value::List;

/// Items that `lists.range` may give, as cel-go has it.
const LONGEST_RANGE: i64 = 1_000_000;

pub(super) const ROWS: &[Row] = &[
    ("(list<int>).isSorted(): bool", is_sorted),
    ("(list<uint>).isSorted(): bool", is_sorted),
    ("(list<double>).isSorted(): bool", is_sorted),
    ("(list<bool>).isSorted(): bool", is_sorted),
    ("(list<duration>).isSorted(): bool", is_sorted),
    ("(list<timestamp>).isSorted(): bool", is_sorted),
    ("(list<string>).isSorted(): bool", is_sorted),
    ("(list<bytes>).isSorted(): bool", is_sorted),
    ("(list<int>).sum(): int", sum),
    ("(list<uint>).sum(): uint", sum),
    ("(list<double>).sum(): double", sum),
    ("(list<duration>).sum(): duration", sum),
    ("(list<int>).max(): int", max),
    ("(list<uint>).max(): uint", max),
    ("(list<double>).max(): double", max),
    ("(list<bool>).max(): bool", max),
    ("(list<duration>).max(): duration", max),
    ("(list<timestamp>).max(): timestamp", max),
    ("(list<string>).max(): string", max),
    ("(list<bytes>).max(): bytes", max),
    ("(list<int>).min(): int", min),
    ("(list<uint>).min(): uint", min),
    ("(list<double>).min(): double", min),
    ("(list<bool>).min(): bool", min),
    ("(list<duration>).min(): duration", min),
    ("(list<timestamp>).min(): timestamp", min),
    ("(list<string>).min(): string", min),
    ("(list<bytes>).min(): bytes", min),
    ("(list<A>).indexOf(A): int", |a, meter| {
        let items = items(&a[0])?;
        meter.spend(items.len() as u64)?;
        Ok(place(items.iter().position(|item| *item == a[1])))
    }),
    ("(list<A>).lastIndexOf(A): int", |a, meter| {
        let items = items(&a[0])?;
        meter.spend(items.len() as u64)?;
        Ok(place(items.iter().rposition(|item| *item == a[1])))
    }),
    ("(dyn).includes(dyn): bool", |a, meter| match &a[0] {
        Value::List(list) => {
            meter.spend(list.items.len() as u64)?;
            Ok(Value::Bool(list.items.contains(&a[1])))
        }
        other => Ok(Value::Bool(*other == a[1])),
    }),
    ("(list<A>).slice(int, int): list<A>", slice),
    ("(list<dyn>).flatten(): list<dyn>", |a, meter| flatten(a, 1, meter)),
    ("(list<dyn>).flatten(int): list<dyn>", |a, meter| match number(&a[1])? {
        depth if depth < 0 => Err(Fault::other("level must be non-negative")),
        depth => flatten(a, depth, meter),
    }),
    ("(list<A>).distinct(): list<A>", |a, meter| {
        let mut kept: Vec<Value> = Vec::new();
        for item in items(&a[0])? {
            meter.spend(kept.len() as u64)?;
            if !kept.contains(item) {
                kept.push(item.clone());
            }
        }
        Ok(Value::list(kept))
    }),
    ("(list<A>).reverse(): list<A>", |a, meter| {
        let items = items(&a[0])?;
        meter.spend(items.len() as u64)?;
        Ok(Value::list(items.iter().rev().cloned().collect()))
    }),
    ("(list<A>).sort(): list<A>", |a, meter| {
        let pairs = items(&a[0])?.iter().map(|item| (item.clone(), item.clone())).collect();
        sorted(pairs, meter)
    }),
    ("(list<A>).first(): optional<A>", |a, _| {
        Ok(Value::Optional(items(&a[0])?.first().cloned().map(Into::into)))
    }),
    ("(list<A>).last(): optional<A>", |a, _| {
        Ok(Value::Optional(items(&a[0])?.last().cloned().map(Into::into)))
    }),
    ("lists.range(int): list<int>", |a, meter| match number(&a[0])? {
        size if size < 0 => Err(Fault::other(format!("lists.range: size must be non-negative, got {size}"))),
        size if size > LONGEST_RANGE => {
            Err(Fault::other(format!("lists.range: size {size} exceeds maximum allowed ({LONGEST_RANGE})")))
        }
        size => {
            meter.spend(size.unsigned_abs())?;
            Ok(Value::list((0..size).map(Value::Int).collect()))
        }
    }),
];

fn place(found: Option<usize>) -> Value {
    Value::Int(found.map_or(-1, |at| at as i64))
}

fn is_sorted(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let items = items(&a[0])?;
    meter.spend(items.len() as u64)?;
    for pair in items.windows(2) {
        if pair[0].order(&pair[1]).ok_or(Fault::NoSuchOverload)? == Ordering::Greater {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn sum(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let items = items(&a[0])?;
    meter.spend(items.len() as u64)?;
    let Some((first, rest)) = items.split_first() else { return Ok(Value::Int(0)) };
    if !matches!(first, Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Duration(_)) {
        return Err(Fault::NoSuchOverload);
    }
    let add = super::overloads("_+_", false);
    rest.iter().try_fold(first.clone(), |sum, item| {
        let pair = [sum, item.clone()];
        let overload = add.iter().find(|overload| overload.takes(&pair)).ok_or(Fault::NoSuchOverload)?;
        (overload.call)(&pair, meter)
    })
}

fn max(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    extreme(a, meter, "max", Ordering::Greater)
}

fn min(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    extreme(a, meter, "min", Ordering::Less)
}

fn extreme(a: &[Value], meter: &Meter, name: &str, better: Ordering) -> Result<Value, Fault> {
    let items = items(&a[0])?;
    meter.spend(items.len() as u64)?;
    let (first, rest) =
        items.split_first().ok_or_else(|| Fault::other(format!("{name} called on empty list")))?;
    let mut best = first;
    for item in rest {
        if item.order(best).ok_or(Fault::NoSuchOverload)? == better {
            best = item;
        }
    }
    Ok(best.clone())
}

fn slice(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let (items, start, end) = (items(&a[0])?, number(&a[1])?, number(&a[2])?);
    let range = usize::try_from(start).and_then(|start| Ok((start, usize::try_from(end)?)));
    let Ok((from, to)) = range else {
        return Err(Fault::other(format!("cannot slice({start}, {end}), negative indexes not supported")));
    };
    if from > to {
        let why = "start index must be less than or equal to end index";
        return Err(Fault::other(format!("cannot slice({start}, {end}), {why}")));
    }
    let Some(part) = items.get(from..to) else {
        let why = format!("cannot slice({start}, {end}), list is length {}", items.len());
        return Err(Fault::other(why));
    };
    meter.spend(part.len() as u64)?;
    Ok(Value::list(part.to_vec()))
}

fn flatten(a: &[Value], depth: i64, meter: &Meter) -> Result<Value, Fault> {
    let mut items: Vec<Value> = items(&a[0])?.to_vec();
    // Each round takes off one level; no value is nested deeper than its expression.
    for _ in 0..depth.min(1000) {
        meter.spend(items.len() as u64)?;
        if !items.iter().any(|item| matches!(item, Value::List(_))) {
            break;
        }
        let flat = items.iter().flat_map(|item| match item {
            Value::List(List { items, .. }) => items.to_vec(),
            other => vec![other.clone()],
        });
        items = flat.collect();
    }
    Ok(Value::list(items))
}

/// Values in the order of their keys; equal ones stay as they stood.
pub(in crate::cel) fn sorted(mut pairs: Vec<(Value, Value)>, meter: &Meter) -> Result<Value, Fault> {
    meter.spend(pairs.len() as u64 * u64::from(pairs.len().max(1).ilog2() + 1))?;
    if let Some((first, _)) = pairs.first() {
        let first = first.clone();
        if first.order(&first).is_none() {
            return Err(Fault::other("list elements must be comparable"));
        }
        if pairs.iter().any(|(key, _)| key.type_name() != first.type_name() || key.order(&first).is_none()) {
            return Err(Fault::other("list elements must have the same type"));
        }
    }
    pairs.sort_by(|(a, _), (b, _)| a.order(b).unwrap_or(Ordering::Equal));
    Ok(Value::list(pairs.into_iter().map(|(_, value)| value).collect()))
}
