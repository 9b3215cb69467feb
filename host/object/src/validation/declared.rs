//! Rules that upstream declares on its types instead of writing them out
//! (`data/rules.txt`; `k8s.io/apimachinery/pkg/api/validate`). What they find stands after what the
//! written validation found, and in its place where both find the same.

mod rule;
mod table;

use serde_json::Value;

use super::{Path, items, same};
use crate::status::{FieldError, FieldErrorKind};
use table::{Field, Nested, fields};

/// Adds what the rules of `definition` (`io.k8s.api.core.v1.Pod`) find.
pub(crate) fn extend(definition: &str, new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let Some(name) = table::name_of(definition) else { return };
    let mut found = Vec::new();
    object(name, new, old, &Path::new(""), &mut found);
    errors.retain(|error| !found.iter().any(|declared| covers(declared, error)));
    errors.extend(found);
}

/// Whether both say the same, in whatever words; of values that are invalid there is more to say than one
/// thing.
fn covers(declared: &FieldError, written: &FieldError) -> bool {
    declared.field == written.field
        && declared.kind == written.kind
        && (declared.kind != FieldErrorKind::Invalid || alike(&declared.detail, &written.detail))
}

/// What is counted in bytes here is counted in characters there, and names are told of in two ways where
/// capitals do not count.
fn alike(declared: &str, written: &str) -> bool {
    declared == written
        || (declared.starts_with("an RFC 1123 subdomain")
            && written.starts_with("a lowercase RFC 1123 subdomain"))
        || declared
            .strip_suffix(" bytes")
            .is_some_and(|rest| written.strip_suffix(" characters") == Some(rest))
}

/// A value and what it was: `None` where nothing is, `Some(None)` where nothing was.
#[derive(Clone, Copy)]
struct Change<'v> {
    new: Option<&'v Value>,
    /// `None`: there was no object, or nobody can tell which of its items this one was.
    old: Option<Option<&'v Value>>,
    /// The whole object is an update of another.
    update: bool,
}

impl Change<'_> {
    fn is_none(&self) -> bool {
        let (Some(old), new) = (self.old, self.new) else { return false };
        self.update && same(old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null))
    }
}

fn object(name: &str, new: &Value, old: Option<&Value>, path: &Path, errors: &mut Vec<FieldError>) {
    let change = Change { new: Some(new), old: old.map(Some), update: old.is_some() };
    typed(name, change, path, errors);
}

/// A value of a type that has rules.
fn typed(name: &str, change: Change<'_>, path: &Path, errors: &mut Vec<FieldError>) {
    let (Some(new), Some(fields)) = (change.new, fields(name)) else { return };
    for Field { path: steps, rules, nested } in fields {
        let at = steps.iter().fold(path.clone(), |path, step| path.child(step));
        let find = |value| steps.iter().try_fold(value, |value: &Value, step| value.get(step));
        let old = change.old.map(|old| old.and_then(find));
        let change = Change { new: find(new).filter(|value| rule::is_set(value)), old, ..change };
        if change.is_none() {
            continue;
        }
        let mut ends = false;
        for rule in rules.iter().filter(|rule| rule.comes_first()) {
            let found = rule.check(change, &at);
            ends |= !found.is_empty() || (rule.is_optional() && change.new.is_none());
            if !rule.is_silent() {
                errors.extend(found);
            }
        }
        if ends {
            continue;
        }
        for rule in rules.iter().filter(|rule| !rule.comes_first()) {
            errors.extend(rule.check(change, &at));
        }
        if let Some(nested) = nested {
            within(nested, change, &at, errors);
        }
    }
}

fn within(nested: &Nested, change: Change<'_>, path: &Path, errors: &mut Vec<FieldError>) {
    let value = change.new.unwrap_or(&Value::Null);
    if !nested.each {
        // A field that Go has no pointer for is there even when it is not.
        let empty = Value::Object(Default::default());
        let new = if change.new.is_none() { &empty } else { value };
        return typed(&nested.name, Change { new: Some(new), ..change }, path, errors);
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        let old = change.old.flatten().and_then(|old| old.get(key)).map(Some);
        item_of(nested, item, old, change, &path.key(key), errors);
    }
    for (index, item) in items(value).iter().enumerate() {
        let old = items(change.old.flatten().unwrap_or(&Value::Null));
        let old =
            old.iter().find(|old| !nested.by.is_empty() && nested.by.iter().all(|key| old[key] == item[key]));
        item_of(nested, item, old.map(Some), change, &path.index(index), errors);
    }
}

fn item_of(
    nested: &Nested,
    item: &Value,
    old: Option<Option<&Value>>,
    list: Change<'_>,
    path: &Path,
    errors: &mut Vec<FieldError>,
) {
    let change = Change { new: Some(item), old, ..list };
    if !change.is_none() {
        typed(&nested.name, change, path, errors);
    }
}

#[cfg(test)]
mod tests;
