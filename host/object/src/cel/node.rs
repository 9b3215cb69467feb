//! An expression, parsed: names are resolved to functions, macros are loops.

use std::sync::Arc;

use super::Value;
use super::library::Overload;

/// A part of an expression, and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub expression: Expression,
    /// Byte of the source at which it is named.
    pub at: usize,
}

#[derive(Debug)]
pub(super) enum Expression {
    Literal(Value),
    Name(Arc<str>),
    Select(Box<Select>),
    Call(Call),
    List(Vec<Item>),
    Map(Vec<Entry>),
    Object { type_name: Arc<str>, fields: Vec<Field> },
    Loop(Box<Loop>),
}

#[derive(Debug)]
pub(super) struct Select {
    pub operand: Node,
    pub field: Arc<str>,
    /// `has(operand.field)`
    pub test: bool,
}

#[derive(Debug)]
pub(super) struct Call {
    pub function: Arc<str>,
    /// All of the name and style; empty: there is none, and the checker says so.
    pub overloads: &'static [Overload],
    /// The receiver is the first argument.
    pub member: bool,
    pub arguments: Vec<Node>,
}

#[derive(Debug)]
pub(super) struct Item {
    pub value: Node,
    /// `[?value]`
    pub optional: bool,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub key: Node,
    pub value: Node,
    pub optional: bool,
}

#[derive(Debug)]
pub(super) struct Field {
    pub name: Arc<str>,
    pub value: Node,
    pub optional: bool,
    pub at: usize,
}

/// `range.all(first, condition)` and its like.
#[derive(Debug)]
pub(super) struct Loop {
    pub kind: LoopKind,
    pub range: Node,
    pub first: Arc<str>,
    /// With two names the first is the index or key, the second the value.
    pub second: Option<Arc<str>>,
    pub condition: Option<Node>,
    /// What each turn gives; for maps the value.
    pub step: Option<Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    /// `map` and `transformList`
    List,
    Map,
    /// The step gives maps of one entry.
    MapEntry,
    SortBy,
    /// `optMap`: over the one value of an optional.
    OptMap,
    OptFlatMap,
    /// `cel.bind(name, value, expression)`: once, over the value.
    Bind,
}

impl Node {
    /// The parts directly below.
    pub fn children(&self) -> Vec<&Node> {
        match &self.expression {
            Expression::Literal(_) | Expression::Name(_) => Vec::new(),
            Expression::Select(select) => vec![&select.operand],
            Expression::Call(call) => call.arguments.iter().collect(),
            Expression::List(items) => items.iter().map(|item| &item.value).collect(),
            Expression::Map(entries) => entries.iter().flat_map(|entry| [&entry.key, &entry.value]).collect(),
            Expression::Object { fields, .. } => fields.iter().map(|field| &field.value).collect(),
            Expression::Loop(each) => [Some(&each.range), each.condition.as_ref(), each.step.as_ref()]
                .into_iter()
                .flatten()
                .collect(),
        }
    }

    /// `a.b.c`, if that is all it is.
    pub fn qualified_name(&self) -> Option<String> {
        match &self.expression {
            Expression::Name(name) => Some(name.to_string()),
            Expression::Select(select) if !select.test => {
                Some(format!("{}.{}", select.operand.qualified_name()?, select.field))
            }
            _ => None,
        }
    }

    /// Whether it asks for a variable that it does not bind itself.
    pub fn uses(&self, variable: &str) -> bool {
        match &self.expression {
            Expression::Name(name) => &**name == variable,
            Expression::Loop(each)
                if &*each.first == variable || each.second.as_deref() == Some(variable) =>
            {
                each.range.uses(variable)
            }
            _ => self.children().into_iter().any(|child| child.uses(variable)),
        }
    }

    /// Whether it asks for a variable's field by name: `variable.field` or `variable.?field`.
    pub fn selects(&self, variable: &str, field: &str) -> bool {
        let is_variable = |node: &Node| matches!(&node.expression, Expression::Name(n) if &**n == variable);
        let is_field = |node: &Node| match &node.expression {
            Expression::Literal(value) => value.as_text() == Some(field),
            _ => false,
        };
        let here = match &self.expression {
            Expression::Select(select) => &*select.field == field && is_variable(&select.operand),
            Expression::Call(call) if &*call.function == "_?._" => match &call.arguments[..] {
                [operand, name] => is_variable(operand) && is_field(name),
                _ => false,
            },
            _ => false,
        };
        here || self.children().into_iter().any(|child| child.selects(variable, field))
    }
}
