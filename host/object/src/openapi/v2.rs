//! OpenAPI v2: one document of everything, converted from v3 with what the older form cannot say left
//! out. kubectl below 1.27, code generators and conformance cases read it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{VERSION, paths, schemas};
use crate::{Kind, Kinds};

const PRODUCES: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const STREAMS: [&str; 2] =
    ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// The document at `/openapi/v2`.
pub fn v2(kinds: &Kinds) -> Value {
    let rows: Vec<&Arc<Kind>> = kinds.rows().iter().collect();
    let mut definitions = schemas::schemas(&rows);
    for kind in &rows {
        if kind.custom.is_some()
            && let Some(schema) = definitions.get_mut(&kind.schema)
        {
            lose(schema);
            if preserves_unknown(schema) {
                bare_object(schema);
            }
        }
    }
    each_value(&mut definitions, schema);
    let mut paths = paths::paths(&rows);
    each_value(&mut paths, path_item);
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": VERSION },
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {
            "BearerToken": {
                "type": "apiKey", "name": "authorization", "in": "header",
                "description": "Bearer Token authentication",
            },
        },
        "security": [{ "BearerToken": [] }],
    })
}

fn each_value(map: &mut Value, mut visit: impl FnMut(&mut Value)) {
    map.as_object_mut().into_iter().flat_map(|map| map.values_mut()).for_each(&mut visit);
}

/// Brings a schema of v3, references and all, into the form of v2.
fn schema(value: &mut Value) {
    let Value::Object(map) = value else { return };
    // v3 wraps references that have siblings.
    if let Some(target) = map.remove("allOf").and_then(|all| all[0]["$ref"].as_str().map(String::from)) {
        map.insert("$ref".into(), target.into());
    }
    if let Some(Value::String(target)) = map.get_mut("$ref") {
        *target = target.replace("#/components/schemas/", "#/definitions/");
    }
    for key in ["oneOf", "anyOf", "not", "default", "nullable"] {
        map.remove(key);
    }
    if let Some(properties) = map.get_mut("properties") {
        each_value(properties, schema);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(key) {
            schema(child);
        }
    }
}

/// What a custom resource's schema loses (upstream's `ToStructuralOpenAPIV2`): alternatives, and the
/// types of fields that may be null or anything, which kubectl would take for refusals.
fn lose(value: &mut Value) {
    let Value::Object(map) = value else { return };
    if map.get("allOf").is_some_and(|all| all[0].get("$ref").is_none()) {
        map.remove("allOf");
    }
    let nullable = map.get("nullable") == Some(&true.into());
    let unknown = map.get("x-kubernetes-preserve-unknown-fields") == Some(&true.into());
    if nullable || unknown {
        map.remove("items");
        map.remove("properties");
    }
    let typed = map.get("type").and_then(Value::as_str).unwrap_or_default();
    if nullable || (unknown && typed == "object") || (typed == "array" && !map.contains_key("items")) {
        map.remove("type");
    }
    forget_null_requirements(map);
    if let Some(properties) = map.get_mut("properties") {
        each_value(properties, lose);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(key) {
            lose(child);
        }
    }
}

/// A field that may be null cannot be required where null is unknown.
fn forget_null_requirements(map: &mut Map<String, Value>) {
    let nulls = |schema: &Value| schema["nullable"] == true;
    if map.get("additionalProperties").is_some_and(nulls) {
        map.remove("required");
    }
    let properties = map.get("properties").cloned().unwrap_or_default();
    if let Some(Value::Array(required)) = map.get_mut("required") {
        required.retain(|name| !name.as_str().is_some_and(|name| nulls(&properties[name])));
        if required.is_empty() {
            map.remove("required");
        }
    }
}

fn preserves_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true
}

/// Any property named would make kubectl refuse all others.
fn bare_object(schema: &mut Value) {
    let own = schema["x-kubernetes-group-version-kind"].take();
    *schema = json!({ "type": "object", "x-kubernetes-group-version-kind": own });
}

fn path_item(item: &mut Value) {
    parameters(item);
    for method in METHODS {
        if let Some(operation) = item.get_mut(method) {
            self::operation(operation);
        }
    }
}

fn operation(operation: &mut Value) {
    let listing = operation["x-kubernetes-action"] == "list";
    let streams = STREAMS.iter().filter(|_| listing);
    operation["produces"] = PRODUCES.iter().chain(streams).copied().collect();
    operation["schemes"] = json!(["https"]);
    parameters(operation);
    let content = operation["requestBody"]["content"].take();
    if let Value::Object(fields) = operation {
        fields.remove("requestBody");
    }
    operation["consumes"] = json!(["*/*"]);
    if let Value::Object(content) = content {
        body(operation, content);
    }
    each_value(&mut operation["responses"], |response| {
        let mut answer = response["content"]["application/json"]["schema"].take();
        if let Value::Object(fields) = response {
            fields.remove("content");
        }
        if answer.is_object() {
            schema(&mut answer);
            response["schema"] = answer;
        }
    });
}

fn body(operation: &mut Value, content: Map<String, Value>) {
    operation["consumes"] = content.keys().map(String::as_str).collect();
    let Some(mut own) = content.into_iter().next().map(|(_, media)| media["schema"].clone()) else { return };
    schema(&mut own);
    let mut parameter = json!({ "name": "body", "in": "body", "schema": own });
    let deletes =
        operation["x-kubernetes-action"].as_str().is_some_and(|action| action.starts_with("delete"));
    if !deletes {
        parameter["required"] = true.into();
    }
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.push(parameter);
    }
}

/// The type stands beside the name, not in a schema of its own.
fn parameters(holder: &mut Value) {
    for parameter in holder["parameters"].as_array_mut().into_iter().flatten() {
        let own = parameter["schema"].take();
        if let (Value::Object(fields), Value::Object(own)) = (parameter, own) {
            fields.remove("schema");
            fields.extend(own);
        }
    }
}
