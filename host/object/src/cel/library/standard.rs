//! Conversions, sizes, and what texts are asked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Fault, Meter, Row, Value, number, text};
use crate::cel::value::print_double;

pub(super) const ROWS: &[Row] = &[
    ("size(string): int", size),
    ("size(bytes): int", size),
    ("size(list<A>): int", size),
    ("size(map<A, B>): int", size),
    ("(string).size(): int", size),
    ("(bytes).size(): int", size),
    ("(list<A>).size(): int", size),
    ("(map<A, B>).size(): int", size),
    ("(string).contains(string): bool", |a, meter| {
        let (text, part) = (text(&a[0])?, text(&a[1])?);
        meter.spend((text.len() as u64).div_ceil(10) * (part.len() as u64).div_ceil(10))?;
        Ok(Value::Bool(text.contains(part)))
    }),
    ("(string).startsWith(string): bool", |a, meter| {
        meter.traverse(text(&a[1])?.len())?;
        Ok(Value::Bool(text(&a[0])?.starts_with(text(&a[1])?)))
    }),
    ("(string).endsWith(string): bool", |a, meter| {
        meter.traverse(text(&a[1])?.len())?;
        Ok(Value::Bool(text(&a[0])?.ends_with(text(&a[1])?)))
    }),
    ("type(A): type<A>", |a, _| Ok(Value::Type(a[0].type_name()))),
    ("dyn(A): dyn", |a, _| Ok(a[0].clone())),
    ("bool(bool): bool", to_bool),
    ("bool(string): bool", to_bool),
    ("int(int): int", to_int),
    ("int(uint): int", to_int),
    ("int(double): int", to_int),
    ("int(string): int", to_int),
    ("int(timestamp): int", to_int),
    ("int(duration): int", to_int),
    ("uint(uint): uint", to_uint),
    ("uint(int): uint", to_uint),
    ("uint(double): uint", to_uint),
    ("uint(string): uint", to_uint),
    ("double(double): double", to_double),
    ("double(int): double", to_double),
    ("double(uint): double", to_double),
    ("double(string): double", to_double),
    ("bytes(bytes): bytes", to_bytes),
    ("bytes(string): bytes", to_bytes),
    ("string(string): string", to_string),
    ("string(bool): string", to_string),
    ("string(int): string", to_string),
    ("string(uint): string", to_string),
    ("string(double): string", to_string),
    ("string(bytes): string", to_string),
    ("string(timestamp): string", to_string),
    ("string(duration): string", to_string),
    ("string(net.IP): string", to_string),
    ("string(net.CIDR): string", to_string),
    ("jsonpatch.escapeKey(string): string", |a, meter| {
        let key = text(&a[0])?;
        meter.traverse(key.len())?;
        Ok(Value::text(&key.replace('~', "~0").replace('/', "~1")))
    }),
];

fn size(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    let size = match &a[0] {
        Value::String(text) => text.chars().count(),
        Value::Bytes(_) | Value::List(_) | Value::Map(_) => a[0].size(),
        _ => return Err(Fault::NoSuchOverload),
    };
    Ok(Value::Int(size as i64))
}

fn to_bool(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    match &a[0] {
        Value::Bool(value) => Ok(Value::Bool(*value)),
        Value::String(text) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(unparsable("ParseBool", text)),
        },
        _ => Err(Fault::NoSuchOverload),
    }
}

/// Go's words.
fn unparsable(function: &str, text: &str) -> Fault {
    Fault::other(format!("strconv.{function}: parsing {text:?}: invalid syntax"))
}

fn to_int(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    let overflow = || Fault::other("integer overflow");
    Ok(Value::Int(match &a[0] {
        Value::Int(value) => *value,
        Value::Uint(value) => i64::try_from(*value).map_err(|_| overflow())?,
        Value::Double(value) if value.is_finite() && value.abs() < 9.223_372_036_854_775e18 => *value as i64,
        Value::Double(_) => return Err(overflow()),
        Value::String(text) => text.parse().map_err(|_| unparsable("ParseInt", text))?,
        Value::Timestamp(at) => at.as_second(),
        Value::Duration(duration) => i64::try_from(duration.as_nanos()).map_err(|_| overflow())?,
        _ => return Err(Fault::NoSuchOverload),
    }))
}

fn to_uint(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    let overflow = || Fault::other("unsigned integer overflow");
    Ok(Value::Uint(match &a[0] {
        Value::Uint(value) => *value,
        Value::Int(value) => u64::try_from(*value).map_err(|_| overflow())?,
        Value::Double(value) if (0.0..1.844_674_407_370_955e19).contains(value) => *value as u64,
        Value::Double(_) => return Err(overflow()),
        Value::String(text) => text.parse().map_err(|_| unparsable("ParseUint", text))?,
        _ => return Err(Fault::NoSuchOverload),
    }))
}

fn to_double(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    Ok(Value::Double(match &a[0] {
        Value::Double(value) => *value,
        Value::Int(value) => *value as f64,
        Value::Uint(value) => *value as f64,
        Value::String(text) => text.parse().map_err(|_| unparsable("ParseFloat", text))?,
        _ => return Err(Fault::NoSuchOverload),
    }))
}

fn to_bytes(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    meter.traverse(a[0].size())?;
    match &a[0] {
        Value::Bytes(bytes) => Ok(Value::Bytes(bytes.clone())),
        Value::String(text) => Ok(Value::Bytes(text.as_bytes().into())),
        _ => Err(Fault::NoSuchOverload),
    }
}

fn to_string(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    meter.traverse(a[0].size())?;
    match &a[0] {
        Value::Bytes(bytes) if std::str::from_utf8(bytes).is_err() => {
            Err(Fault::other("invalid UTF-8 in bytes, cannot convert to string"))
        }
        other => other.print().map(|text| Value::text(&text)).ok_or(Fault::NoSuchOverload),
    }
}

/// How `format` and lists within it write a value.
pub(super) fn in_words(value: &Value) -> Result<String, Fault> {
    Ok(match value {
        Value::Null => "null".into(),
        Value::Type(name) => name.to_string(),
        Value::Double(value) if value.is_infinite() => {
            if *value > 0.0 {
                "Infinity".into()
            } else {
                "-Infinity".into()
            }
        }
        Value::Double(value) => print_double(*value),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::List(list) => {
            let parts = list.items.iter().map(quoted).collect::<Result<Vec<_>, _>>()?;
            format!("[{}]", parts.join(", "))
        }
        Value::Map(map) => {
            let entry = |(key, value): (&super::super::value::Key, &Value)| {
                Ok(format!("{}:{}", quoted(&key.value())?, quoted(value)?))
            };
            let parts = map.entries.iter().map(entry).collect::<Result<Vec<_>, Fault>>()?;
            format!("{{{}}}", parts.join(", "))
        }
        other => other
            .print()
            .ok_or_else(|| Fault::other(format!("no formatting function for {}", other.type_name())))?,
    })
}

fn quoted(value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(super::strings::quote(text)),
        Value::Bytes(bytes) => Ok(format!("b\"{}\"", STANDARD.encode(bytes))),
        Value::Timestamp(_) => Ok(format!("timestamp({:?})", in_words(value)?)),
        Value::Duration(_) => Ok(format!("duration({:?})", in_words(value)?)),
        other => in_words(other),
    }
}

/// A place in a text or list that may not be negative.
pub(super) fn place(value: &Value) -> Result<usize, Fault> {
    let at = number(value)?;
    usize::try_from(at).map_err(|_| Fault::other(format!("index out of range: {at}")))
}
