//! From text to [`Node`]s. The grammar is the `cel` crate's; its macros are not used, since loops
//! that are known as such run and are checked in one step.

use std::sync::Arc;

use cel::Env;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue, SourceInfo};

use super::Value;
use super::library;
use super::node::{Call, Entry, Expression, Field, Item, Loop, LoopKind, Node, Select};
use super::source::Issue;

/// Parts within parts, as cel-go has it. All that walk an expression recurse so deep.
const DEEPEST: u16 = 250;
/// The parser's own recursion takes a few kilobytes a level.
const STACK: usize = 64 << 20;
/// No expression of a person's is longer.
const LONGEST: usize = 100 * 1024;

/// On a thread of its own: what is parsed may be nested deeper than a worker's stack. `binds`: `cel.bind`
/// is known.
pub(super) fn parse(source: &str, binds: bool) -> Result<Node, Vec<Issue>> {
    if source.len() > LONGEST {
        return Err(vec![Issue::new(1, 1, format!("expression code point size exceeds limit: {LONGEST}"))]);
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("cel-parse".into()).stack_size(STACK);
        match thread.spawn_scoped(scope, || parse_here(source, binds)).map(|parser| parser.join()) {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(_)) => Err(vec![Issue::new(1, 1, "Syntax error: the expression cannot be parsed")]),
            Err(error) => Err(vec![Issue::new(1, 1, format!("no thread to parse with: {error}"))]),
        }
    })
}

fn parse_here(source: &str, binds: bool) -> Result<Node, Vec<Issue>> {
    let parser = Env::default().parser().max_recursion_depth(DEEPEST);
    let (parsed, places) = parser.parse_with_source_info(source).map_err(|errors| {
        let issue = |error: &cel::ParseError| {
            let at = |number: isize| usize::try_from(number).unwrap_or(0).max(1);
            Issue::new(at(error.pos.0), at(error.pos.1), error.msg.clone())
        };
        errors.errors.iter().map(issue).collect::<Vec<_>>()
    })?;
    let mut reading = Reading { source, places: &places, binds, issues: Vec::new() };
    let node = reading.node(parsed, 0);
    if reading.issues.is_empty() { Ok(node) } else { Err(reading.issues) }
}

struct Reading<'s> {
    source: &'s str,
    places: &'s SourceInfo,
    binds: bool,
    issues: Vec<Issue>,
}

