//! `data/rules.txt`, read once.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::rule::Rule;

static TABLE: LazyLock<HashMap<&'static str, Vec<Field>>> =
    LazyLock::new(|| parse(include_str!("../../../data/rules.txt")));

/// A field of a type, and what it must be.
#[derive(Debug)]
pub(super) struct Field {
    /// Empty for the whole; two steps for `metadata.name`.
    pub path: Vec<&'static str>,
    pub rules: Vec<Rule>,
    pub nested: Option<Nested>,
}

/// The type of a field's value or of its items.
#[derive(Debug)]
pub(super) struct Nested {
    pub name: String,
    pub each: bool,
    /// By which an item is the successor of an old one.
    pub by: Vec<&'static str>,
}

/// `io.k8s.api.core.v1.Pod`: `core.v1.Pod`
pub(super) fn name_of(definition: &str) -> Option<&str> {
    definition.strip_prefix("io.k8s.api.")
}

pub(super) fn fields(name: &str) -> Option<&'static [Field]> {
    TABLE.get(name).map(Vec::as_slice)
}

fn parse(text: &'static str) -> HashMap<&'static str, Vec<Field>> {
    let mut table: HashMap<&str, Vec<Field>> = HashMap::new();
    let mut name = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with(' ') {
            table.entry(name).or_default().push(field(name, line));
        } else {
            name = line;
        }
    }
    table
}

fn field(owner: &str, line: &'static str) -> Field {
    let mut words = line.split_whitespace();
    let path = words.next().unwrap_or(".").split('.').filter(|step| !step.is_empty()).collect();
    let mut field = Field { path, rules: Vec::new(), nested: None };
    let package = owner.rsplit_once('.').map_or("", |(package, _)| package);
    for word in words {
        if let Some(name) = word.strip_prefix('>') {
            let (each, name) = (name.starts_with('>'), name.trim_start_matches('>'));
            field.nested = Some(Nested { name: format!("{package}.{name}"), each, by: Vec::new() });
        } else if let (Some(keys), Some(nested)) = (word.strip_prefix("by="), &mut field.nested) {
            nested.by = keys.split(',').collect();
        } else {
            field.rules.push(Rule::parse(word).unwrap_or_else(|| panic!("data/rules.txt: {owner}: {word}")));
        }
    }
    field
}

#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static [Field])> {
    TABLE.iter().map(|(name, fields)| (*name, fields.as_slice()))
}
