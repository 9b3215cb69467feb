//! The functions expressions may call: CEL's own and Kubernetes' libraries
//! (`apiserver/pkg/cel/environment/base.go`, `…/cel/library`).
//!
//! A row is a signature and a function. The checker reads the signature, the evaluator calls the
//! function, so that the two cannot drift apart.

mod authorizer;
mod format;
mod formats;
mod lists;
mod native;
mod network;
mod operators;
mod optionals;
mod quantities;
mod semver;
mod sets;
mod signature;
mod standard;
pub(super) mod strings;
pub(super) mod time;
mod url;

use std::collections::HashMap;
use std::sync::OnceLock;

pub use authorizer::{Authority, Authorizer, Decision, Question, ResourceCheck};
pub(super) use lists::sorted;
pub use native::Native;

use super::meter::Meter;
use super::types::Type;
use super::{Fault, Value};

/// What a function does with arguments that fit its signature.
type Function = fn(&[Value], &Meter) -> Result<Value, Fault>;

/// One way to call a function.
#[derive(Debug)]
pub(super) struct Overload {
    pub name: &'static str,
    /// Called on its first argument.
    pub member: bool,
    pub parameters: Vec<Type>,
    pub result: Type,
    pub call: Function,
}

/// A row: `(string).charAt(int): string`, `url(string): kubernetes.URL`.
type Row = (&'static str, Function);

impl Overload {
    /// Whether it can be called with these.
    pub fn takes(&self, arguments: &[Value]) -> bool {
        self.parameters.len() == arguments.len()
            && self.parameters.iter().zip(arguments).all(|(parameter, value)| value.is(parameter))
    }
}

/// The ways to call what has one name.
#[derive(Default)]
struct Styles {
    member: Vec<Overload>,
    global: Vec<Overload>,
}

type Table = HashMap<&'static str, Styles>;

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let libraries: [&[Row]; 14] = [
            operators::ROWS,
            standard::ROWS,
            time::ROWS,
            strings::ROWS,
            lists::ROWS,
            sets::ROWS,
            optionals::ROWS,
            url::ROWS,
            quantities::ROWS,
            network::ROWS,
            format::ROWS,
            formats::ROWS,
            semver::ROWS,
            authorizer::ROWS,
        ];
        let mut table = Table::new();
        for (text, call) in libraries.into_iter().flatten() {
            let overload = signature::parse(text, *call);
            let styles = table.entry(overload.name).or_default();
            if overload.member { styles.member.push(overload) } else { styles.global.push(overload) }
        }
        table
    })
}

/// The ways to call a function; empty when there is none.
pub(super) fn overloads(name: &str, member: bool) -> &'static [Overload] {
    let styles = table().get(name);
    styles.map_or(&[], |styles| if member { &styles.member } else { &styles.global })
}

/// Whether a function of this name is known in any style.
pub(super) fn is_known(name: &str) -> bool {
    !overloads(name, true).is_empty() || !overloads(name, false).is_empty()
}

fn number(value: &Value) -> Result<i64, Fault> {
    match value {
        Value::Int(value) => Ok(*value),
        _ => Err(Fault::NoSuchOverload),
    }
}

fn text(value: &Value) -> Result<&str, Fault> {
    value.as_text().ok_or(Fault::NoSuchOverload)
}

fn items(value: &Value) -> Result<&[Value], Fault> {
    match value {
        Value::List(list) => Ok(&list.items),
        _ => Err(Fault::NoSuchOverload),
    }
}