impl Reading<'_> {
    fn at(&self, id: u64) -> usize {
        self.places.offset_for(id).map_or(0, |(start, _)| start as usize)
    }

    fn wrong(&mut self, at: usize, why: impl Into<String>) -> Expression {
        self.issues.push(Issue::at(self.source, at, why));
        Expression::Literal(Value::Null)
    }

    fn node(&mut self, parsed: IdedExpr, depth: u16) -> Node {
        let at = self.at(parsed.id);
        if depth > DEEPEST {
            let expression = self.wrong(at, format!("expression recursion limit exceeded: {DEEPEST}"));
            return Node { expression, at };
        }
        let below = depth + 1;
        let expression = match parsed.expr {
            Expr::Literal(literal) => Expression::Literal(value(literal)),
            Expr::Ident(name) => Expression::Name(name.trim_start_matches('.').into()),
            Expr::Select(select) => Expression::Select(Box::new(Select {
                operand: self.node(*select.operand, below),
                field: select.field.into(),
                test: select.test,
            })),
            Expr::Call(call) => self.call(call, at, below),
            Expr::List(list) => {
                let optional = list.optional_indices;
                let item = |(index, item)| Item {
                    value: self.node(item, below),
                    optional: optional.contains(&index),
                };
                Expression::List(list.elements.into_iter().enumerate().map(item).collect())
            }
            Expr::Map(map) => Expression::Map(
                map.entries.into_iter().filter_map(|entry| self.entry(entry, below)).collect(),
            ),
            Expr::Struct(made) => Expression::Object {
                type_name: made.type_name.trim_start_matches('.').into(),
                fields: made.entries.into_iter().filter_map(|field| self.field(field, below)).collect(),
            },
            Expr::Comprehension(_) | Expr::Unspecified => {
                self.wrong(at, "Syntax error: incomplete expression")
            }
        };
        Node { expression, at }
    }

    fn entry(&mut self, entry: IdedEntryExpr, depth: u16) -> Option<Entry> {
        let EntryExpr::MapEntry(entry) = entry.expr else { return None };
        let (key, value) = (self.node(entry.key, depth), self.node(entry.value, depth));
        Some(Entry { key, value, optional: entry.optional })
    }

    fn field(&mut self, field: IdedEntryExpr, depth: u16) -> Option<Field> {
        let at = self.at(field.id);
        let EntryExpr::StructField(field) = field.expr else { return None };
        let value = self.node(field.value, depth);
        Some(Field { name: field.field.into(), value, optional: field.optional, at })
    }

    fn call(&mut self, call: CallExpr, at: usize, depth: u16) -> Expression {
        let CallExpr { func_name, target, mut args } = call;
        let Some(target) = target else {
            if func_name == "has" && args.len() == 1 {
                return self.has(args.remove(0), at, depth);
            }
            let function = func_name.trim_start_matches('.').into();
            return self.function(function, args, depth);
        };
        if self.binds && func_name == "bind" && args.len() == 3 && is_cel(&target.expr) {
            let init = args.remove(1);
            return self.each(LoopKind::Bind, "bind", init, args, at, depth);
        }
        if let Some(kind) = loop_kind(&func_name, args.len()) {
            return self.each(kind, &func_name, *target, args, at, depth);
        }
        let target = self.node(*target, depth);
        let qualified = target.qualified_name().map(|name| format!("{name}.{func_name}"));
        if let Some(name) = qualified.filter(|name| !library::overloads(name, false).is_empty()) {
            return self.function(name.into(), args, depth);
        }
        let overloads = library::overloads(&func_name, true);
        let arguments = std::iter::once(target);
        let arguments =
            arguments.chain(args.into_iter().map(|argument| self.node(argument, depth))).collect();
        Expression::Call(Call { function: func_name.into(), overloads, member: true, arguments })
    }

    fn function(&mut self, name: Arc<str>, arguments: Vec<IdedExpr>, depth: u16) -> Expression {
        let arguments = arguments.into_iter().map(|argument| self.node(argument, depth)).collect();
        let overloads = library::overloads(&name, false);
        Expression::Call(Call { function: name, overloads, member: false, arguments })
    }

    fn has(&mut self, argument: IdedExpr, at: usize, depth: u16) -> Expression {
        let node = self.node(argument, depth);
        match node.expression {
            Expression::Select(select) if !select.test => {
                Expression::Select(Box::new(Select { test: true, ..*select }))
            }
            _ => self.wrong(at, "invalid argument to has() macro"),
        }
    }

    fn each(
        &mut self,
        kind: LoopKind,
        name: &str,
        range: IdedExpr,
        mut arguments: Vec<IdedExpr>,
        at: usize,
        depth: u16,
    ) -> Expression {
        let shape = shape(name, arguments.len());
        let range = self.node(range, depth);
        let rest = arguments.split_off(if shape.two_names { 2 } else { 1 });
        let mut names = arguments.into_iter().map(|argument| self.name(argument, kind));
        let (first, second) = (names.next().unwrap_or_default(), names.next());
        drop(names);
        if second.as_ref() == Some(&first) {
            return self.wrong(at, "duplicate variable name");
        }
        let mut rest = rest.into_iter().map(|part| self.node(part, depth)).collect::<Vec<_>>().into_iter();
        let condition = if shape.condition { rest.next() } else { None };
        let step = rest.next();
        Expression::Loop(Box::new(Loop { kind, range, first, second, condition, step }))
    }

    fn name(&mut self, argument: IdedExpr, kind: LoopKind) -> Arc<str> {
        let at = self.at(argument.id);
        match argument.expr {
            Expr::Ident(name) if !name.starts_with('.') => name.into(),
            _ => {
                let why = match kind {
                    LoopKind::Bind => "cel.bind() variable names must be simple identifiers",
                    _ => "argument must be a simple name",
                };
                self.wrong(at, why);
                Arc::default()
            }
        }
    }
}

/// The name before `.bind`.
fn is_cel(parsed: &Expr) -> bool {
    matches!(parsed, Expr::Ident(name) if name == "cel")
}

/// Macros, by name and number of arguments.
fn loop_kind(name: &str, arguments: usize) -> Option<LoopKind> {
    match (name, arguments) {
        ("all", 2 | 3) => Some(LoopKind::All),
        ("exists", 2 | 3) => Some(LoopKind::Exists),
        ("exists_one", 2) | ("existsOne", 2 | 3) => Some(LoopKind::ExistsOne),
        ("filter", 2) => Some(LoopKind::Filter),
        ("map", 2 | 3) | ("transformList", 3 | 4) => Some(LoopKind::List),
        ("transformMap", 3 | 4) => Some(LoopKind::Map),
        ("transformMapEntry", 3 | 4) => Some(LoopKind::MapEntry),
        ("sortBy", 2) => Some(LoopKind::SortBy),
        ("optMap", 2) => Some(LoopKind::OptMap),
        ("optFlatMap", 2) => Some(LoopKind::OptFlatMap),
        _ => None,
    }
}

struct Shape {
    two_names: bool,
    /// The first argument after the names is a condition.
    condition: bool,
}

fn shape(name: &str, arguments: usize) -> Shape {
    match name {
        "all" | "exists" | "exists_one" | "existsOne" | "filter" => {
            Shape { two_names: arguments == 3, condition: true }
        }
        "map" => Shape { two_names: false, condition: arguments == 3 },
        "sortBy" | "optMap" | "optFlatMap" | "bind" => Shape { two_names: false, condition: false },
        _ => Shape { two_names: true, condition: arguments == 4 },
    }
}

fn value(literal: LiteralValue) -> Value {
    match literal {
        LiteralValue::Boolean(value) => Value::Bool(value.into_inner()),
        LiteralValue::Bytes(value) => Value::Bytes(value.into_inner().into()),
        LiteralValue::Double(value) => Value::Double(value.into_inner()),
        LiteralValue::Int(value) => Value::Int(value.into_inner()),
        LiteralValue::Null => Value::Null,
        LiteralValue::String(value) => Value::String(value.into_inner().into()),
        LiteralValue::UInt(value) => Value::Uint(value.into_inner()),
    }
}
