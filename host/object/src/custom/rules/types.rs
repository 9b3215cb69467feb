//! The types that rules are checked against (`apiserver/pkg/cel/common/schemas.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::super::expression::escaped;
use super::super::schema::fields;
use crate::cel::{Fields, Type};

/// The fields of a place, by the names that rules call them.
#[derive(Debug)]
struct Place {
    name: String,
    fields: BTreeMap<String, Type>,
}

impl Fields for Place {
    fn name(&self) -> &str {
        &self.name
    }

    fn field(&self, name: &str) -> Option<Type> {
        self.fields.get(name).cloned()
    }
}

/// `None`: the schema says nothing that a rule could use. `name` tells object types apart.
pub(super) fn of_schema(schema: &Value, name: &str, resource: bool) -> Option<Type> {
    if schema["x-kubernetes-int-or-string"] == true {
        return Some(Type::Dyn);
    }
    let embedded = |part: &Value| part["x-kubernetes-embedded-resource"] == true;
    match schema["type"].as_str() {
        Some("array") => {
            let items = schema.get("items").filter(|items| items.is_object())?;
            Some(Type::list(of_schema(items, &format!("{name}.@idx"), embedded(items))?))
        }
        Some("object") if schema["additionalProperties"].is_object() => {
            let each = &schema["additionalProperties"];
            Some(Type::map(Type::String, of_schema(each, &format!("{name}.@elem"), embedded(each))?))
        }
        Some("object") => Some(object(schema, name, resource)),
        Some("string") => Some(match schema["format"].as_str() {
            Some("byte") => Type::Bytes,
            Some("duration") => Type::Duration,
            Some("date" | "date-time") => Type::Timestamp,
            Some(_) | None => Type::String,
        }),
        Some("boolean") => Some(Type::Bool),
        Some("number") => Some(Type::Double),
        Some("integer") => Some(Type::Int),
        Some(_) | None if resource => Some(object(schema, name, resource)),
        Some(_) | None => None,
    }
}

fn object(schema: &Value, name: &str, resource: bool) -> Type {
    let mut known: BTreeMap<String, Type> = fields(&schema["properties"])
        .filter_map(|(field, part)| {
            let embedded = part["x-kubernetes-embedded-resource"] == true;
            Some((escaped(field), of_schema(part, &format!("{name}.{field}"), embedded)?))
        })
        .collect();
    if resource {
        let names = ["name", "generateName"].map(|field| (field.to_owned(), Type::String)).into();
        let metadata = Place { name: format!("{name}.metadata"), fields: names };
        known.insert("metadata".into(), Type::Object(Arc::new(metadata)));
        known.insert("apiVersion".into(), Type::String);
        known.insert("kind".into(), Type::String);
    }
    Type::Object(Arc::new(Place { name: name.to_owned(), fields: known }))
}
