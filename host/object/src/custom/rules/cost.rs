//! What a rule may cost at most, by the sizes its schema permits
//! (`cel-go/checker/cost.go`, `apiserver/pkg/cel/common/schemas.go`).
//!
//! An estimate, and a mild one: of what nothing is known counts as small, so that no rule is refused
//! that upstream accepts for a bound it knows and this does not.

use serde_json::Value;

use super::super::schema::fields;
use crate::cel::{Bounds, Program};

/// Bytes of the largest request.
const LARGEST_REQUEST: u64 = 3 * 1024 * 1024;

/// Units the rule costs at most when it runs once.
pub(super) fn most(program: &Program, schema: &Value) -> u64 {
    program.most_cost(&Place { schema })
}

/// How often a place can occur in an object, where its lists and maps do not say.
pub(super) fn most_places(schema: &Value) -> u64 {
    LARGEST_REQUEST / (least_bytes(schema) + 1)
}

/// A place of the schema; `self` is the rule's own.
#[derive(Clone, Copy)]
struct Place<'s> {
    schema: &'s Value,
}

impl<'s> Bounds<'s> for Place<'s> {
    fn variable(&self, name: &str) -> Option<Box<dyn Bounds<'s> + 's>> {
        matches!(name, "self" | "oldSelf").then(|| self.boxed(self.schema))?
    }

    fn field(&self, name: &str) -> Option<Box<dyn Bounds<'s> + 's>> {
        let named = fields(&self.schema["properties"])
            .find(|(known, _)| super::super::expression::escaped(known) == name)
            .map(|(_, part)| part);
        self.boxed(named.unwrap_or(&self.schema["additionalProperties"]))
    }

    fn each(&self) -> Option<Box<dyn Bounds<'s> + 's>> {
        match self.schema["type"].as_str() {
            Some("array") => self.boxed(&self.schema["items"]),
            _ => self.boxed(&self.schema["additionalProperties"]),
        }
    }

    fn most(&self) -> Option<u64> {
        let given = |name: &str| self.schema[name].as_u64();
        match self.schema["type"].as_str() {
            Some("array") => {
                let least = least_bytes(&self.schema["items"]);
                Some(given("maxItems").unwrap_or((LARGEST_REQUEST - 2) / (least + 1)))
            }
            Some("object") if self.schema["additionalProperties"].is_object() => {
                let least = least_bytes(&self.schema["additionalProperties"]);
                Some(given("maxProperties").unwrap_or((LARGEST_REQUEST - 2) / (least + 6)))
            }
            Some("string") => Some(longest(self.schema)),
            _ if self.schema["x-kubernetes-int-or-string"] == true => Some(longest(self.schema)),
            _ => None,
        }
    }
}

impl<'s> Place<'s> {
    fn boxed(&self, schema: &'s Value) -> Option<Box<dyn Bounds<'s> + 's>> {
        schema.is_object().then(|| Box::new(Place { schema }) as Box<dyn Bounds<'s> + 's>)
    }
}

/// Bytes of a text; a letter has up to four.
fn longest(schema: &Value) -> u64 {
    match (schema["format"].as_str(), schema["maxLength"].as_u64()) {
        (Some("date"), _) => 10,
        (Some("date-time"), _) => 35,
        (Some("duration"), _) => 32,
        (Some("byte"), Some(most)) => most,
        (_, Some(most)) => most.saturating_mul(4),
        (_, None) => {
            let choices = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
            choices.map(|choice| choice.len() as u64).max().unwrap_or(LARGEST_REQUEST - 2)
        }
    }
}

/// Bytes that a value takes at least, as JSON.
fn least_bytes(schema: &Value) -> u64 {
    match schema["type"].as_str() {
        Some("object") if !schema["additionalProperties"].is_object() => {
            let required: Vec<&str> =
                schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let needed = fields(&schema["properties"])
                .filter(|(name, part)| required.contains(&name.as_str()) && part["default"].is_null());
            needed.fold(2, |sum, (name, part)| sum + name.len() as u64 + least_bytes(part) + 4)
        }
        Some("string") => match schema["format"].as_str() {
            Some("date") => 10,
            Some("date-time") => 22,
            Some(_) | None => 2,
        },
        Some("boolean") => 4,
        Some("integer" | "number") => 1,
        Some(_) => 2,
        None => 1,
    }
}
