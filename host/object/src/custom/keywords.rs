//! What a definition's schema may say at each place, structural or not
//! (`ValidateCustomResourceDefinitionOpenAPISchema`).

use serde_json::Value;

use super::rules;
use super::schema::{Kind, fields, list};
use crate::validation::{Errors, Path};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// What the root may say where the schema of `status` is taken out of it.
const ROOT: [&str; 22] = [
    "description",
    "type",
    "format",
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "required",
    "items",
    "properties",
    "externalDocs",
    "example",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

/// Upstream's names of `ROOT`.
const ROOT_NAMES: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]";

/// Of no use to a structural schema, by the names under which upstream refuses them.
const UNSUPPORTED: [(&str, &str); 7] = [
    ("id", "id"),
    ("$schema", "schema"),
    ("$ref", "$ref"),
    ("patternProperties", "patternProperties"),
    ("dependencies", "dependencies"),
    ("additionalItems", "additionalItems"),
    ("definitions", "definitions"),
];

fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// The first keyword, here or below, that keeps the schema from being read as a structural one.
pub(super) fn unsupported(schema: &Value, depth: usize) -> Option<&'static str> {
    // The walk through structural schemas refuses what is deeper.
    if depth > super::structural::DEEPEST {
        return None;
    }
    if let Some((_, name)) = UNSUPPORTED.iter().find(|(keyword, _)| is_set(&schema[*keyword])) {
        return Some(name);
    }
    if schema["items"].is_array() {
        return Some("items");
    }
    below(schema).find_map(|part| unsupported(part, depth + 1))
}

/// Every schema within a schema.
fn below(schema: &Value) -> impl Iterator<Item = &Value> {
    let single = ["items", "additionalProperties", "not"].map(|name| &schema[name]);
    let listed = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|name| list(&schema[name]));
    let named = fields(&schema["properties"]).map(|(_, field)| field);
    single.into_iter().filter(|part| part.is_object()).chain(named).chain(listed)
}

/// Of the root alone.
pub(super) fn validate_root(schema: &Value, has_status: bool, path: &Path, errors: &mut Errors) {
    if has_status {
        let at = path.child("type");
        let given = schema["type"].as_str().unwrap_or_default();
        if !given.is_empty() && given != "object" {
            let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
            errors.invalid(&at, &schema["type"], detail);
        } else if fields(schema).any(|(name, value)| is_set(value) && !ROOT.contains(&name.as_str())) {
            let detail = format!(
                "only {ROOT_NAMES} fields are allowed at the root of the schema if the status subresource is enabled"
            );
            errors.invalid(path, schema, detail);
        }
    }
    if schema["nullable"] == true {
        errors.forbidden(&path.child("nullable"), "nullable cannot be true at the root");
    }
}

/// Where a place stands.
#[derive(Clone, Copy)]
struct Within<'a> {
    root: bool,
    /// Why no default may be set.
    no_default: Option<&'a str>,
    /// `apiVersion`, `kind` or `metadata` of an object, or below.
    meta: bool,
    depth: usize,
}

/// Of every place.
pub(super) fn validate(schema: &Value, path: &Path, errors: &mut Errors) {
    place(schema, path, Within { root: true, no_default: None, meta: false, depth: 0 }, errors);
}

fn place(schema: &Value, path: &Path, within: Within<'_>, errors: &mut Errors) {
    if within.depth > super::structural::DEEPEST {
        return;
    }
    keywords(schema, path, within, errors);
    let inner = Within { root: false, depth: within.depth + 1, ..within };
    let each = &schema["additionalProperties"];
    if each.is_object() {
        let reason = "inside additionalProperties applying to object metadata";
        let no_default = if within.meta { Some(reason) } else { within.no_default };
        place(each, &path.child("additionalProperties"), Within { no_default, ..inner }, errors);
    }
    let whole = within.root || schema["x-kubernetes-embedded-resource"] == true;
    for (name, field) in fields(&schema["properties"]) {
        let at = path.child("properties").key(name);
        let meta = whole && matches!(name.as_str(), "metadata" | "kind" | "apiVersion");
        let reason = format!("in top-level {name}");
        let no_default = if meta && within.root { Some(reason.as_str()) } else { within.no_default };
        place(field, &at, Within { meta: within.meta || meta, no_default, ..inner }, errors);
    }
    if schema["not"].is_object() {
        place(&schema["not"], &path.child("not"), inner, errors);
    }
    for name in ["allOf", "oneOf", "anyOf"] {
        for (index, part) in list(&schema[name]).iter().enumerate() {
            place(part, &path.child(name).index(index), inner, errors);
        }
    }
    if schema["items"].is_object() {
        place(&schema["items"], &path.child("items"), inner, errors);
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let at = path.child("x-kubernetes-preserve-unknown-fields");
        errors.invalid(&at, &false.into(), "must be true or undefined");
    }
    map_type(schema, path, errors);
    list_type(schema, path, errors);
    rules::validate_form(schema, path, errors);
}

