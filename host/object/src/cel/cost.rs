//! What an expression may cost at most, before anything is known but the bounds of its variables.

use std::sync::Arc;

use super::Value;
use super::node::{Call, Expression, Loop, LoopKind, Node, Select};

/// What is known of the size of a value and its parts.
pub trait Bounds<'b> {
    fn variable(&self, name: &str) -> Option<Box<dyn Bounds<'b> + 'b>>;

    fn field(&self, name: &str) -> Option<Box<dyn Bounds<'b> + 'b>>;

    /// Of every item of a list, or value of a map.
    fn each(&self) -> Option<Box<dyn Bounds<'b> + 'b>>;

    /// Items, entries, or bytes of a text.
    fn most(&self) -> Option<u64>;
}

/// Lists and maps are made for a price; see [`evaluate`](super::evaluate).
const NEW_LIST: u64 = 10;
const NEW_MAP: u64 = 30;
const NEW_OBJECT: u64 = 40;

/// Of one part of an expression.
struct Estimate<'b> {
    cost: u64,
    /// The most of its size, where something is known of it.
    size: Option<u64>,
    bounds: Option<Arc<dyn Bounds<'b> + 'b>>,
}

pub(super) fn most<'b>(node: &Node, variables: &dyn Bounds<'b>) -> u64 {
    Estimator { variables, scope: Vec::new() }.estimate(node).cost
}

type Bound<'b> = (Arc<str>, Option<Arc<dyn Bounds<'b> + 'b>>);

struct Estimator<'a, 'b> {
    variables: &'a dyn Bounds<'b>,
    scope: Vec<Bound<'b>>,
}

impl<'b> Estimator<'_, 'b> {
    fn estimate(&mut self, node: &Node) -> Estimate<'b> {
        match &node.expression {
            Expression::Literal(value) => {
                let sized = matches!(value, Value::String(_) | Value::Bytes(_));
                Estimate { cost: 0, size: sized.then(|| value.size() as u64), bounds: None }
            }
            Expression::Name(name) => {
                let bound = self.scope.iter().rev().find(|(known, _)| known == name);
                let bounds = match bound {
                    Some((_, bounds)) => bounds.clone(),
                    None => self.variables.variable(name).map(Arc::from),
                };
                known(1, bounds)
            }
            Expression::Select(select) => self.select(select),
            Expression::Call(call) => self.call(call),
            Expression::List(items) => {
                let cost = items
                    .iter()
                    .fold(NEW_LIST, |sum, item| sum.saturating_add(self.estimate(&item.value).cost));
                Estimate { cost, size: Some(items.len() as u64), bounds: None }
            }
            Expression::Map(entries) => {
                let parts = entries.iter().flat_map(|entry| [&entry.key, &entry.value]);
                let cost = parts.fold(NEW_MAP, |sum, part| sum.saturating_add(self.estimate(part).cost));
                Estimate { cost, size: Some(entries.len() as u64), bounds: None }
            }
            Expression::Object { fields, .. } => {
                let cost = fields
                    .iter()
                    .fold(NEW_OBJECT, |sum, field| sum.saturating_add(self.estimate(&field.value).cost));
                Estimate { cost, size: None, bounds: None }
            }
            Expression::Loop(each) => self.each(each),
        }
    }

    fn select(&mut self, select: &Select) -> Estimate<'b> {
        let operand = self.estimate(&select.operand);
        let bounds = operand.bounds.and_then(|bounds| bounds.field(&select.field)).map(Arc::from);
        known(operand.cost.saturating_add(u64::from(!select.test)), bounds)
    }

    fn call(&mut self, call: &Call) -> Estimate<'b> {
        let arguments: Vec<Estimate<'b>> =
            call.arguments.iter().map(|argument| self.estimate(argument)).collect();
        let cost = |from: usize| {
            arguments[from..].iter().fold(0_u64, |sum, argument| sum.saturating_add(argument.cost))
        };
        if let ("_?_:_", [condition, yes, no]) = (&*call.function, &arguments[..]) {
            let size = yes.size.zip(no.size).map(|(yes, no)| yes.max(no));
            return Estimate {
                cost: condition.cost.saturating_add(yes.cost.max(no.cost)),
                size,
                bounds: None,
            };
        }
        let (own, size) = own_cost(call, &arguments);
        let bounds = match (&*call.function, arguments.first()) {
            ("_[_]" | "_[?_]", Some(of)) => {
                of.bounds.as_ref().and_then(|bounds| bounds.each()).map(Arc::from)
            }
            ("_?._", Some(of)) => match call.arguments.get(1).map(|name| &name.expression) {
                Some(Expression::Literal(Value::String(name))) => {
                    of.bounds.as_ref().and_then(|bounds| bounds.field(name)).map(Arc::from)
                }
                _ => None,
            },
            ("value" | "orValue" | "or", Some(of)) => of.bounds.clone(),
            _ => None,
        };
        let total = cost(0).saturating_add(own);
        match size {
            Some(_) => Estimate { cost: total, size, bounds },
            None => known(total, bounds),
        }
    }

    /// `cel.bind`: the value once, and the expression with it.
    fn bind(&mut self, each: &Loop) -> Estimate<'b> {
        let value = self.estimate(&each.range);
        self.scope.push((each.first.clone(), value.bounds));
        let result = each.step.as_ref().map(|step| self.estimate(step));
        self.scope.pop();
        let result = result.unwrap_or_else(|| known(0, None));
        Estimate { cost: result.cost.saturating_add(value.cost).saturating_add(NEW_LIST), ..result }
    }

    fn each(&mut self, each: &Loop) -> Estimate<'b> {
        if each.kind == LoopKind::Bind {
            return self.bind(each);
        }
        let range = self.estimate(&each.range);
        let turns = match each.kind {
            LoopKind::OptMap | LoopKind::OptFlatMap | LoopKind::Bind => 1,
            _ => range.size.unwrap_or(0),
        };
        let inside: Option<Arc<dyn Bounds<'b> + 'b>> =
            range.bounds.as_ref().and_then(|bounds| bounds.each()).map(Arc::from);
        let before = self.scope.len();
        match &each.second {
            // Of a list the first is a place, of a map its key.
            Some(second) => {
                self.scope.push((each.first.clone(), None));
                self.scope.push((second.clone(), inside.clone()));
            }
            None => self.scope.push((each.first.clone(), inside.clone())),
        }
        let condition = each.condition.as_ref().map_or(0, |condition| self.estimate(condition).cost);
        let step = each.step.as_ref().map_or(0, |step| self.estimate(step).cost);
        self.scope.truncate(before);
        let turn = condition.saturating_add(step).saturating_add(around(each.kind));
        let cost = range.cost.saturating_add(turns.saturating_mul(turn)).saturating_add(1);
        let (size, bounds) = match each.kind {
            LoopKind::Filter | LoopKind::SortBy => (range.size, range.bounds),
            LoopKind::List | LoopKind::Map | LoopKind::MapEntry => (range.size, None),
            _ => (None, None),
        };
        Estimate { cost, size, bounds }
    }
}

