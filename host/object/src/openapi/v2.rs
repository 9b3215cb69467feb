//! OpenAPI v2: one document of everything, converted from v3 with what the older form cannot say left
//! out. kubectl below 1.27, code generators and conformance cases read it.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Map, Value, json};

use super::{Document, VERSION, documents, paths, schemas, security};
use crate::Kinds;
use crate::schema::full_definitions;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// In the order in which lists have them.
const MEDIA: [&str; 10] = [
    "text/plain",
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// The document at `/openapi/v2`.
pub fn v2(kinds: &Kinds) -> Value {
    let known = full_definitions();
    let options = super::Options::new(&known);
    let documents = documents(kinds);
    let routes = documents
        .values()
        .flat_map(|document| super::routes(document, &super::rows(kinds, document), &options));
    let mut paths = paths::items(routes.collect());
    let groups = documents.values().filter_map(Document::group).collect();
    let mut definitions = schemas::schemas(&paths, kinds, groups, &known);
    for kind in kinds.rows().iter().filter(|kind| kind.custom.is_some()) {
        if let Some(schema) = definitions.get_mut(&kind.schema) {
            lose(schema);
            if preserves_unknown(schema) {
                bare_object(schema);
            }
        }
    }
    each_value(&mut definitions, schema);
    each_value(&mut paths, path_item);
    let shared = share(&mut paths);
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": VERSION },
        "paths": paths,
        "definitions": definitions,
        "parameters": shared,
        "securityDefinitions": security(),
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
    // What is one of two types on the wire is called a string.
    if map.remove("oneOf").is_some() && !map.contains_key("type") {
        map.insert("type".into(), "string".into());
    }
    for key in ["anyOf", "not", "default", "nullable"] {
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
    operation["schemes"] = json!(["https"]);
    parameters(operation);
    let body = operation["requestBody"].take();
    if let Value::Object(fields) = operation {
        fields.remove("requestBody");
    }
    let mut produced = Value::Null;
    each_value(&mut operation["responses"], |response| {
        let content = response["content"].take();
        if let Value::Object(fields) = response {
            fields.remove("content");
        }
        if let Some(mut answer) = any_schema(&content) {
            schema(&mut answer);
            response["schema"] = answer;
            produced = media(&content);
        }
    });
    if let Some(consumed) = consumed(operation, &body["content"], &produced) {
        operation["consumes"] = consumed;
    }
    operation["produces"] = produced;
    if let Some(own) = any_schema(&body["content"]) {
        insert_body(operation, own, body["required"] == true);
    }
}

/// Questions that carry nothing are said to be of the types of their answers, where those have schemas.
fn consumed(operation: &Value, content: &Value, produced: &Value) -> Option<Value> {
    let asks = operation.get("x-kubernetes-action").is_none();
    match content {
        Value::Null if asks => operation["responses"]["200"]["schema"].get("$ref").map(|_| produced.clone()),
        Value::Null => Some(json!(["*/*"])),
        content => Some(media(content)),
    }
}

fn any_schema(content: &Value) -> Option<Value> {
    content.as_object()?.values().next().map(|media| media["schema"].clone())
}

fn media(content: &Value) -> Value {
    let mut names: Vec<&String> = content.as_object().into_iter().flat_map(Map::keys).collect();
    names.sort_by_key(|name| MEDIA.iter().position(|known| known == name));
    names.into_iter().cloned().collect()
}

/// The body is a parameter among the others, sorted by their names.
fn insert_body(operation: &mut Value, mut own: Value, required: bool) {
    schema(&mut own);
    let mut body = json!({ "name": "body", "in": "body", "schema": own });
    if required {
        body["required"] = true.into();
    }
    if operation["parameters"].is_null() {
        operation["parameters"] = json!([]);
    }
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        let after = parameters.partition_point(|other| other["name"].as_str() < Some("body"));
        parameters.insert(after, body);
    }
}

/// Parameters that do not tell kinds apart stand once in the document, each under its name and a hash.
fn share(paths: &mut Value) -> Value {
    let mut shared = Map::new();
    each_value(paths, |item| {
        share_of(item, &mut shared);
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                share_of(operation, &mut shared);
            }
        }
    });
    shared.into()
}

fn share_of(holder: &mut Value, shared: &mut Map<String, Value>) {
    let Some(Value::Array(parameters)) = holder.get_mut("parameters") else { return };
    for parameter in parameters.iter_mut().filter(|parameter| is_shared(parameter)) {
        let name = format!("{}-{}", parameter["name"].as_str().unwrap_or_default(), hash(parameter));
        let reference = json!({ "$ref": format!("#/parameters/{name}") });
        shared.insert(name, std::mem::replace(parameter, reference));
    }
}

/// By the last two kubectl before 1.27 learns what a server can do: it looks for them in place.
fn is_shared(parameter: &Value) -> bool {
    match parameter["name"].as_str().unwrap_or_default() {
        "body" => {
            let definition = parameter["schema"]["$ref"].as_str();
            definition.is_some_and(|name| name.starts_with("#/definitions/io.k8s.apimachinery"))
        }
        name => !matches!(name, "name" | "dryRun" | "fieldValidation"),
    }
}

fn hash(parameter: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    parameter.to_string().hash(&mut hasher);
    URL_SAFE.encode(&hasher.finish().to_be_bytes()[..6])
}

/// The type stands beside the name, not in a schema of its own.
fn parameters(holder: &mut Value) {
    let Some(Value::Array(parameters)) = holder.get_mut("parameters") else { return };
    for parameter in parameters {
        let own = parameter["schema"].take();
        if let (Value::Object(fields), Value::Object(own)) = (parameter, own) {
            fields.remove("schema");
            fields.extend(own);
        }
    }
}