fn keywords(schema: &Value, path: &Path, within: Within<'_>, errors: &mut Errors) {
    let given = schema["type"].as_str().unwrap_or_default();
    if !given.is_empty() && Kind::parse(given).is_none() {
        errors.one_of(&path.child("type"), &schema["type"], &TYPES);
    }
    if let Some(reason) = within.no_default.filter(|_| !schema["default"].is_null()) {
        errors.forbidden(&path.child("default"), format!("must not be set {reason}"));
    }
    for name in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if is_set(&schema[name]) {
            errors.forbidden(&path.child(name), format!("{name} is not supported"));
        }
    }
    if given == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        errors.forbidden(&path.child("type"), detail);
    }
    if is_set(&schema["items"]) && schema["items"].is_array() {
        errors.forbidden(&path.child("items"), "items must be a schema object and not an array");
    }
    if within.meta && schema["x-kubernetes-embedded-resource"] == true {
        let at = path.child("x-kubernetes-embedded-resource");
        errors.forbidden(&at, "must not be used inside of resource meta");
    }
    if schema["uniqueItems"] == true {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.forbidden(&path.child("uniqueItems"), detail);
    }
    let named = fields(&schema["properties"]).next().is_some();
    if named && matches!(schema["additionalProperties"], Value::Object(_) | Value::Bool(false)) {
        let detail = "additionalProperties and properties are mutual exclusive";
        errors.forbidden(&path.child("additionalProperties"), detail);
    }
}

/// `x-kubernetes-map-type` and `-list-type` stand on one type.
fn stands_on(keyword: &str, wanted: &str, schema: &Value, path: &Path, errors: &mut Errors) -> bool {
    let stands = schema["type"] == wanted;
    if !stands {
        let (at, detail) = (path.child("type"), format!("must be {wanted} if {keyword} is specified"));
        match schema["type"].as_str().unwrap_or_default() {
            "" => errors.required(&at, &detail),
            _ => errors.invalid(&at, &schema["type"], detail),
        }
    }
    stands
}

fn map_type(schema: &Value, path: &Path, errors: &mut Errors) {
    const KEYWORD: &str = "x-kubernetes-map-type";
    if !schema[KEYWORD].is_null() {
        stands_on(KEYWORD, "object", schema, path, errors);
        errors.one_of(&path.child(KEYWORD), &schema[KEYWORD], &["atomic", "granular"]);
    }
}

fn list_type(schema: &Value, path: &Path, errors: &mut Errors) {
    const KEYWORD: &str = "x-kubernetes-list-type";
    let (given, at) = (&schema[KEYWORD], path.child(KEYWORD));
    if !given.is_null() && stands_on(KEYWORD, "array", schema, path, errors) && given == "set" {
        set_items(&schema["items"], &path.child("items"), errors);
    }
    if !given.is_null() {
        errors.one_of(&at, given, &["atomic", "map", "set"]);
    }
    let keys = list(&schema["x-kubernetes-list-map-keys"]);
    if !keys.is_empty() && given != "map" {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        match given.is_null() {
            true => errors.required(&at, detail),
            false => errors.invalid(&at, given, detail),
        }
    }
    if given == "map" {
        map_keys(schema, keys, path, errors);
    }
    if given == "map" || given == "set" {
        always_there(schema, keys, path, errors);
    }
}

/// Items of a set are compared whole.
fn set_items(items: &Value, path: &Path, errors: &mut Errors) {
    let keyword = match items["type"].as_str() {
        Some("array") => "x-kubernetes-list-type",
        Some("object") => "x-kubernetes-map-type",
        Some(_) | None => return,
    };
    let by_default = keyword == "x-kubernetes-list-type" && items[keyword].is_null();
    if items[keyword] != "atomic" && !by_default {
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        errors.shown(&path.child(keyword), &items["x-kubernetes-list-type"], detail);
    }
}

fn map_keys(schema: &Value, keys: &[Value], path: &Path, errors: &mut Errors) {
    let (items, at) = (&schema["items"], path.child("items"));
    let keys_path = path.child("x-kubernetes-list-map-keys");
    if keys.is_empty() {
        errors.required(&keys_path, "must not be empty if x-kubernetes-list-type is map");
    }
    if items.is_null() {
        errors.required(&at, "must have a schema if x-kubernetes-list-type is map");
        return;
    }
    if items["type"] != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        errors.invalid(&at.child("type"), &items["type"], detail);
        return;
    }
    for (index, key) in keys.iter().enumerate() {
        let name = key.as_str().unwrap_or_default();
        match items["properties"].get(name).map(|field| field["type"].as_str().unwrap_or_default()) {
            None => errors.shown(
                &keys_path,
                &schema["x-kubernetes-list-map-keys"],
                "entries must all be names of item properties",
            ),
            Some("array" | "object") => errors.invalid(
                &at.child("properties").key(name).child("type"),
                &items["type"],
                "must be a scalar type if parent array's x-kubernetes-list-type is map",
            ),
            Some(_) => {}
        }
        if keys[..index].contains(key) {
            let detail = "must not contain duplicate entries";
            errors.shown(&keys_path, &schema["x-kubernetes-list-map-keys"], detail);
        }
    }
}

/// What tells items apart is never missing.
fn always_there(schema: &Value, keys: &[Value], path: &Path, errors: &mut Errors) {
    let (items, at) = (&schema["items"], path.child("items"));
    if items["nullable"] == true {
        let kind = schema["x-kubernetes-list-type"].as_str().unwrap_or_default();
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {kind}");
        errors.forbidden(&at.child("nullable"), detail);
    }
    for key in keys.iter().filter_map(Value::as_str).filter(|_| schema["x-kubernetes-list-type"] == "map") {
        let Some(field) = items["properties"].get(key) else { continue };
        let at = at.child("properties").key(key);
        let required = list(&items["required"]).iter().any(|name| name == key);
        if !required && field["default"].is_null() {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.required(&at.child("default"), detail);
        }
        if field["nullable"] == true {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.forbidden(&at.child("nullable"), detail);
        }
    }
}
