//! Strategic merge patch: merges lists by the keys their schema names, steered by `$` directives.
//!
//! Behaviour of `k8s.io/apimachinery/pkg/util/strategicpatch`, as the API server calls it.

mod list;
mod order;

use serde_json::{Map, Value};

use self::list::{merge_list, remove_scalars};
use self::order::apply_element_order;
use super::{PatchError, type_of};
use crate::schema::Node;

type Fields = Map<String, Value>;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_PRIMITIVE_LIST: &str = "$deleteFromPrimitiveList/";
const SET_ELEMENT_ORDER: &str = "$setElementOrder/";

/// `node`: the schema of the object's kind. Kinds without one (custom resources) do not take this
/// patch.
pub fn strategic_merge_patch(
    object: &Value,
    patch: &Value,
    node: Option<Node<'_>>,
) -> Result<Value, PatchError> {
    if node.is_none() {
        return Err(PatchError::Malformed("strategic merge patch format is not supported".to_owned()));
    }
    let (Value::Object(original), Value::Object(patch)) = (object, patch) else {
        let why = format!(
            "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            type_of(patch)
        );
        return Err(PatchError::Malformed(why));
    };
    merge_fields(original.clone(), patch.clone(), node).map(Value::Object)
}

fn merge_fields(
    mut original: Fields,
    mut patch: Fields,
    node: Option<Node<'_>>,
) -> Result<Fields, PatchError> {
    match patch.get(PATCH).map(|directive| directive.as_str()) {
        None => {}
        Some(Some("replace")) => {
            patch.remove(PATCH);
            return Ok(patch);
        }
        Some(Some("delete")) => return Ok(Fields::new()),
        Some(_) => return Err(unknown_patch_type(&patch)),
    }
    retain_keys(&mut original, &mut patch)?;
    apply_element_order(&mut original, &mut patch, node)?;
    for (key, value) in patch {
        match key.strip_prefix(DELETE_FROM_PRIMITIVE_LIST.trim_end_matches('/')) {
            Some(rest) => {
                let key = rest.strip_prefix('/').ok_or_else(|| malformed("primitive list"))?;
                delete_from_list(&mut original, key, &value)?;
            }
            None => merge_field(&mut original, key, value, node)?,
        }
    }
    Ok(original)
}

fn merge_field(
    original: &mut Fields,
    key: String,
    value: Value,
    node: Option<Node<'_>>,
) -> Result<(), PatchError> {
    let field = node.and_then(|n| n.field(&key));
    let replaces = field.is_some_and(|f| f.patch_strategies().replace);
    let merged = match (original.remove(&key), value) {
        (_, Value::Null) => None,
        (Some(Value::Object(_)), Value::Object(new)) if replaces => Some(Value::Object(new)),
        (Some(Value::Object(old)), Value::Object(new)) => Some(Value::Object(merge_fields(old, new, field)?)),
        (Some(Value::Array(old)), Value::Array(new)) => Some(Value::Array(merge_lists(old, new, field)?)),
        (_, new) => adopted(new),
    };
    if let Some(merged) = merged {
        original.insert(key, merged);
    }
    Ok(())
}

/// A list without the merge strategy is replaced whole.
fn merge_lists(old: Vec<Value>, new: Vec<Value>, list: Option<Node<'_>>) -> Result<Vec<Value>, PatchError> {
    match list {
        Some(list) if list.patch_strategies().merge => merge_list(old, new, list),
        _ => Ok(new),
    }
}

fn delete_from_list(original: &mut Fields, key: &str, gone: &Value) -> Result<(), PatchError> {
    match (original.get_mut(key), gone) {
        (Some(Value::Array(items)), Value::Array(gone)) => remove_scalars(items, gone),
        (Some(_), Value::Null) => {
            original.remove(key);
        }
        (Some(Value::Array(_)), _) => return Err(malformed("primitive list")),
        (Some(_) | None, _) => {}
    }
    Ok(())
}

/// Clears what the directive does not name; everything the patch sets must be named.
fn retain_keys(original: &mut Fields, patch: &mut Fields) -> Result<(), PatchError> {
    let Some(directive) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(kept) = directive else { return Err(malformed("retainKeys")) };
    let is_kept = |key: &str| kept.iter().any(|k| k.as_str() == Some(key));
    let steers =
        |key: &str| key.starts_with("$deleteFromPrimitiveList") || key.starts_with("$setElementOrder");
    if patch.iter().any(|(key, value)| !value.is_null() && !steers(key) && !is_kept(key)) {
        return Err(malformed("retainKeys"));
    }
    original.retain(|key, _| is_kept(key));
    Ok(())
}

/// A value that meets nothing in the original: without directives and nulls. `None`: it was only one.
fn adopted(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(PATCH) => None,
        Value::Object(fields) => Some(Value::Object(
            fields
                .into_iter()
                .filter(|(key, value)| !value.is_null() && !is_directive(key))
                .filter_map(|(key, value)| Some((key, adopted(value)?)))
                .collect(),
        )),
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(adopted).collect())),
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => Some(scalar),
    }
}

fn is_directive(key: &str) -> bool {
    key == RETAIN_KEYS || key.starts_with(DELETE_FROM_PRIMITIVE_LIST) || key.starts_with(SET_ELEMENT_ORDER)
}

fn malformed(of: &str) -> PatchError {
    PatchError::Malformed(format!("invalid patch format of {of}"))
}

fn unknown_patch_type(patch: &Fields) -> PatchError {
    PatchError::Malformed(format!(
        "unknown patch type: {} in map: {}",
        patch.get(PATCH).map_or_else(String::new, go_text),
        go_map(patch)
    ))
}

fn missing_merge_key(item: &Value, key: &str) -> PatchError {
    PatchError::Internal(format!("map: {} does not contain declared merge key: {key}", go_text(item)))
}

/// A value as Go's `%v` prints it.
pub fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => go_map(fields),
    }
}

fn go_map(fields: &Fields) -> String {
    let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}:{}", go_text(value))).collect();
    format!("map[{}]", fields.join(" "))
}
