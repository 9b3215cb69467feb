//! Whether a definition's schema is structural: every place has one type, said outside of `allOf` and
//! its like (`apiextensions-apiserver/pkg/apiserver/schema/validation.go`).

use serde_json::Value;

use super::schema::{Kind, Schema, fields, list};
use super::{default, keywords, prune, rules, validate};
use crate::validation::{Errors, Path};

/// Keywords that give a place its shape, and how `allOf`, `anyOf`, `oneOf` and `not` must leave them: these
/// may only narrow.
const SHAPES: [(&str, &str); 13] = [
    ("type", "empty"),
    ("additionalProperties", "undefined"),
    ("default", "undefined"),
    ("title", "empty"),
    ("description", "empty"),
    ("nullable", "false"),
    ("x-kubernetes-preserve-unknown-fields", "false"),
    ("x-kubernetes-embedded-resource", "false"),
    ("x-kubernetes-int-or-string", "false"),
    ("x-kubernetes-list-map-keys", "empty"),
    ("x-kubernetes-list-type", "undefined"),
    ("x-kubernetes-map-type", "undefined"),
    ("x-kubernetes-validations", "empty"),
];
/// Deeper is no schema of a person's.
pub(super) const DEEPEST: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Field,
    Item,
}

/// Everything that keeps the schema from being one: it is not structural, has bad defaults, says what no
/// schema of a definition may say, or has bad rules. `has_status`: instances have a `status` of their own.
pub(crate) fn validate_schema(schema: &Value, has_status: bool, path: &Path, errors: &mut Errors) {
    let mut found = Errors::default();
    keywords::validate_root(schema, has_status, path, &mut found);
    let unsupported = keywords::unsupported(schema, 0);
    let sound = unsupported.is_none() && is_sound(schema, path, &mut found);
    let before = found.len();
    keywords::validate(schema, path, &mut found);
    if sound && found.len() == before {
        rules::validate_expressions(schema, path, &mut found);
    }
    if let Some(name) = unsupported.filter(|_| found.is_empty()) {
        found.invalid(path, &"".into(), format!("OpenAPIV3Schema '{name}' is not supported"));
    }
    errors.extend(found);
}

/// Structural, and with good defaults.
fn is_sound(schema: &Value, path: &Path, errors: &mut Errors) -> bool {
    let mut found = Errors::default();
    place(schema, path, Place::Root, 0, &mut found);
    if found.is_empty() {
        defaults(schema, path, &mut found);
    } else {
        found.sort();
    }
    let sound = found.is_empty();
    errors.extend(found);
    sound
}

fn place(schema: &Value, path: &Path, place_: Place, depth: usize, errors: &mut Errors) {
    if depth > DEEPEST {
        errors.invalid(path, &"".into(), format!("must not be nested more than {DEEPEST} levels"));
        return;
    }
    type_of(schema, path, place_, errors);
    pattern(schema, path, errors);
    if place_ == Place::Root || schema["x-kubernetes-embedded-resource"] == true {
        resource(schema, path, errors);
    }
    if place_ == Place::Root {
        metadata(schema, path, errors);
    }
    for (name, field) in fields(&schema["properties"]) {
        place(field, &path.child("properties").key(name), Place::Field, depth + 1, errors);
    }
    let each = &schema["additionalProperties"];
    let at = path.child("additionalProperties");
    if place_ == Place::Root && !each.is_null() {
        errors.forbidden(&at, "must not be used at the root");
    }
    if each.is_object() {
        place(each, &at, Place::Field, depth + 1, errors);
    }
    if schema["items"].is_object() {
        place(&schema["items"], &path.child("items"), Place::Item, depth + 1, errors);
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
    let flag = |name: &str| schema[name] == true;
    let either = flag("x-kubernetes-int-or-string");
    let open = flag("x-kubernetes-preserve-unknown-fields");
    let embedded = flag("x-kubernetes-embedded-resource");
    let given = schema["type"].as_str().unwrap_or_default();
    if given == "array" && schema["items"].is_null() {
        errors.required(&path.child("items"), "must be specified");
    }
    if either && open {
        let detail = "must be false if x-kubernetes-int-or-string is true";
        errors.invalid(&path.child("x-kubernetes-preserve-unknown-fields"), &true.into(), detail);
    }
    if either && embedded {
        let detail = "must be false if x-kubernetes-int-or-string is true";
        errors.invalid(&path.child("x-kubernetes-embedded-resource"), &true.into(), detail);
    }
    match (given, place) {
        ("", _) if embedded => {
            errors.required(&at, "must be object if x-kubernetes-embedded-resource is true");
        }
        (other, _) if embedded && other != "object" => {
            errors.invalid(&at, &schema["type"], "must be object if x-kubernetes-embedded-resource is true");
        }
        ("", _) if either || open => {}
        ("", Place::Root) => errors.required(&at, "must not be empty at the root"),
        ("", Place::Field) => errors.required(&at, "must not be empty for specified object fields"),
        ("", Place::Item) => errors.required(&at, "must not be empty for specified array items"),
        ("object", Place::Root) | (_, Place::Field | Place::Item) => {}
        (_, Place::Root) => errors.invalid(&at, &schema["type"], "must be object at the root"),
    }
    let shapeless = fields(&schema["properties"]).next().is_none();
    if embedded && !schema["additionalProperties"].is_null() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.forbidden(&path.child("additionalProperties"), detail);
    }
    if embedded && shapeless && !open {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.required(&path.child("properties"), detail);
    }
}