/// What a turn costs beside what is written in it: the expansion of the macro.
fn around(kind: LoopKind) -> u64 {
    match kind {
        LoopKind::All => 3,
        LoopKind::Exists => 4,
        LoopKind::ExistsOne => 2,
        LoopKind::Filter | LoopKind::List | LoopKind::SortBy => 13,
        LoopKind::Map | LoopKind::MapEntry => 32,
        LoopKind::OptMap | LoopKind::OptFlatMap | LoopKind::Bind => 2,
    }
}

fn known<'b>(cost: u64, bounds: Option<Arc<dyn Bounds<'b> + 'b>>) -> Estimate<'b> {
    Estimate { cost, size: bounds.as_ref().and_then(|bounds| bounds.most()), bounds }
}

/// Of the call itself, and the size of what it gives.
fn own_cost(call: &Call, arguments: &[Estimate<'_>]) -> (u64, Option<u64>) {
    let size = |index: usize| arguments.get(index).and_then(|argument| argument.size);
    let some = |index: usize| size(index).unwrap_or(0);
    let tenth = |bytes: u64| bytes.div_ceil(10);
    match &*call.function {
        "_&&_" | "_||_" => (0, None),
        "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" => {
            (size(0).zip(size(1)).map_or(1, |(a, b)| tenth(a.min(b)).max(1)), None)
        }
        "_+_" => match size(0).zip(size(1)) {
            Some((a, b)) => (tenth(a.saturating_add(b)).max(1), Some(a.saturating_add(b))),
            None => (1, None),
        },
        "@in" => (some(1).saturating_add(1), None),
        "contains" => (tenth(some(0)).saturating_mul(tenth(some(1)).max(1)).max(1), None),
        "startsWith" | "endsWith" => (tenth(some(1)).max(1), None),
        "matches" | "find" | "findAll" => {
            (tenth(some(0).saturating_add(1)).saturating_mul(some(1).div_ceil(4).max(1)), size(0))
        }
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes" => (some(0).max(1), None),
        "lowerAscii" | "upperAscii" | "substring" | "trim" | "string" | "bytes" => {
            (tenth(some(0)).max(1), size(0))
        }
        "url" | "quantity" | "isQuantity" | "ip" | "isIP" | "cidr" | "isCIDR" | "semver" | "isSemver"
        | "isURL" => (tenth(some(0)).max(1), None),
        "replace" | "split" => (tenth(some(0).saturating_mul(2)).max(1), size(0)),
        "sets.contains" | "sets.equivalent" | "sets.intersects" => {
            (some(0).saturating_mul(some(1)).max(1), None)
        }
        "distinct" => (some(0).saturating_mul(some(0)).max(1), size(0)),
        "check" => (350_000, None),
        _ => (1, None),
    }
}
