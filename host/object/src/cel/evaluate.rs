//! Expressions at work.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::library::{self, Overload};
use super::meter::Meter;
use super::node::{Call, Entry, Expression, Field, Item, Loop, LoopKind, Node, Select};
use super::value::{Key, List, Map};
use super::{Fault, Value};

/// Units that making a list, a map or an object costs.
const NEW_LIST: u64 = 10;
const NEW_MAP: u64 = 30;
const NEW_OBJECT: u64 = 40;

/// Where names get their values.
pub trait Variables {
    /// `None`: there is no such variable.
    fn get(&self, name: &str) -> Option<Result<Value, Fault>>;

    /// A field of a variable that is not made as a whole, like one of `variables`. `None`: ask for
    /// the whole.
    fn field(&self, _variable: &str, _field: &str) -> Option<Result<Value, Fault>> {
        None
    }
}

/// Names and values, as they are.
impl Variables for Vec<(&str, Value)> {
    fn get(&self, name: &str) -> Option<Result<Value, Fault>> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| Ok(value.clone()))
    }
}

/// One evaluation; loops add their variables to `scope`.
pub(super) struct Run<'a> {
    pub variables: &'a dyn Variables,
    pub meter: &'a Meter,
    pub scope: Vec<(Arc<str>, Value)>,
}

