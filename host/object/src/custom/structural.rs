//! Whether a definition's schema is structural: every place has one type, said outside of `allOf` and
//! its like (`apiextensions-apiserver/pkg/apiserver/schema/validation.go`).

use serde_json::Value;

use super::schema::{Kind, Schema, fields, list};
use super::{default, prune, rules, validate};
use crate::validation::{Errors, Path};

/// Keywords that give a place its shape; within `allOf`, `anyOf`, `oneOf` and `not` they may only narrow.
const SHAPES: [&str; 6] = ["additionalProperties", "default", "description", "nullable", "title", "type"];
const EXTENSIONS: [&str; 7] = [
    "x-kubernetes-validations",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
];
/// Deeper is no schema of a person's.
const DEEPEST: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Field,
    Item,
}

/// Everything that keeps the schema from being structural.
pub(crate) fn validate_schema(schema: &Value, path: &Path, errors: &mut Errors) {
    place(schema, path, Place::Root, 0, errors);
    if errors.is_empty() {
        rules::validate_expressions(schema, path, errors);
        defaults(schema, path, errors);
    }
}

fn place(schema: &Value, path: &Path, place_: Place, depth: usize, errors: &mut Errors) {
    if depth > DEEPEST {
        errors.invalid(path, &"".into(), format!("must not be nested more than {DEEPEST} levels"));
        return;
    }
    type_of(schema, path, place_, errors);
    keywords(schema, path, errors);
    rules::validate_form(schema, path, errors);
    if place_ == Place::Root {
        metadata(schema, path, errors);
    }
    for (name, field) in fields(&schema["properties"]) {
        place(field, &path.child("properties").key(name), Place::Field, depth + 1, errors);
    }
    if schema["additionalProperties"].is_object() {
        place(
            &schema["additionalProperties"],
            &path.child("additionalProperties"),
            Place::Field,
            depth + 1,
            errors,
        );
    }
    match &schema["items"] {
        items @ Value::Object(_) => place(items, &path.child("items"), Place::Item, depth + 1, errors),
        Value::Array(_) => {
            errors.forbidden(&path.child("items"), "items must be a schema object and not an array")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for (index, narrower) in list(&schema[name]).iter().enumerate() {
            narrow(narrower, schema, &path.child(name).index(index), depth + 1, errors);
        }
    }
    if schema["not"].is_object() {
        narrow(&schema["not"], schema, &path.child("not"), depth + 1, errors);
    }
}

fn type_of(schema: &Value, path: &Path, place: Place, errors: &mut Errors) {
    let at = path.child("type");
    let open = ["x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"];
    let given = schema["type"].as_str().unwrap_or_default();
    match (given, place) {
        ("", Place::Root) => errors.required(&at, "must not be empty at the root"),
        ("", _) if open.iter().any(|name| schema[*name] == true) => {}
        ("", Place::Field) => errors.required(&at, "must not be empty for specified object fields"),
        ("", Place::Item) => errors.required(&at, "must not be empty for specified array items"),
        ("object", Place::Root) => {}
        (_, Place::Root) => errors.invalid(&at, &schema["type"], "must be object at the root"),
        (other, _) if Kind::parse(other).is_none() => {
            errors.one_of(
                &at,
                &schema["type"],
                &["array", "boolean", "integer", "number", "object", "string"],
            );
        }
        (_, Place::Field | Place::Item) => {}
    }
    if given == "array" && schema["items"].is_null() && schema["x-kubernetes-preserve-unknown-fields"] != true
    {
        errors.required(&path.child("items"), "must be specified");
    }
    if schema["x-kubernetes-int-or-string"] == true && !given.is_empty() {
        errors.forbidden(&at, "must be empty if x-kubernetes-int-or-string is true");
    }
    if schema["x-kubernetes-embedded-resource"] == true {
        if given != "object" {
            errors.invalid(&at, &schema["type"], "must be object if x-kubernetes-embedded-resource is true");
        }
        let shapeless = fields(&schema["properties"]).next().is_none();
        if shapeless && schema["x-kubernetes-preserve-unknown-fields"] != true {
            let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
            errors.required(&path.child("properties"), detail);
        }
    }
}

fn keywords(schema: &Value, path: &Path, errors: &mut Errors) {
    if schema["uniqueItems"] == true {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.forbidden(&path.child("uniqueItems"), detail);
    }
    if !schema["properties"].is_null()
        && fields(&schema["properties"]).next().is_some()
        && matches!(schema["additionalProperties"], Value::Object(_) | Value::Bool(false))
    {
        let detail = "additionalProperties and properties are mutual exclusive";
        errors.forbidden(&path.child("additionalProperties"), detail);
    } else if schema["additionalProperties"] == false {
        errors.forbidden(&path.child("additionalProperties"), "additionalProperties cannot be set to false");
    }
    for (name, detail) in [
        ("patternProperties", "patternProperties is not supported"),
        ("definitions", "definitions is not supported"),
        ("dependencies", "dependencies is not supported"),
        ("additionalItems", "additionalItems is not supported"),
        ("$ref", "$ref is not supported"),
        ("id", "id is not supported"),
    ] {
        let set = match &schema[name] {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => true,
        };
        if set {
            errors.forbidden(&path.child(name), detail);
        }
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && let Err(error) = regex::Regex::new(pattern)
    {
        let why = error.to_string().lines().last().unwrap_or_default().to_owned();
        let detail = format!("must be a valid regular expression, but isn't: {why}");
        errors.invalid(&path.child("pattern"), &schema["pattern"], detail);
    }
    lists(schema, path, errors);
}

/// `x-kubernetes-list-type`, `-map-keys` and `-map-type` against the types they stand on.
fn lists(schema: &Value, path: &Path, errors: &mut Errors) {
    let given = schema["type"].as_str().unwrap_or_default();
    let kind = &schema["x-kubernetes-list-type"];
    if !kind.is_null() && given != "array" {
        errors.invalid(
            &path.child("type"),
            &schema["type"],
            "must be array if x-kubernetes-list-type is specified",
        );
    }
    errors.optional_one_of(&path.child("x-kubernetes-list-type"), kind, &["atomic", "map", "set"]);
    let keys_path = path.child("x-kubernetes-list-map-keys");
    let keys = list(&schema["x-kubernetes-list-map-keys"]);
    match (kind.as_str(), keys) {
        (Some("map"), []) => {
            errors.required(&keys_path, "must not be empty if x-kubernetes-list-type is map");
        }
        (Some("map"), keys) => {
            for key in keys.iter().filter_map(Value::as_str) {
                map_key(schema, key, path, &keys_path, errors);
            }
        }
        (_, []) => {}
        (_, _) => {
            let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
            errors.invalid(&path.child("x-kubernetes-list-type"), kind, detail);
        }
    }
    let map_type = &schema["x-kubernetes-map-type"];
    if !map_type.is_null() && given != "object" {
        errors.invalid(
            &path.child("type"),
            &schema["type"],
            "must be object if x-kubernetes-map-type is specified",
        );
    }
    errors.optional_one_of(&path.child("x-kubernetes-map-type"), map_type, &["atomic", "granular"]);
}

fn map_key(schema: &Value, key: &str, path: &Path, keys: &Path, errors: &mut Errors) {
    let items = &schema["items"];
    let Some(field) = items["properties"].get(key) else {
        errors.invalid(
            keys,
            &schema["x-kubernetes-list-map-keys"],
            "entries must all be names of item properties",
        );
        return;
    };
    let at = path.child("items").child("properties").key(key);
    if matches!(field["type"].as_str(), Some("array" | "object")) {
        errors.invalid(
            &at.child("type"),
            &field["type"],
            "must be a scalar type if parent array's x-kubernetes-list-type is map",
        );
    }
    let required = list(&items["required"]).iter().any(|name| name == key);
    if !required && field["default"].is_null() {
        let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
        errors.required(&at.child("default"), detail);
    }
}

/// Of `metadata` a schema may restrict the names only.
fn metadata(schema: &Value, path: &Path, errors: &mut Errors) {
    let metadata = &schema["properties"]["metadata"];
    let at = path.child("properties").key("metadata");
    if metadata.is_null() {
        return;
    }
    if metadata["type"] != "object" {
        errors.invalid(&at.child("type"), &metadata["type"], "must be object");
    }
    let names = fields(&metadata["properties"]).all(|(name, _)| name == "name" || name == "generateName");
    if !names {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.forbidden(&at, detail);
    }
}

/// A part of `allOf` and its like: it may narrow what `shape` says, and say nothing of its own.
fn narrow(schema: &Value, shape: &Value, path: &Path, depth: usize, errors: &mut Errors) {
    if depth > DEEPEST {
        errors.invalid(path, &"".into(), format!("must not be nested more than {DEEPEST} levels"));
        return;
    }
    let either = shape["x-kubernetes-int-or-string"] == true;
    for name in SHAPES.iter().chain(&EXTENSIONS) {
        let set = !matches!(&schema[*name], Value::Null | Value::Bool(false)) && schema[*name] != "";
        if set && !(either && *name == "type") {
            errors.forbidden(&path.child(name), "must be empty to be structural");
        }
    }
    keywords(schema, path, errors);
    for (name, field) in fields(&schema["properties"]) {
        let at = path.child("properties").key(name);
        let known = shape["properties"].get(name).or(match &shape["additionalProperties"] {
            each @ Value::Object(_) => Some(each),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        });
        match known {
            Some(known) => narrow(field, known, &at, depth + 1, errors),
            None if shape["x-kubernetes-preserve-unknown-fields"] == true => {}
            None => errors.required(
                &at,
                "because it is defined in a nested value validation, it must be defined outside of it too",
            ),
        }
    }
    if schema["items"].is_object() {
        narrow(&schema["items"], &shape["items"], &path.child("items"), depth + 1, errors);
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for (index, narrower) in list(&schema[name]).iter().enumerate() {
            narrow(narrower, shape, &path.child(name).index(index), depth + 1, errors);
        }
    }
    if schema["not"].is_object() {
        narrow(&schema["not"], shape, &path.child("not"), depth + 1, errors);
    }
}

/// A default is what its place allows: nothing unknown in it, nothing invalid.
fn defaults(schema: &Value, path: &Path, errors: &mut Errors) {
    if let Some(value) = schema.get("default").filter(|value| !value.is_null()) {
        let at = path.child("default");
        let parsed = Schema::parse(schema);
        let (mut kept, mut completed) = (value.clone(), value.clone());
        if !prune::prune(&parsed, &mut kept).is_empty() {
            errors.invalid(&at, value, "must not have unknown fields");
        }
        default::default(&parsed, &mut completed);
        let mut found = Vec::new();
        validate::validate(&parsed, &completed, at.as_str(), &mut found);
        found.into_iter().for_each(|error| errors.push(error));
    }
    for (name, field) in fields(&schema["properties"]) {
        defaults(field, &path.child("properties").key(name), errors);
    }
    for name in ["items", "additionalProperties"] {
        if schema[name].is_object() {
            defaults(&schema[name], &path.child(name), errors);
        }
    }
}
