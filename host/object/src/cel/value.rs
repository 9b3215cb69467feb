//! What expressions work with.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use super::library::Native;
use super::types::Type;

/// Cheap to clone: what is large is shared.
#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    Timestamp(Timestamp),
    Duration(SignedDuration),
    List(List),
    Map(Map),
    Optional(Option<Arc<Value>>),
    /// The name of a type.
    Type(Arc<str>),
    /// Of a library of Kubernetes'.
    Native(Arc<Native>),
}

#[derive(Debug, Clone, Default)]
pub struct List {
    pub items: Arc<Vec<Value>>,
    /// How items are told apart; none: by their place.
    pub merge: Option<Arc<Merge>>,
}

/// Lists whose order does not count (`x-kubernetes-list-type`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    Set,
    /// The keys that name an item.
    Map(Vec<String>),
}

#[derive(Debug, Clone, Default)]
pub struct Map {
    pub entries: Arc<BTreeMap<Key, Value>>,
    /// Set for objects that an expression has made: `Object.spec`.
    pub type_name: Option<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Bool(bool),
    Int(i64),
    /// Beyond what an int holds.
    Uint(u64),
    String(Arc<str>),
}

impl Key {
    /// `None`: nothing that can be a key. Whole doubles are the ints they equal.
    pub fn of(value: &Value) -> Option<Key> {
        match value {
            Value::Bool(value) => Some(Key::Bool(*value)),
            Value::Int(value) => Some(Key::Int(*value)),
            Value::Uint(value) => Some(i64::try_from(*value).map_or(Key::Uint(*value), Key::Int)),
            Value::Double(value) if value.fract() == 0.0 && value.abs() < 9.0e15 => {
                Some(Key::Int(*value as i64))
            }
            Value::String(value) => Some(Key::String(value.clone())),
            _ => None,
        }
    }

    pub fn value(&self) -> Value {
        match self {
            Key::Bool(value) => Value::Bool(*value),
            Key::Int(value) => Value::Int(*value),
            Key::Uint(value) => Value::Uint(*value),
            Key::String(value) => Value::String(value.clone()),
        }
    }
}

impl Value {
    pub fn text(text: &str) -> Value {
        Value::String(text.into())
    }

    pub fn list(items: Vec<Value>) -> Value {
        Value::List(List { items: Arc::new(items), merge: None })
    }

    pub fn texts<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Value {
        Value::list(items.into_iter().map(|item| Value::text(item.as_ref())).collect())
    }

    pub fn map(entries: impl IntoIterator<Item = (Key, Value)>) -> Value {
        Value::Map(Map { entries: Arc::new(entries.into_iter().collect()), type_name: None })
    }

    /// A map with names for keys.
    pub fn fields<N: AsRef<str>>(fields: impl IntoIterator<Item = (N, Value)>) -> Value {
        Value::map(fields.into_iter().map(|(name, value)| (Key::String(name.as_ref().into()), value)))
    }

    pub fn some(value: Value) -> Value {
        Value::Optional(Some(Arc::new(value)))
    }

    pub fn none() -> Value {
        Value::Optional(None)
    }