impl Run<'_> {
    pub fn value(&mut self, node: &Node) -> Result<Value, Fault> {
        self.meter.descend()?;
        let value = self.part(node);
        self.meter.rise();
        value
    }

    fn part(&mut self, node: &Node) -> Result<Value, Fault> {
        match &node.expression {
            Expression::Literal(value) => Ok(value.clone()),
            Expression::Name(name) => self.name(name),
            Expression::Select(select) => self.select(select),
            Expression::Call(call) => self.call(call),
            Expression::List(items) => self.list(items),
            Expression::Map(entries) => self.map(entries),
            Expression::Object { type_name, fields } => self.object(type_name, fields),
            Expression::Loop(each) => self.each(each),
        }
    }

    fn bound(&self, name: &str) -> Option<&Value> {
        self.scope.iter().rev().find(|(bound, _)| &**bound == name).map(|(_, value)| value)
    }

    fn name(&mut self, name: &str) -> Result<Value, Fault> {
        self.meter.spend(1)?;
        if let Some(value) = self.bound(name) {
            return Ok(value.clone());
        }
        match self.variables.get(name) {
            Some(value) => value,
            None if is_type(name) => Ok(Value::Type(name.into())),
            None => Err(Fault::NoSuchVariable(name.to_owned())),
        }
    }

    fn select(&mut self, select: &Select) -> Result<Value, Fault> {
        self.meter.spend(u64::from(!select.test))?;
        if let Some(found) = self.variable_field(select) {
            return match select.test {
                true => Ok(Value::Bool(found.is_ok())),
                false => found,
            };
        }
        let operand = self.value(&select.operand)?;
        if select.test {
            return Ok(Value::Bool(match &operand {
                Value::Optional(None) => false,
                Value::Optional(Some(value)) => value.get(&select.field).is_some(),
                Value::Map(_) => operand.get(&select.field).is_some(),
                _ => return Err(Fault::NoSuchOverload),
            }));
        }
        field(&operand, &select.field)
    }

    /// `variables.name`, or a name with dots in it.
    fn variable_field(&mut self, select: &Select) -> Option<Result<Value, Fault>> {
        let Expression::Name(variable) = &select.operand.expression else { return self.dotted(select) };
        if self.bound(variable).is_some() {
            return None;
        }
        if let Some(found) = self.variables.field(variable, &select.field) {
            return Some(found);
        }
        self.dotted(select)
    }

    /// `google.protobuf.Timestamp` names a type, `authorizer.requestResource` a variable.
    fn dotted(&mut self, select: &Select) -> Option<Result<Value, Fault>> {
        let name = format!("{}.{}", select.operand.qualified_name()?, select.field);
        if self.bound(name.split('.').next().unwrap_or_default()).is_some() {
            return None;
        }
        match self.variables.get(&name) {
            None if is_type(&name) => Some(Ok(Value::Type(name.as_str().into()))),
            found => found,
        }
    }

    fn call(&mut self, call: &Call) -> Result<Value, Fault> {
        match (&*call.function, &call.arguments[..]) {
            ("_&&_", [left, right]) => self.logical(left, right, false),
            ("_||_", [left, right]) => self.logical(left, right, true),
            ("_?_:_", [condition, yes, no]) => match self.value(condition)? {
                Value::Bool(true) => self.value(yes),
                Value::Bool(false) => self.value(no),
                _ => Err(Fault::NoSuchOverload),
            },
            ("_?._", [operand, name]) => self.select_optional(operand, name),
            ("or" | "orValue", [operand, other]) if call.member => {
                let value = self.value(operand)?;
                match (&*call.function, value) {
                    ("or", some @ Value::Optional(Some(_))) => Ok(some),
                    (_, Value::Optional(Some(value))) => Ok((*value).clone()),
                    (_, Value::Optional(None)) => self.value(other),
                    _ => Err(Fault::NoSuchOverload),
                }
            }
            (_, arguments) => self.plain_call(call.overloads, arguments),
        }
    }

    fn plain_call(&mut self, overloads: &[Overload], arguments: &[Node]) -> Result<Value, Fault> {
        self.meter.spend(1)?;
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.value(argument)?);
        }
        match overloads.iter().find(|overload| overload.takes(&values)) {
            Some(overload) => (overload.call)(&values, self.meter),
            None => Err(Fault::NoSuchOverload),
        }
    }

    /// One side can decide although the other has no value.
    fn logical(&mut self, left: &Node, right: &Node, decides: bool) -> Result<Value, Fault> {
        let first = self.value(left);
        match first {
            Ok(Value::Bool(value)) if value == decides => return Ok(Value::Bool(decides)),
            Err(fault) if fault.is_final() => return Err(fault),
            _ => {}
        }
        match (first, self.value(right)) {
            (_, Ok(Value::Bool(value))) if value == decides => Ok(Value::Bool(decides)),
            (_, Err(fault)) if fault.is_final() => Err(fault),
            (Err(fault), _) | (Ok(Value::Bool(_)), Err(fault)) => Err(fault),
            (Ok(Value::Bool(_)), Ok(Value::Bool(value))) => Ok(Value::Bool(value)),
            _ => Err(Fault::NoSuchOverload),
        }
    }

    fn select_optional(&mut self, operand: &Node, name: &Node) -> Result<Value, Fault> {
        self.meter.spend(1)?;
        let Expression::Literal(Value::String(name)) = &name.expression else {
            return Err(Fault::NoSuchOverload);
        };
        let operand = match &operand.expression {
            // A variable may be made by the field.
            Expression::Name(variable) if self.bound(variable).is_none() => {
                match self.variables.field(variable, name) {
                    Some(Ok(value)) => return Ok(Value::some(value)),
                    Some(Err(Fault::NoSuchKey(_))) => return Ok(Value::none()),
                    Some(Err(fault)) => return Err(fault),
                    None => self.value(operand)?,
                }
            }
            _ => self.value(operand)?,
        };
        let within = match &operand {
            Value::Optional(None) => return Ok(Value::none()),
            Value::Optional(Some(value)) => value,
            other => other,
        };
        match within {
            Value::Map(_) => {
                Ok(within.get(name).map_or_else(Value::none, |found| Value::some(found.clone())))
            }
            _ => Err(Fault::NoSuchOverload),
        }
    }

    fn list(&mut self, items: &[Item]) -> Result<Value, Fault> {
        self.meter.spend(NEW_LIST)?;
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            match self.value(&item.value)? {
                Value::Optional(held) if item.optional => list.extend(held.map(|value| (*value).clone())),
                _ if item.optional => return Err(Fault::NoSuchOverload),
                value => list.push(value),
            }
        }
        Ok(Value::list(list))
    }

    fn map(&mut self, entries: &[Entry]) -> Result<Value, Fault> {
        self.meter.spend(NEW_MAP)?;
        let mut map = BTreeMap::new();
        for entry in entries {
            let key =
                Key::of(&self.value(&entry.key)?).ok_or_else(|| Fault::other("unsupported key type"))?;
            let value = match self.value(&entry.value)? {
                Value::Optional(None) if entry.optional => continue,
                Value::Optional(Some(value)) if entry.optional => (*value).clone(),
                _ if entry.optional => return Err(Fault::NoSuchOverload),
                value => value,
            };
            if map.contains_key(&key) {
                let shown = key.value().print().unwrap_or_default();
                return Err(Fault::other(format!("insert failed: key {shown} already exists")));
            }
            map.insert(key, value);
        }
        Ok(Value::map(map))
    }

    fn object(&mut self, type_name: &Arc<str>, fields: &[Field]) -> Result<Value, Fault> {
        self.meter.spend(NEW_OBJECT)?;
        let mut entries = BTreeMap::new();
        for field in fields {
            let value = match self.value(&field.value)? {
                Value::Optional(None) if field.optional => continue,
                Value::Optional(Some(value)) if field.optional => (*value).clone(),
                value => value,
            };
            entries.insert(Key::String(field.name.clone()), value);
        }
        Ok(Value::Map(Map { entries: Arc::new(entries), type_name: Some(type_name.clone()) }))
    }

    fn each(&mut self, each: &Loop) -> Result<Value, Fault> {
        let range = self.value(&each.range)?;
        match (each.kind, range) {
            (LoopKind::Bind, value) => {
                self.meter.spend(NEW_LIST)?;
                self.turn(each, value, None, each.step.as_ref())
            }
            (LoopKind::OptMap | LoopKind::OptFlatMap, Value::Optional(None)) => Ok(Value::none()),
            (kind @ (LoopKind::OptMap | LoopKind::OptFlatMap), Value::Optional(Some(value))) => {
                let held = self.turn(each, (*value).clone(), None, each.step.as_ref())?;
                Ok(if kind == LoopKind::OptMap { Value::some(held) } else { held })
            }
            (_, Value::List(list)) => {
                let turns = list.items.iter().enumerate().map(|(index, item)| match each.second {
                    None => (item.clone(), None),
                    Some(_) => (Value::Int(index as i64), Some(item.clone())),
                });
                self.turns(each, turns)
            }
            (_, Value::Map(map)) => {
                let turns = map.entries.iter().map(|(key, value)| match each.second {
                    None => (key.value(), None),
                    Some(_) => (key.value(), Some(value.clone())),
                });
                self.turns(each, turns)
            }
            _ => Err(Fault::NoSuchOverload),
        }
    }

    /// What a part of the loop is, with its names bound.
    fn turn(
        &mut self,
        each: &Loop,
        first: Value,
        second: Option<Value>,
        part: Option<&Node>,
    ) -> Result<Value, Fault> {
        let before = self.scope.len();
        self.scope.push((each.first.clone(), first));
        if let (Some(name), Some(value)) = (&each.second, second) {
            self.scope.push((name.clone(), value));
        }
        let result = part.map_or(Err(Fault::NoSuchOverload), |part| self.value(part));
        self.scope.truncate(before);
        result
    }

    fn turns(
        &mut self,
        each: &Loop,
        turns: impl Iterator<Item = (Value, Option<Value>)>,
    ) -> Result<Value, Fault> {
        let mut gathered = Gathered::new(each.kind);
        for (first, second) in turns {
            self.meter.spend(1)?;
            let holds = match &each.condition {
                None => Ok(true),
                Some(condition) => match self.turn(each, first.clone(), second.clone(), Some(condition)) {
                    Ok(Value::Bool(holds)) => Ok(holds),
                    Ok(_) => Err(Fault::NoSuchOverload),
                    Err(fault) if fault.is_final() => return Err(fault),
                    Err(fault) => Err(fault),
                },
            };
            let step = match (&each.step, &holds) {
                (Some(step), Ok(true)) => Some(self.turn(each, first.clone(), second, Some(step))?),
                _ => None,
            };
            if gathered.add(holds, first, step)? {
                break;
            }
        }
        gathered.finish(self.meter)
    }
}

