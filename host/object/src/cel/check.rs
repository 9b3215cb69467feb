//! Whether an expression makes sense, before it runs: names that are not declared, fields that are
//! not there, functions that take something else. Messages are cel-go's.

use std::sync::Arc;

use super::Value;
use super::environment::Environment;
use super::evaluate::is_type;
use super::library::{self, strings, time};
use super::node::{Call, Entry, Expression, Field, Item, Loop, LoopKind, Node, Select};
use super::source::Issue;
use super::types::{Bindings, Type};

/// The type of the expression, or all that is wrong with it.
pub(super) fn check(node: &Node, environment: &Environment, source: &str) -> Result<Type, Vec<Issue>> {
    let mut checker = Checker { environment, source, scope: Vec::new(), formats: 0, issues: Vec::new() };
    let of = checker.infer(node);
    if checker.issues.is_empty() { Ok(of) } else { Err(checker.issues) }
}

struct Checker<'a> {
    environment: &'a Environment,
    source: &'a str,
    /// Variables of the loops around.
    scope: Vec<(Arc<str>, Type)>,
    /// Calls of `format` around: what is printed may be of any types.
    formats: usize,
    issues: Vec<Issue>,
}

impl Checker<'_> {
    /// What is wrong counts as dyn: nothing more is said of it.
    fn wrong(&mut self, at: usize, why: impl Into<String>) -> Type {
        self.issues.push(Issue::at(self.source, at, why));
        Type::Dyn
    }

    fn undeclared(&mut self, at: usize, name: &str) -> Type {
        self.wrong(at, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn infer(&mut self, node: &Node) -> Type {
        match &node.expression {
            Expression::Literal(value) => literal(value),
            Expression::Name(name) => match self.variable(name) {
                Some(of) => of,
                None => self.undeclared(node.at, name),
            },
            Expression::Select(select) => self.select(select, node),
            Expression::Call(call) => self.call(call, node.at),
            Expression::List(items) => self.list(items),
            Expression::Map(entries) => self.map(entries),
            Expression::Object { type_name, fields } => self.object(type_name, fields, node.at),
            Expression::Loop(each) => self.each(each, node.at),
        }
    }

    fn variable(&self, name: &str) -> Option<Type> {
        if let Some((_, of)) = self.scope.iter().rev().find(|(bound, _)| &**bound == name) {
            return Some(of.clone());
        }
        let known = self.environment.variable(name);
        known.or_else(|| is_type(name).then(|| Type::Type(Type::Dyn.into())))
    }

    fn select(&mut self, select: &Select, node: &Node) -> Type {
        let dotted = node.qualified_name().filter(|name| {
            let first = name.split('.').next().unwrap_or_default();
            !self.scope.iter().any(|(bound, _)| &**bound == first)
        });
        if let Some(of) = dotted.and_then(|name| self.variable(&name)) {
            return of;
        }
        let operand = self.infer(&select.operand);
        let of = self.field(&operand, &select.field, node.at);
        if select.test { Type::Bool } else { of }
    }

    fn field(&mut self, operand: &Type, name: &str, at: usize) -> Type {
        match operand {
            Type::Dyn | Type::Any => Type::Dyn,
            Type::Map(_, value) => (**value).clone(),
            Type::Optional(of) => match self.field(of, name, at) {
                nested @ Type::Optional(_) => nested,
                of => Type::optional(of),
            },
            Type::Object(fields) => match fields.field(name) {
                Some(of) => of,
                None => self.wrong(at, format!("undefined field '{name}'")),
            },
            other => self.wrong(at, format!("type '{other}' does not support field selection")),
        }
    }

    fn call(&mut self, call: &Call, at: usize) -> Type {
        if &*call.function == "_?._"
            && let [operand, name] = &call.arguments[..]
        {
            return self.select_optional(operand, name, at);
        }
        let of_format = usize::from(call.member && &*call.function == "format");
        self.formats += of_format;
        let arguments: Vec<Type> = call.arguments.iter().map(|argument| self.infer(argument)).collect();
        self.formats -= of_format;
        self.check_literals(call);
        let hidden = self.environment.hides(&call.function);
        if hidden || (call.overloads.is_empty() && !library::is_known(&call.function)) {
            return self.undeclared(at, &call.function);
        }
        self.resolve(call, &arguments, at)
    }

    fn resolve(&mut self, call: &Call, arguments: &[Type], at: usize) -> Type {
        let mut result: Option<Type> = None;
        for overload in call.overloads.iter().filter(|known| known.parameters.len() == arguments.len()) {
            let mut bindings = Bindings::default();
            let fits =
                overload.parameters.iter().zip(arguments).all(|(want, have)| bindings.fits(want, have));
            if !fits {
                continue;
            }
            let of = bindings.apply(&overload.result);
            result = Some(match result {
                Some(known) if !known.is_exactly(&of) => Type::Dyn,
                _ => of,
            });
        }
        result.unwrap_or_else(|| self.no_overload(&call.function, call.member, arguments, at))
    }

    fn no_overload(&mut self, function: &str, member: bool, arguments: &[Type], at: usize) -> Type {
        let shown: Vec<String> = arguments.iter().map(Type::to_string).collect();
        let applied = match (member, &shown[..]) {
            (true, [receiver, rest @ ..]) => format!("{receiver}.({})", rest.join(", ")),
            (_, all) => format!("({})", all.join(", ")),
        };
        self.wrong(at, format!("found no matching overload for '{function}' applied to '{applied}'"))
    }

    fn select_optional(&mut self, operand: &Node, name: &Node, at: usize) -> Type {
        let operand = self.infer(operand);
        let Expression::Literal(Value::String(name)) = &name.expression else {
            return self.wrong(at, "unsupported optional field selection");
        };
        match self.field(&operand, name, at) {
            nested @ Type::Optional(_) => nested,
            of => Type::optional(of),
        }
    }

    /// Durations, times and regular expressions that are written down must be such.
    fn check_literals(&mut self, call: &Call) {
        let written = |index: usize| match call.arguments.get(index).map(|node| (&node.expression, node.at)) {
            Some((Expression::Literal(Value::String(text)), at)) => Some((text.clone(), at)),
            _ => None,
        };
        if &*call.function == "timestamp"
            && let Some((Expression::Literal(Value::Int(seconds)), at)) =
                call.arguments.first().map(|node| (&node.expression, node.at))
            && !time::SECONDS.contains(seconds)
        {
            self.wrong(at, "invalid timestamp argument");
        }
        let (index, valid): (usize, fn(&str) -> bool) = match &*call.function {
            "duration" => (0, |text| time::parse_duration(text).is_some()),
            "timestamp" => (0, |text| time::parse_timestamp(text).is_some()),
            "matches" => (1, |text| strings::compile(text).is_ok()),
            _ => return,
        };
        if let Some((_, at)) = written(index).filter(|(text, _)| !valid(text)) {
            self.wrong(at, format!("invalid {} argument", call.function));
        }
    }

    fn list(&mut self, items: &[Item]) -> Type {
        let mut of: Option<Type> = None;
        for item in items {
            let found = self.infer(&item.value);
            let found = self.held(found, item.optional, item.value.at);
            of = Some(self.join(of, found, item.value.at));
        }
        Type::list(of.unwrap_or(Type::Dyn))
    }

    fn map(&mut self, entries: &[Entry]) -> Type {
        let (mut key, mut value): (Option<Type>, Option<Type>) = (None, None);
        for entry in entries {
            let found = self.infer(&entry.key);
            key = Some(self.join(key, found, entry.key.at));
            let found = self.infer(&entry.value);
            let found = self.held(found, entry.optional, entry.value.at);
            value = Some(self.join(value, found, entry.value.at));
        }
        Type::map(key.unwrap_or(Type::Dyn), value.unwrap_or(Type::Dyn))
    }

    /// What an optional part holds.
    fn held(&mut self, of: Type, optional: bool, at: usize) -> Type {
        match of {
            Type::Optional(of) if optional => (*of).clone(),
            other if optional && !other.is_dyn() => {
                self.wrong(at, format!("expected type 'optional_type({other})' but found '{other}'"))
            }
            other => other,
        }
    }

    /// The type of both; literals do not mix types.
    fn join(&mut self, known: Option<Type>, found: Type, at: usize) -> Type {
        let Some(known) = known else { return found };
        if Bindings::default().fits(&known, &found) {
            return known;
        }
        if Bindings::default().fits(&found, &known) {
            return found;
        }
        if self.formats > 0 {
            return Type::Dyn;
        }
        self.wrong(at, format!("expected type '{known}' but found '{found}'"))
    }

    fn object(&mut self, type_name: &str, fields: &[Field], at: usize) -> Type {
        let made = self.environment.object_type(type_name);
        if made.is_none() {
            self.undeclared(at, type_name);
        }
        for field in fields {
            let found = self.infer(&field.value);
            let found = self.held(found, field.optional, field.value.at);
            let Some(made) = &made else { continue };
            match made.field(&field.name) {
                None => drop(self.wrong(field.at, format!("undefined field '{}'", field.name))),
                Some(wanted) if !Bindings::default().fits(&wanted, &found) => {
                    let name = &field.name;
                    let why = format!(
                        "expected type of field '{name}' is '{wanted}' but provided type is '{found}'"
                    );
                    self.wrong(field.at, why);
                }
                Some(_) => {}
            }
        }
        made.map_or(Type::Dyn, Type::Object)
    }

    fn each(&mut self, each: &Loop, at: usize) -> Type {
        let range = self.infer(&each.range);
        let (first, second) = self.loop_variables(each, &range);
        let before = self.scope.len();
        self.scope.push((each.first.clone(), first.clone()));
        if let Some(name) = &each.second {
            self.scope.push((name.clone(), second));
        }
        if let Some(condition) = &each.condition {
            let of = self.infer(condition);
            if !matches!(of, Type::Bool | Type::Dyn | Type::Any) {
                self.not_a_condition(each, of, at);
            }
        }
        let step = each.step.as_ref().map_or(Type::Dyn, |step| self.infer(step));
        self.scope.truncate(before);
        match each.kind {
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => Type::Bool,
            LoopKind::Filter | LoopKind::SortBy => Type::list(first),
            LoopKind::List => Type::list(step),
            LoopKind::Map => Type::map(first, step),
            LoopKind::MapEntry => match step {
                entry @ (Type::Map(..) | Type::Dyn | Type::Any) => entry,
                other => self.no_overload("cel.@mapInsert", false, &[range, other], at),
            },
            LoopKind::OptMap => Type::optional(step),
            LoopKind::Bind => step,
            LoopKind::OptFlatMap => match step {
                of @ (Type::Optional(_) | Type::Dyn | Type::Any) => of,
                other => {
                    let optional = Type::optional(Type::Dyn);
                    self.no_overload("_?_:_", false, &[Type::Bool, other, optional], at)
                }
            },
        }
    }

    fn loop_variables(&mut self, each: &Loop, range: &Type) -> (Type, Type) {
        let two = each.second.is_some();
        if each.kind == LoopKind::Bind {
            return (range.clone(), Type::Dyn);
        }
        let optional = matches!(each.kind, LoopKind::OptMap | LoopKind::OptFlatMap);
        match range {
            Type::Optional(of) if optional => ((**of).clone(), Type::Dyn),
            Type::Dyn => (Type::Dyn, Type::Dyn),
            other if optional => {
                let name = if each.kind == LoopKind::OptMap { "optMap" } else { "optFlatMap" };
                let of = self.no_overload(name, true, std::slice::from_ref(other), each.range.at);
                (of, Type::Dyn)
            }
            Type::List(of) if two => (Type::Int, (**of).clone()),
            Type::List(of) => ((**of).clone(), Type::Dyn),
            Type::Map(key, value) if each.kind != LoopKind::SortBy => ((**key).clone(), (**value).clone()),
            other => {
                let why = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                (self.wrong(each.range.at, why), Type::Dyn)
            }
        }
    }

    /// In the words that the macro's expansion gives it.
    fn not_a_condition(&mut self, each: &Loop, of: Type, at: usize) {
        match each.kind {
            LoopKind::All => self.no_overload("_&&_", false, &[Type::Bool, of], at),
            LoopKind::Exists => self.no_overload("_||_", false, &[Type::Bool, of], at),
            _ => self.no_overload("_?_:_", false, &[of, Type::Dyn, Type::Dyn], at),
        };
    }
}

fn literal(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Uint(_) => Type::Uint,
        Value::Double(_) => Type::Double,
        Value::String(_) => Type::String,
        Value::Bytes(_) => Type::Bytes,
        _ => Type::Dyn,
    }
}