    pub fn native(native: Native) -> Value {
        Value::Native(Arc::new(native))
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a field or key.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Map(map) => map.entries.get(&Key::String(name.into())),
            _ => None,
        }
    }

    /// An object as it is written, without a schema.
    pub fn from_json(json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => {
                number.as_i64().map_or_else(|| Value::Double(number.as_f64().unwrap_or(0.0)), Value::Int)
            }
            Json::String(text) => Value::text(text),
            Json::Array(items) => Value::list(items.iter().map(Value::from_json).collect()),
            Json::Object(fields) => {
                Value::fields(fields.iter().map(|(name, value)| (name, Value::from_json(value))))
            }
        }
    }

    /// The value as it is written in an object; `None`: it cannot be.
    pub fn to_json(&self) -> Option<Json> {
        Some(match self {
            Value::Null => Json::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Uint(value) => (*value).into(),
            Value::Double(value) => whole(*value).map_or_else(|| (*value).into(), Json::from),
            Value::String(text) => (**text).into(),
            Value::Bytes(bytes) => STANDARD.encode(bytes).into(),
            Value::Timestamp(_) | Value::Duration(_) => self.print()?.into(),
            Value::List(list) => list.items.iter().map(Value::to_json).collect::<Option<Vec<_>>>()?.into(),
            Value::Map(map) => {
                let entry = |(key, value): (&Key, &Value)| Some((key.value().print()?, value.to_json()?));
                Json::Object(map.entries.iter().map(entry).collect::<Option<_>>()?)
            }
            Value::Optional(Some(value)) => value.to_json()?,
            Value::Optional(None) | Value::Type(_) | Value::Native(_) => return None,
        })
    }

    /// What `string(value)` gives; `None`: there is no such conversion.
    pub fn print(&self) -> Option<String> {
        Some(match self {
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Uint(value) => value.to_string(),
            Value::Double(value) => print_double(*value),
            Value::String(text) => text.to_string(),
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.to_owned(),
            Value::Timestamp(at) => at.to_string(),
            Value::Duration(duration) => print_duration(*duration),
            Value::Native(native) => native.print()?,
            Value::Null | Value::List(_) | Value::Map(_) | Value::Optional(_) | Value::Type(_) => {
                return None;
            }
        })
    }

    /// As `type(value)` names it.
    pub fn type_name(&self) -> Arc<str> {
        match self {
            Value::Null => "null_type".into(),
            Value::Bool(_) => "bool".into(),
            Value::Int(_) => "int".into(),
            Value::Uint(_) => "uint".into(),
            Value::Double(_) => "double".into(),
            Value::String(_) => "string".into(),
            Value::Bytes(_) => "bytes".into(),
            Value::Timestamp(_) => "google.protobuf.Timestamp".into(),
            Value::Duration(_) => "google.protobuf.Duration".into(),
            Value::List(_) => "list".into(),
            Value::Map(map) => map.type_name.clone().unwrap_or_else(|| "map".into()),
            Value::Optional(_) => "optional_type".into(),
            Value::Type(_) => "type".into(),
            Value::Native(native) => native.type_name().into(),
        }
    }

    /// Whether it may be what a signature asks for; of lists and maps the outside counts.
    pub(super) fn is(&self, of: &Type) -> bool {
        match (of, self) {
            (Type::Dyn | Type::Any | Type::Param(_), _)
            | (Type::Null, Value::Null)
            | (Type::Bool, Value::Bool(_))
            | (Type::Int, Value::Int(_))
            | (Type::Uint, Value::Uint(_))
            | (Type::Double, Value::Double(_))
            | (Type::String, Value::String(_))
            | (Type::Bytes, Value::Bytes(_))
            | (Type::Timestamp, Value::Timestamp(_))
            | (Type::Duration, Value::Duration(_))
            | (Type::List(_), Value::List(_))
            | (Type::Map(..) | Type::Object(_), Value::Map(_))
            | (Type::Optional(_), Value::Optional(_))
            | (Type::Type(_), Value::Type(_)) => true,
            (Type::Native(name), Value::Native(native)) => *name == native.type_name(),
            _ => false,
        }
    }

    /// Zero, empty, null: what `optional.ofNonZeroValue` leaves out.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Bool(value) => !value,
            Value::Int(value) => *value == 0,
            Value::Uint(value) => *value == 0,
            Value::Double(value) => *value == 0.0,
            Value::String(text) => text.is_empty(),
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::Duration(duration) => duration.is_zero(),
            Value::List(list) => list.items.is_empty(),
            Value::Map(map) => map.entries.is_empty(),
            Value::Optional(value) => value.is_none(),
            Value::Timestamp(_) | Value::Type(_) | Value::Native(_) => false,
        }
    }

    /// Bytes of a text, items of a list, entries of a map; one for the rest.
    pub(super) fn size(&self) -> usize {
        match self {
            Value::String(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(list) => list.items.len(),
            Value::Map(map) => map.entries.len(),
            _ => 1,
        }
    }

    /// Less, equal or greater; `None`: the two cannot be ordered.
    pub(super) fn order(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
            (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
            (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
            (a, b) => order_numbers(a, b),
        }
    }
}

/// By value, whatever the kinds of number; values of different kinds are not equal.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a.entries == b.entries,
            (Value::Optional(a), Value::Optional(b)) => a == b,
            (Value::Type(a), Value::Type(b)) => a == b,
            (Value::Native(a), Value::Native(b)) => a == b,
            (a, b) => a.order(b) == Some(Ordering::Equal),
        }
    }
}

impl PartialEq for List {
    fn eq(&self, other: &List) -> bool {
        if self.items.len() != other.items.len() {
            return false;
        }
        match self.merge.as_deref().or(other.merge.as_deref()) {
            None => self.items == other.items,
            Some(Merge::Set) => self.items.iter().all(|item| other.items.contains(item)),
            Some(Merge::Map(keys)) => self
                .items
                .iter()
                .all(|item| other.items.iter().any(|other| same_keys(keys, item, other) && item == other)),
        }
    }
}

impl List {
    /// One list after the other; where order does not count, an item of the second takes the place
    /// of the one it names, or of the one it equals.
    pub(super) fn join(&self, other: &List) -> List {
        let mut items = Vec::clone(&self.items);
        for item in other.items.iter() {
            let same = |known: &&mut Value| match self.merge.as_deref() {
                None => false,
                Some(Merge::Set) => **known == *item,
                Some(Merge::Map(keys)) => same_keys(keys, known, item),
            };
            match items.iter_mut().find(same) {
                Some(known) => *known = item.clone(),
                None => items.push(item.clone()),
            }
        }
        List { items: Arc::new(items), merge: self.merge.clone() }
    }
}

fn same_keys(keys: &[String], a: &Value, b: &Value) -> bool {
    keys.iter().all(|key| a.get(key) == b.get(key))
}

fn order_numbers(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), b) => order_double(*a, integer(b)?),
        (a, Value::Double(b)) => order_double(*b, integer(a)?).map(Ordering::reverse),
        (a, b) => Some(integer(a)?.cmp(&integer(b)?)),
    }
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(value) => Some((*value).into()),
        Value::Uint(value) => Some((*value).into()),
        _ => None,
    }
}

/// Exact, also where an integer has more digits than a double.
fn order_double(a: f64, b: i128) -> Option<Ordering> {
    match a {
        nan if nan.is_nan() => None,
        large if large >= 2e19 => Some(Ordering::Greater),
        small if small <= -2e19 => Some(Ordering::Less),
        a => Some((a.trunc() as i128).cmp(&b).then(a.fract().partial_cmp(&0.0)?)),
    }
}

fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() < 9.0e15).then_some(value as i64)
}

/// Go's shortest form: `1`, `0.5`, `1e+21`.
pub(super) fn print_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    value.to_string()
}

/// Seconds, with as many decimals as it takes: `3600s`, `1.5s`.
pub(super) fn print_duration(duration: SignedDuration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let (seconds, nanos) = (seconds.unsigned_abs(), nanos.unsigned_abs());
    match nanos {
        0 => format!("{sign}{seconds}s"),
        nanos => format!("{sign}{seconds}.{}s", format!("{nanos:09}").trim_end_matches('0')),
    }
}
