//! The expressions of a policy.

use serde_json::Value;

use crate::cel::{Composition, Given, Wanted};
use crate::validation::{Errors, Path, text};

/// The expressions of a policy, and what they are given.
pub(super) struct Expressions<'a> {
    pub composition: Composition,
    pub given: Given,
    /// What was accepted before is not looked at again.
    pub before: Vec<&'a Value>,
}

impl<'a> Expressions<'a> {
    pub fn of(policy: &Value, old: Option<&'a Value>) -> Expressions<'a> {
        let params = !policy["spec"]["paramKind"].is_null();
        // Without variables of its own, and the same params, a policy's expressions mean what they did.
        let same = |old: &&Value| {
            let fixed = |field: &str| old["spec"][field] == policy["spec"][field];
            fixed("paramKind") && fixed("variables")
        };
        let before = old.filter(same).map(texts).unwrap_or_default();
        Expressions { composition: Composition::default(), given: Given { params, authorizer: true }, before }
    }

    pub fn check(&self, expression: &Value, given: Given, wanted: Wanted, path: &Path, errors: &mut Errors) {
        if self.before.contains(&expression) {
            return;
        }
        if let Err(why) = self.composition.compile(text(expression), given, wanted) {
            errors.invalid(path, expression, why);
        }
    }
}

/// Every text in a policy's spec; its expressions are among them.
fn texts(policy: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    let mut open = vec![&policy["spec"]];
    while let Some(value) = open.pop() {
        match value {
            Value::String(_) => found.push(value),
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => open.extend(fields.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    found
}

/// A name that CEL can say; its own words are not.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first == '_' || first.is_ascii_alphabetic())
        && letters.all(|letter| letter == '_' || letter.is_ascii_alphanumeric())
        && !crate::cel::RESERVED.contains(&name)
}
