//! Simple paths to a field: `.spec.replicas`, `spec.items[0].name`.

use serde_json::{Map, Value};

/// A path without wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
}

impl FieldPath {
    /// A leading dot is optional; what is no index in brackets is a field.
    pub fn parse(text: &str) -> FieldPath {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let mut pieces = part.split('[');
            let name = pieces.next().unwrap_or_default();
            if !name.is_empty() {
                steps.push(Step::Field(name.into()));
            }
            for piece in pieces {
                let inner = piece.trim_end_matches(']');
                steps.push(match inner.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => Step::Field(inner.trim_matches(['\'', '"']).into()),
                });
            }
        }
        FieldPath(steps)
    }

    pub fn get<'v>(&self, object: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(object, |value, step| match step {
            Step::Field(name) => value.get(name),
            Step::Index(index) => value.get(index),
        })
    }

    /// Sets the field, making the objects on the way. False: something on the way is no object.
    #[must_use]
    pub fn set(&self, object: &mut Value, new: Value) -> bool {
        let mut place = object;
        for step in &self.0 {
            let next = match step {
                Step::Field(name) => {
                    if place.is_null() {
                        *place = Value::Object(Map::new());
                    }
                    place.as_object_mut().map(|fields| fields.entry(name.as_str()).or_insert(Value::Null))
                }
                Step::Index(index) => place.get_mut(index),
            };
            let Some(next) = next else { return false };
            place = next;
        }
        *place = new;
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_read_and_made() {
        let mut object = json!({ "spec": { "items": [{ "a": 1 }] } });
        assert_eq!(FieldPath::parse(".spec.items[0].a").get(&object), Some(&json!(1)));
        assert_eq!(FieldPath::parse("spec.none").get(&object), None);
        assert!(FieldPath::parse(".spec.size.replicas").set(&mut object, 3.into()));
        assert_eq!(object["spec"]["size"], json!({ "replicas": 3 }));
        assert!(!FieldPath::parse(".spec.items.x").set(&mut object, 3.into()));
    }
}
