//! How a signature is written: `(list<A>).indexOf(A): int`, `quantity(string): kubernetes.Quantity`.

use super::{Function, Overload};
use crate::cel::types::Type;

const NATIVE: [&str; 11] = [
    "kubernetes.Quantity",
    "kubernetes.URL",
    "kubernetes.NamedFormat",
    "kubernetes.Semver",
    "net.IP",
    "net.CIDR",
    "kubernetes.authorization.Authorizer",
    "kubernetes.authorization.PathCheck",
    "kubernetes.authorization.GroupCheck",
    "kubernetes.authorization.ResourceCheck",
    "kubernetes.authorization.Decision",
];

/// Panics on a row that is not a signature: rows are part of the program, and a test reads them all.
pub(super) fn parse(text: &'static str, call: Function) -> Overload {
    let (head, result) = text.rsplit_once("): ").unwrap_or_else(|| panic!("no result in {text}"));
    let (receiver, rest) = match head.strip_prefix('(') {
        Some(member) => member.split_once(").").map(|(of, rest)| (Some(of), rest)),
        None => Some((None, head)),
    }
    .unwrap_or_else(|| panic!("no receiver in {text}"));
    let (name, arguments) = rest.split_once('(').unwrap_or_else(|| panic!("no arguments in {text}"));
    let parameters = receiver.into_iter().chain(split(arguments)).map(|of| parse_type(of, text)).collect();
    Overload { name, member: receiver.is_some(), parameters, result: parse_type(result, text), call }
}

/// At the commas that stand in no brackets.
fn split(list: &'static str) -> Vec<&'static str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, letter) in list.char_indices() {
        match letter {
            '<' => depth += 1,
            '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !list[start..].trim().is_empty() {
        parts.push(list[start..].trim());
    }
    parts
}

fn parse_type(name: &'static str, text: &str) -> Type {
    if let Some((outside, inside)) = name.strip_suffix('>').and_then(|name| name.split_once('<')) {
        let mut parts = split(inside).into_iter().map(|part| parse_type(part, text));
        let mut part = || parts.next().unwrap_or_else(|| panic!("{name} has too few parts in {text}"));
        return match outside {
            "list" => Type::list(part()),
            "map" => Type::map(part(), part()),
            "optional" => Type::optional(part()),
            "type" => Type::Type(part().into()),
            other => panic!("{other} is no type, in {text}"),
        };
    }
    match name {
        "dyn" => Type::Dyn,
        "null" => Type::Null,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "timestamp" => Type::Timestamp,
        "duration" => Type::Duration,
        "A" | "B" => Type::Param(if name == "A" { 'A' } else { 'B' }),
        other => match NATIVE.iter().find(|native| **native == other) {
            Some(native) => Type::Native(native),
            None => panic!("{other} is no type, in {text}"),
        },
    }
}