fn pattern(schema: &Value, path: &Path, errors: &mut Errors) {
    if let Some(pattern) = schema["pattern"].as_str()
        && let Err(error) = regex::Regex::new(pattern)
    {
        let why = error.to_string().lines().last().unwrap_or_default().to_owned();
        let detail = format!("must be a valid regular expression, but isn't: {why}");
        errors.invalid(&path.child("pattern"), &schema["pattern"], detail);
    }
}

/// What a whole object says of itself.
fn resource(schema: &Value, path: &Path, errors: &mut Errors) {
    for (name, wanted) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
        let Some(field) = schema["properties"].get(name).filter(|field| field["type"] != wanted) else {
            continue;
        };
        let at = path.child("properties").key(name).child("type");
        errors.invalid(&at, &field["type"], format!("must be {wanted}"));
    }
}

/// Of `metadata` a schema may restrict the names only.
fn metadata(schema: &Value, path: &Path, errors: &mut Errors) {
    let metadata = &schema["properties"]["metadata"];
    let at = path.child("properties").key("metadata");
    if metadata.is_null() {
        return;
    }
    let names = fields(&metadata["properties"]).all(|(name, _)| name == "name" || name == "generateName");
    let silent = ["type", "properties", "default"];
    let more = fields(metadata).any(|(name, value)| !silent.contains(&name.as_str()) && !value.is_null());
    if !names || more {
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
    for (name, must) in SHAPES {
        let given = &schema[name];
        let set = !matches!(given, Value::Null | Value::Bool(false))
            && given != ""
            && given != &Value::Array(vec![]);
        if set && !(either && name == "type") {
            errors.forbidden(&path.child(name), format!("must be {must} to be structural"));
        }
    }
    if schema["properties"].get("metadata").is_some() {
        let at = path.child("properties").key("metadata");
        errors.forbidden(&at, "must not be specified in a nested context");
    }
    pattern(schema, path, errors);
    for (name, field) in fields(&schema["properties"]) {
        let at = path.child("properties").key(name);
        match shape["properties"].get(name) {
            Some(known) => narrow(field, known, &at, depth + 1, errors),
            None => unshaped(&shape_of(path).child("properties").key(name), &at, errors),
        }
    }
    if schema["items"].is_object() {
        let at = path.child("items");
        match &shape["items"] {
            Value::Null => unshaped(&shape_of(path).child("items"), &at, errors),
            known => narrow(&schema["items"], known, &at, depth + 1, errors),
        }
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

/// `from` speaks of a place that has no shape.
fn unshaped(place: &Path, from: &Path, errors: &mut Errors) {
    errors.required(place, &format!("because it is defined in {from}"));
}

/// The place that a part speaks of: its path without the steps into `allOf` and its like.
fn shape_of(part: &Path) -> Path {
    let steps = part.as_str().split('.');
    let into = |step: &&str| {
        *step == "not" || ["allOf[", "anyOf[", "oneOf["].iter().any(|name| step.starts_with(name))
    };
    steps.filter(|step| !into(step)).fold(Path::new(""), |path, step| path.child(step))
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
        // Messages name places within the default.
        let mut found = Vec::new();
        validate::validate(&parsed, &completed, "", &mut found);
        if let Some(unknown) = schema["type"].as_str().filter(|name| Kind::parse(name).is_none()) {
            found.insert(0, validate::of_type("", &completed, unknown));
        }
        for mut error in found {
            error.field = match error.field.as_str() {
                "" => at.as_str().to_owned(),
                within => format!("{at}.{within}"),
            };
            errors.push(error);
        }
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
