//! `components.schemas`: the definitions that a group's kinds reach.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{group_version_kind, reference};
use crate::Kind;
use crate::schema::{definitions_digest, full_definitions};

pub(super) const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const ANY_OBJECT: &str = "io.k8s.api.core.v1.ConfigMap";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// The definition of a kind's list.
pub(super) fn list_definition(kind: &Kind) -> String {
    let package = kind.schema.rsplit_once('.').map_or("", |(package, _)| package);
    format!("{package}.{}", kind.list_kind)
}

pub(super) fn schemas(kinds: &[&Arc<Kind>]) -> Value {
    let definitions = full_definitions();
    let mut reached = Map::new();
    let roots = kinds.iter().flat_map(|kind| roots(kind)).chain([
        format!("{META}.DeleteOptions"),
        format!("{META}.Status"),
        format!("{META}.ListMeta"),
    ]);
    for kind in kinds {
        if let Some(custom) = &kind.custom {
            let mut schema = custom.openapi().clone();
            complete(&mut schema, &object_fields(&definitions), true);
            enter(&kind.schema, schema, &definitions, &mut reached);
        }
    }
    for root in roots {
        collect(&root, &definitions, &mut reached);
    }
    for kind in kinds {
        mark_kind(kind, &mut reached);
    }
    reached.insert(format!("{META}.Patch"), json!({
        "description": "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body.",
        "type": "object",
    }));
    Value::Object(reached)
}

/// For the index's fingerprint.
pub(super) fn hash_definitions(hasher: &mut impl Hasher) {
    definitions_digest().hash(hasher);
}

/// The kind itself and what its sub-resources take.
fn roots(kind: &Kind) -> Vec<String> {
    let parts = kind.subresources.iter().filter_map(|part| part_definition(kind, &part.kind));
    std::iter::once(kind.schema.clone()).chain(parts).collect()
}

/// What a sub-resource's body is, for those that have one.
pub(super) fn part_definition(kind: &Kind, part_kind: &str) -> Option<String> {
    match part_kind {
        "Scale" => Some("io.k8s.api.autoscaling.v1.Scale".into()),
        "Eviction" => Some("io.k8s.api.policy.v1.Eviction".into()),
        "Binding" => Some("io.k8s.api.core.v1.Binding".into()),
        "TokenRequest" => Some("io.k8s.api.authentication.v1.TokenRequest".into()),
        own if own == kind.kind => Some(kind.schema.clone()),
        _ => None,
    }
}

/// `apiVersion`, `kind` and `metadata` as every kind has them, with their descriptions.
fn object_fields(definitions: &BTreeMap<String, String>) -> Map<String, Value> {
    let known = definitions.get(ANY_OBJECT).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let properties = known.map(|schema| schema["properties"].clone()).unwrap_or_default();
    ["apiVersion", "kind", "metadata"]
        .map(|name| (name.to_owned(), properties[name].clone()))
        .into_iter()
        .collect()
}

/// Writes those fields into a custom resource's schema, and wherever one is embedded.
fn complete(schema: &mut Value, fields: &Map<String, Value>, is_object: bool) {
    let Value::Object(map) = schema else { return };
    if is_object || map.get("x-kubernetes-embedded-resource") == Some(&true.into()) {
        let properties = map.entry("properties").or_insert_with(|| json!({}));
        properties.as_object_mut().into_iter().for_each(|own| own.extend(fields.clone()));
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(|property| complete(property, fields, false));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(key) {
            complete(child, fields, false);
        }
    }
}

fn collect(name: &str, definitions: &BTreeMap<String, String>, reached: &mut Map<String, Value>) {
    if reached.contains_key(name) {
        return;
    }
    let Some(text) = definitions.get(name) else { return };
    let Ok(schema) = serde_json::from_str::<Value>(text) else { return };
    enter(name, schema, definitions, reached);
}

fn enter(
    name: &str,
    mut schema: Value,
    definitions: &BTreeMap<String, String>,
    reached: &mut Map<String, Value>,
) {
    let mut references = Vec::new();
    shape(&mut schema, &mut references);
    special(name, &mut schema);
    // Entered before its references: definitions may be recursive.
    reached.insert(name.to_owned(), schema);
    for reference in references {
        collect(&reference, definitions, reached);
    }
}

/// OpenAPI 3.0 ignores what stands beside a `$ref`, so such a reference moves into `allOf`.
fn shape(schema: &mut Value, references: &mut Vec<String>) {
    let Value::Object(map) = schema else { return };
    if let Some(target) = map.get("$ref").and_then(Value::as_str) {
        references.extend(target.rsplit('/').next().map(str::to_owned));
        if map.len() > 1 {
            let target = map.remove("$ref");
            map.insert("allOf".into(), json!([{ "$ref": target }]));
        }
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(|property| shape(property, references));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(key) {
            shape(child, references);
        }
    }
}

/// Types that are one of two on the wire.
fn special(name: &str, schema: &mut Value) {
    let types = match name {
        INT_OR_STRING => json!([{ "type": "integer" }, { "type": "string" }]),
        QUANTITY => json!([{ "type": "string" }, { "type": "number" }]),
        _ => return,
    };
    schema["oneOf"] = types;
    if let Value::Object(map) = schema {
        map.remove("x-kubernetes-int-or-string");
    }
    if name == INT_OR_STRING {
        schema["format"] = "int-or-string".into();
    }
}

/// Tells which definition a kind is, and adds its list.
fn mark_kind(kind: &Kind, reached: &mut Map<String, Value>) {
    let own = group_version_kind(&kind.group, &kind.version, &kind.kind);
    if let Some(schema) = reached.get_mut(&kind.schema) {
        schema["x-kubernetes-group-version-kind"] = json!([own]);
    }
    if kind.verbs.iter().any(|verb| verb == "list") {
        reached.insert(list_definition(kind), list(kind));
    }
}

fn list(kind: &Kind) -> Value {
    json!({
        "description": format!("{} is a list of {}.", kind.list_kind, kind.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": { "type": "string", "description": "The versioned schema of this representation of an object." },
            "kind": { "type": "string", "description": "The REST resource this object represents." },
            "metadata": { "allOf": [reference(&format!("{META}.ListMeta"))], "description": "Standard list metadata." },
            "items": {
                "type": "array",
                "description": format!("List of {}.", kind.plural),
                "items": { "allOf": [reference(&kind.schema)], "default": {} },
            },
        },
        "x-kubernetes-group-version-kind": [group_version_kind(&kind.group, &kind.version, &kind.list_kind)],
    })
}