/// What a loop has found so far.
struct Gathered {
    kind: LoopKind,
    /// Why a turn had no answer, for loops in which another turn may decide.
    fault: Option<Fault>,
    count: usize,
    items: Vec<Value>,
    keys: Vec<Value>,
    entries: BTreeMap<Key, Value>,
}

impl Gathered {
    fn new(kind: LoopKind) -> Gathered {
        Gathered {
            kind,
            fault: None,
            count: 0,
            items: Vec::new(),
            keys: Vec::new(),
            entries: BTreeMap::new(),
        }
    }

    /// True: the rest does not matter.
    fn add(&mut self, holds: Result<bool, Fault>, first: Value, step: Option<Value>) -> Result<bool, Fault> {
        match (self.kind, holds) {
            (LoopKind::All, Ok(holds)) => {
                self.count += usize::from(!holds);
                return Ok(!holds);
            }
            (LoopKind::Exists, Ok(holds)) => {
                self.count += usize::from(holds);
                return Ok(holds);
            }
            (LoopKind::All | LoopKind::Exists, Err(fault)) => self.fault = Some(fault),
            (_, Err(fault)) => return Err(fault),
            (LoopKind::ExistsOne, Ok(holds)) => self.count += usize::from(holds),
            (_, Ok(false)) => {}
            (LoopKind::Filter, Ok(true)) => self.items.push(first),
            (LoopKind::List, Ok(true)) => self.items.extend(step),
            (LoopKind::SortBy, Ok(true)) => {
                self.keys.extend(step);
                self.items.push(first);
            }
            (LoopKind::Map, Ok(true)) => {
                let key = Key::of(&first).ok_or(Fault::NoSuchOverload)?;
                self.entries.extend(step.map(|value| (key, value)));
            }
            (LoopKind::MapEntry, Ok(true)) => {
                let Some(Value::Map(map)) = step else { return Err(Fault::NoSuchOverload) };
                for (key, value) in map.entries.iter() {
                    if self.entries.insert(key.clone(), value.clone()).is_some() {
                        let shown = key.value().print().unwrap_or_default();
                        return Err(Fault::other(format!("insert failed: key {shown} already exists")));
                    }
                }
            }
            (LoopKind::OptMap | LoopKind::OptFlatMap | LoopKind::Bind, Ok(true)) => {
                return Err(Fault::NoSuchOverload);
            }
        }
        Ok(false)
    }

