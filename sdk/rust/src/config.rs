//! A plugin's `spec.config`, read with errors that name the field.
//!
//! ```
//! use orch_sdk::{config::Field, json};
//!
//! let config = json!({"strategy": {"weight": 700}});
//! let strategy = Field::root(&config).only(&["strategy"])?.child("strategy");
//! assert_eq!(
//!     strategy.child("weight").integer(1..=100).unwrap_err(),
//!     "strategy.weight: Invalid value: 700: not in valid range [1, 100]",
//! );
//! # Ok::<(), String>(())
//! ```

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::Value;

static NULL: Value = Value::Null;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    pub fn root(config: &'a Value) -> Self {
        Field { path: String::new(), value: config }
    }

    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// Absent or `null`.
    pub fn is_absent(&self) -> bool {
        self.value.is_null()
    }

    pub fn child(&self, name: &str) -> Field<'a> {
        let path = if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) };
        Field { path, value: self.value.get(name).unwrap_or(&NULL) }
    }

    /// Refuses members of other names. `apiVersion` and `kind` are let through at the root, so that
    /// the `args` of a KubeSchedulerConfiguration can be taken as they are.
    pub fn only(self, names: &[&str]) -> Result<Self, String> {
        let members = match self.value {
            Value::Null => return Ok(self),
            Value::Object(members) => members,
            _ => return Err(self.invalid("must be an object")),
        };
        let is_known = |name: &str| {
            names.contains(&name) || self.path.is_empty() && matches!(name, "apiVersion" | "kind")
        };
        match members.keys().find(|name| !is_known(name)) {
            Some(name) => {
                Err(format!("{}: unknown field; known are {}", self.child(name).path, names.join(", ")))
            }
            None => Ok(self),
        }
    }

    /// The items of a list; none when it is absent.
    pub fn items(&self) -> Result<Vec<Field<'a>>, String> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => {
                let item = |(index, value)| Field { path: format!("{}[{index}]", self.path), value };
                Ok(items.iter().enumerate().map(item).collect())
            }
            _ => Err(self.invalid("must be a list")),
        }
    }

    pub fn text(&self) -> Result<&'a str, String> {
        self.value.as_str().ok_or_else(|| match self.is_absent() {
            true => self.required("must be a string"),
            false => self.invalid("must be a string"),
        })
    }

    pub fn integer(&self, range: RangeInclusive<i64>) -> Result<i64, String> {
        let number = self.value.as_i64().ok_or_else(|| self.invalid("must be an integer"))?;
        match range.contains(&number) {
            true => Ok(number),
            false => Err(self.invalid(format!("not in valid range [{}, {}]", range.start(), range.end()))),
        }
    }

    /// The integer, or this one when it is absent.
    pub fn integer_or(&self, default: i64, range: RangeInclusive<i64>) -> Result<i64, String> {
        if self.is_absent() { Ok(default) } else { self.integer(range) }
    }

    /// `path: Invalid value: 5: why`, as Kubernetes words it.
    pub fn invalid(&self, why: impl Display) -> String {
        format!("{}: Invalid value: {}: {why}", self.name(), self.value)
    }

    pub fn required(&self, why: impl Display) -> String {
        format!("{}: Required value: {why}", self.name())
    }

    pub fn forbidden(&self, why: impl Display) -> String {
        format!("{}: Forbidden: {why}", self.name())
    }

    pub fn unsupported(&self, supported: &[&str]) -> String {
        let quoted: Vec<String> = supported.iter().map(|value| format!("\"{value}\"")).collect();
        format!("{}: Unsupported value: {}: supported values: {}", self.name(), self.value, quoted.join(", "))
    }

    fn name(&self) -> &str {
        if self.path.is_empty() { "spec.config" } else { &self.path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_name_the_field() {
        let config = json!({"a": {"list": [1, "x"], "text": 5}, "kind": "Args"});
        let root = Field::root(&config).only(&["a"]).unwrap();
        let a = root.child("a");
        assert_eq!(a.clone().only(&["list"]).unwrap_err(), "a.text: unknown field; known are list");
        let items = a.child("list").items().unwrap();
        assert_eq!(
            items[1].integer(0..=9).unwrap_err(),
            "a.list[1]: Invalid value: \"x\": must be an integer"
        );
        assert_eq!(a.child("text").text().unwrap_err(), "a.text: Invalid value: 5: must be a string");
        assert_eq!(a.child("none").text().unwrap_err(), "a.none: Required value: must be a string");
        assert_eq!(a.child("text").items().unwrap_err(), "a.text: Invalid value: 5: must be a list");
        assert_eq!(a.child("none").integer_or(7, 0..=9), Ok(7));
        assert!(a.child("none").items().unwrap().is_empty());
        assert_eq!(
            Field::root(&json!([])).only(&[]).unwrap_err(),
            "spec.config: Invalid value: []: must be an object"
        );
        assert_eq!(
            a.child("text").unsupported(&["b"]),
            "a.text: Unsupported value: 5: supported values: \"b\""
        );
    }
}
