//! CEL as Kubernetes speaks it: rules of custom resources, admission policies, match conditions.
//!
//! ```text
//! text ─► parse (the `cel` crate's grammar) ─► check (types, names) ─► Program ─► run (metered)
//! ```
//!
//! The `cel` crate parses; checking and running are here, since Kubernetes needs what the crate has
//! not: a type checker that knows schemas, a price for every step, variables made when they are
//! first asked for, and Kubernetes' libraries. Messages are cel-go's, because clients see them.

mod admission;
mod check;
mod cost;
pub(crate) mod device;
mod environment;
mod evaluate;
mod fault;
mod library;
mod meter;
mod node;
mod parse;
mod source;
mod type_checking;
mod types;
mod value;

#[cfg(test)]
mod tests;

pub use admission::{Composition, Given, Wanted, user_type};
pub use cost::Bounds;
pub use environment::{Declared, Environment};
pub use evaluate::Variables;
pub use fault::Fault;
pub use library::{Authority, Authorizer, Decision, Native, Question, ResourceCheck};
pub use meter::{MATCH_CONDITIONS, Meter, PER_CALL, PER_POLICY};
pub use type_checking::expression_warnings;
pub use types::{Fields, Type};
pub use value::{Key, List, Map, Merge, Value};

pub(crate) use library::time::{parse_duration, parse_timestamp};

use evaluate::Run;
use node::Node;

/// Words that CEL keeps to itself.
pub(crate) const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// An expression that has been parsed and checked.
#[derive(Debug)]
pub struct Program {
    node: Node,
    of: Type,
}

/// # Errors
/// What is wrong, in cel-go's words, each with its place.
pub fn compile(text: &str, environment: &Environment) -> Result<Program, String> {
    let node = parse::parse(text, environment.binds()).map_err(|issues| source::show(issues, text))?;
    let of = check::check(&node, environment, text).map_err(|issues| source::show(issues, text))?;
    Ok(Program { node, of })
}

impl Program {
    /// The type of its value.
    pub fn of(&self) -> &Type {
        &self.of
    }

    /// Whether it asks for a variable.
    pub fn uses(&self, variable: &str) -> bool {
        self.node.uses(variable)
    }

    /// Whether it asks for a field of a variable by name, if only to see whether it is there.
    pub fn selects(&self, variable: &str, field: &str) -> bool {
        self.node.selects(variable, field)
    }

    /// Units it costs at most, by the bounds of its variables.
    pub fn most_cost<'b>(&self, variables: &dyn Bounds<'b>) -> u64 {
        cost::most(&self.node, variables)
    }

    /// Its value; what it costs is the meter's.
    pub fn run(&self, variables: &dyn Variables, meter: &Meter) -> Result<Value, Fault> {
        let result = self.run_within(variables, meter);
        meter.close_call();
        result
    }

    /// As part of another expression, which pays for it.
    pub fn run_within(&self, variables: &dyn Variables, meter: &Meter) -> Result<Value, Fault> {
        Run { variables, meter, scope: Vec::new() }.value(&self.node)
    }
}
