//! Where in the object a value stands, and the collection of what is wrong.

use std::fmt;

use serde_json::Value;

use super::{IMMUTABLE, NOT_NEGATIVE, same, text};
use crate::names::{self, Rule};
use crate::status::FieldError;

/// `spec.containers[0].image`
#[derive(Debug, Clone)]
pub(crate) struct Path(String);

impl Path {
    pub fn new(root: &str) -> Path {
        Path(root.into())
    }

    pub fn child(&self, name: &str) -> Path {
        if self.0.is_empty() { Path(name.into()) } else { Path(format!("{}.{name}", self.0)) }
    }

    pub fn index(&self, index: usize) -> Path {
        Path(format!("{}[{index}]", self.0))
    }

    /// `spec.containers[0].securityContext` of `["securityContext"]`, and further down.
    pub fn at(&self, names: &[&str]) -> Path {
        names.iter().fold(self.clone(), |path, name| path.child(name))
    }

    pub fn key(&self, key: &str) -> Path {
        Path(format!("{}[{key}]", self.0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<FieldError>);

impl Errors {
    pub fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    pub fn required(&mut self, path: &Path, detail: &str) {
        self.push(FieldError::required(path.as_str(), detail));
    }

    /// A field that is absent shows as Go's empty string.
    pub fn invalid(&mut self, path: &Path, value: &Value, detail: impl Into<String>) {
        let shown = if value.is_null() { "".into() } else { value.clone() };
        self.push(FieldError::invalid(path.as_str(), shown, detail));
    }

    /// A value as it is, null too.
    pub fn shown(&mut self, path: &Path, value: &Value, detail: &str) {
        self.push(FieldError::invalid(path.as_str(), value.clone(), detail));
    }

    /// Where the value would say nothing.
    pub fn without_value(&mut self, path: &Path, detail: &str) {
        self.push(FieldError { value: None, ..FieldError::invalid(path.as_str(), "", detail) });
    }

    /// A label selector that may not change, shown as it came.
    pub fn immutable_selector(&mut self, path: &Path, new: &Value, old: &Value) {
        if !same(new, old) {
            self.shown(path, new, IMMUTABLE);
        }
    }

    pub fn forbidden(&mut self, path: &Path, detail: impl Into<String>) {
        self.push(FieldError::forbidden(path.as_str(), detail));
    }

    pub fn duplicate(&mut self, path: &Path, value: impl Into<Value>) {
        self.push(FieldError::duplicate(path.as_str(), value));
    }

    pub fn not_found(&mut self, path: &Path, value: impl Into<Value>) {
        self.push(FieldError::not_found(path.as_str(), value));
    }

    /// As `not_found`, saying what there is.
    pub fn not_found_among(&mut self, path: &Path, value: impl Into<Value>, detail: String) {
        self.push(FieldError { detail, ..FieldError::not_found(path.as_str(), value) });
    }

    pub fn too_long(&mut self, path: &Path, bytes: usize) {
        self.push(FieldError::too_long(path.as_str(), bytes));
    }

    /// Everything that a rule about names finds.
    pub fn rule(&mut self, path: &Path, value: &str, rule: Rule) {
        for message in rule(value) {
            self.push(FieldError::invalid(path.as_str(), value, message));
        }
    }

    /// A string that must be one of a few; absent counts as empty.
    pub fn one_of(&mut self, path: &Path, value: &Value, supported: &[&str]) {
        let value = text(value);
        if !supported.contains(&value) {
            self.push(FieldError::not_supported(path.as_str(), value, supported));
        }
    }

    /// As `one_of`, for lists that upstream prints in an order of its own.
    pub fn listed(&mut self, path: &Path, value: &Value, supported: &[&str]) {
        if !supported.contains(&text(value)) {
            self.push(FieldError::not_listed(path.as_str(), text(value), supported));
        }
    }

    /// As `listed`, but a missing value is a missing value.
    pub fn required_listed(&mut self, path: &Path, value: &Value, supported: &[&str]) {
        if text(value).is_empty() {
            self.required(path, "");
        } else {
            self.listed(path, value, supported);
        }
    }

    /// One of a few, or null: an empty string is given, too.
    pub fn given_one_of(&mut self, path: &Path, value: &Value, supported: &[&str]) {
        if !value.is_null() {
            self.one_of(path, value, supported);
        }
    }

    /// What must not be empty.
    pub fn require_all(&mut self, object: &Value, fields: &[&str], path: &Path) {
        for field in fields.iter().filter(|field| super::is_empty(&object[**field])) {
            self.required(&path.child(field), "");
        }
    }

    /// As `one_of`, but a missing value is a missing value.
    pub fn required_one_of(&mut self, path: &Path, value: &Value, supported: &[&str]) {
        if text(value).is_empty() {
            self.required(path, "");
        } else {
            self.one_of(path, value, supported);
        }
    }

    /// Absent or one of a few.
    pub fn optional_one_of(&mut self, path: &Path, value: &Value, supported: &[&str]) {
        if !text(value).is_empty() {
            self.one_of(path, value, supported);
        }
    }

    pub fn at_most(&mut self, path: &Path, found: usize, most: usize) {
        if found > most {
            self.push(FieldError::too_many(path.as_str(), found, most));
        }
    }

    pub fn not_negative(&mut self, path: &Path, value: &Value) {
        if value.as_i64().is_some_and(|number| number < 0) {
            self.invalid(path, value, NOT_NEGATIVE);
        }
    }

    pub fn positive(&mut self, path: &Path, value: &Value) {
        let number = value.as_i64().unwrap_or(0);
        if number <= 0 {
            self.invalid(path, &number.into(), "must be greater than zero");
        }
    }

    pub fn port(&mut self, path: &Path, port: &Value) {
        for message in names::port_number(port.as_i64().unwrap_or_default()) {
            self.invalid(path, port, message);
        }
    }

    pub fn immutable(&mut self, path: &Path, new: &Value, old: &Value) {
        if !same(new, old) {
            self.invalid(path, new, IMMUTABLE);
        }
    }

    pub fn extend(&mut self, others: Errors) {
        self.0.extend(others.0);
    }

    /// By what they say, where upstream finds them in no order.
    pub fn sort(&mut self) {
        self.0.sort_by_cached_key(ToString::to_string);
    }

    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
