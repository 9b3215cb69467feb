//! Objects in other versions of their kind, and the patches that expressions give.

use std::borrow::Cow;

use orch_object::apply::merge_configuration;
use orch_object::schema::decode;
use orch_object::{Kind, cel};
use serde_json::{Value, json};

use super::compiled::PatchKind;
use crate::Review;

/// The objects of a request as another version of their kind shows them.
pub(super) fn shown<'a>(
    review: &Review<'a>,
    kind: &Kind,
    object: &'a Value,
) -> (Cow<'a, Value>, Option<Cow<'a, Value>>) {
    let convert = |object: &'a Value| converted(review.kind, kind, object);
    (convert(object), review.old.map(convert))
}

/// From one version of a kind to another; most are the same, or differ in their name.
pub(super) fn converted<'a>(from: &Kind, to: &Kind, object: &'a Value) -> Cow<'a, Value> {
    if object.is_null() || from.api_version() == to.api_version() {
        return Cow::Borrowed(object);
    }
    let stored = from.to_stored(object).map_or(Cow::Borrowed(object), Cow::Owned);
    match to.present(&stored) {
        Some(shown) => Cow::Owned(shown),
        None => stored,
    }
}

/// The object with what an expression gave.
///
/// # Errors
/// Why it cannot be, in upstream's words.
pub(super) fn apply(
    kind: &Kind,
    object: &Value,
    patch: &cel::Value,
    patch_kind: PatchKind,
) -> Result<Value, String> {
    let mut patched = match patch_kind {
        PatchKind::Json => json_patch(object, patch)?,
        PatchKind::ApplyConfiguration => configuration(kind, object, patch)?,
    };
    check(kind, &mut patched)?;
    kind.default(&mut patched);
    Ok(patched)
}

/// What a patch makes must still be of its kind.
fn check(kind: &Kind, object: &mut Value) -> Result<(), String> {
    let decoded = match &kind.custom {
        Some(custom) => Some(custom.decode(object)),
        None => kind.node().map(|node| decode(node, object)),
    };
    let Some(decoded) = decoded else { return Ok(()) };
    if let Some(error) = decoded.errors.first() {
        return Err(error.clone());
    }
    // Custom resources are pruned, not refused.
    if kind.custom.is_none() && !decoded.unknown.is_empty() {
        return Err(format!("strict decoding error: {}", decoded.unknown.join(", ")));
    }
    Ok(())
}

fn json_patch(object: &Value, patch: &cel::Value) -> Result<Value, String> {
    let cel::Value::List(operations) = patch else {
        return Err("type mismatch: JSONPatchType.expression should evaluate to array".into());
    };
    let operations = operations.items.iter().map(operation).collect::<Result<Vec<Value>, String>>()?;
    let failed = |why: String| format!("JSON Patch: {why}");
    let patch: json_patch::Patch =
        serde_json::from_value(Value::from(operations)).map_err(|error| failed(error.to_string()))?;
    let mut patched = object.clone();
    match json_patch::patch(&mut patched, &patch) {
        Ok(()) => Ok(patched),
        // What a test keeps out is not applied, and is no mistake.
        Err(error) if matches!(error.kind, json_patch::PatchErrorKind::TestFailed) => Ok(object.clone()),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn operation(given: &cel::Value) -> Result<Value, String> {
    let text = |name: &str| given.get(name).and_then(cel::Value::as_text).unwrap_or_default();
    let mut operation = json!({ "op": text("op"), "path": text("path") });
    if !text("from").is_empty() {
        operation["from"] = text("from").into();
    }
    if let Some(value) = given.get("value") {
        if let Some(name) = made_name(value) {
            names_match(value, &name).map_err(|why| format!("type mismatch: {why}"))?;
        }
        operation["value"] = value.to_json().ok_or_else(|| {
            "JSONPath valueExpression evaluated to a type that could not marshal to JSON".to_owned()
        })?;
    }
    Ok(operation)
}

fn configuration(kind: &Kind, object: &Value, patch: &cel::Value) -> Result<Value, String> {
    names_match(patch, "Object").map_err(|why| format!("type mismatch: {why}"))?;
    let mut configuration = patch.to_json().ok_or("invalid return type: the configuration is not JSON")?;
    for field in ["apiVersion", "kind"] {
        configuration[field] = object[field].clone();
    }
    merge_configuration(object, &configuration, kind.node())
        .map_err(|why| format!("error applying patch: {why}"))
}

fn made_name(value: &cel::Value) -> Option<String> {
    match value {
        cel::Value::Map(map) => map.type_name.as_deref().map(String::from),
        _ => None,
    }
}

/// An object made as `Object.spec` must stand at `spec`; the items of lists and the values of maps
/// stand where their list or map does.
fn names_match(value: &cel::Value, path: &str) -> Result<(), String> {
    match value {
        cel::Value::Map(map) => {
            let made = map.type_name.as_deref();
            if let Some(name) = made.filter(|name| *name != path) {
                return Err(format!(
                    "unexpected type name {name:?}, expected {path:?}, which matches field name path from root Object type"
                ));
            }
            map.entries.iter().try_for_each(|(key, value)| match (made, key) {
                (Some(_), cel::Key::String(field)) => names_match(value, &format!("{path}.{field}")),
                _ => names_match(value, path),
            })
        }
        cel::Value::List(list) => list.items.iter().try_for_each(|item| names_match(item, path)),
        _ => Ok(()),
    }
}