    fn finish(self, meter: &Meter) -> Result<Value, Fault> {
        match self.kind {
            LoopKind::All if self.count > 0 => Ok(Value::Bool(false)),
            LoopKind::Exists if self.count > 0 => Ok(Value::Bool(true)),
            LoopKind::All => self.fault.map_or(Ok(Value::Bool(true)), Err),
            LoopKind::Exists => self.fault.map_or(Ok(Value::Bool(false)), Err),
            LoopKind::ExistsOne => Ok(Value::Bool(self.count == 1)),
            LoopKind::Filter | LoopKind::List => {
                Ok(Value::List(List { items: Arc::new(self.items), merge: None }))
            }
            LoopKind::SortBy => library::sorted(self.keys.into_iter().zip(self.items).collect(), meter),
            LoopKind::Map | LoopKind::MapEntry => Ok(Value::map(self.entries)),
            LoopKind::OptMap | LoopKind::OptFlatMap | LoopKind::Bind => Err(Fault::NoSuchOverload),
        }
    }
}

/// The field of an object; through an optional it is an optional.
fn field(operand: &Value, name: &str) -> Result<Value, Fault> {
    match operand {
        Value::Map(_) => operand.get(name).cloned().ok_or_else(|| Fault::NoSuchKey(name.to_owned())),
        Value::Optional(None) => Ok(Value::none()),
        Value::Optional(Some(value)) => match &**value {
            Value::Map(_) => Ok(value.get(name).map_or_else(Value::none, |found| Value::some(found.clone()))),
            _ => Err(Fault::NoSuchOverload),
        },
        _ => Err(Fault::NoSuchOverload),
    }
}

/// Names of types stand for themselves.
pub(super) fn is_type(name: &str) -> bool {
    const TYPES: [&str; 14] = [
        "bool",
        "bytes",
        "double",
        "int",
        "list",
        "map",
        "null_type",
        "string",
        "type",
        "uint",
        "optional_type",
        "google.protobuf.Timestamp",
        "google.protobuf.Duration",
        "dyn",
    ];
    TYPES.contains(&name)
}
