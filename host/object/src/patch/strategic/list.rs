//! Merging lists: of scalars as sets, of objects by their merge key.

use serde_json::Value;

use super::order::{in_patch_order, key_of};
use super::{Fields, PATCH, PatchError, adopted, merge_fields, missing_merge_key, unknown_patch_type};
use crate::schema::Node;

pub(super) fn merge_list(old: Vec<Value>, new: Vec<Value>, list: Node<'_>) -> Result<Vec<Value>, PatchError> {
    if old.is_empty() && new.is_empty() {
        return Ok(old);
    }
    if !of_objects(&old, &new)? {
        let merged = union(&old, &new);
        return in_patch_order(merged, &new, &old, None);
    }
    let key = list.merge_key().ok_or_else(|| {
        let name = list.items().and_then(|n| n.type_name()).unwrap_or_default();
        PatchError::Internal(format!("cannot merge lists without merge key for {name}"))
    })?;
    let (old, new) = apply_directives(old, new, key)?;
    let merged = merge_items(old.clone(), &new, key, list.items())?;
    in_patch_order(merged, &new, &old, Some(key))
}

/// True for lists of objects, false for scalars. One kind of element only, and no lists of lists.
pub(super) fn of_objects(old: &[Value], new: &[Value]) -> Result<bool, PatchError> {
    let mut all = old.iter().chain(new);
    let Some(first) = all.next() else { return Ok(false) };
    if first.is_array() {
        return Err(PatchError::Unprocessable("lists of lists are not supported".to_owned()));
    }
    if all.any(|item| std::mem::discriminant(item) != std::mem::discriminant(first)) {
        return Err(PatchError::Internal("list element types are not identical".to_owned()));
    }
    Ok(first.is_object())
}

fn union(old: &[Value], new: &[Value]) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::with_capacity(old.len() + new.len());
    for item in old.iter().chain(new) {
        if !merged.contains(item) {
            merged.push(item.clone());
        }
    }
    merged
}

pub(super) fn remove_scalars(items: &mut Vec<Value>, gone: &[Value]) {
    items.retain(|item| !gone.contains(item));
}

/// Takes `$patch` items out of the patch and does what they say; `replace` empties the original.
fn apply_directives(
    mut old: Vec<Value>,
    new: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut plain = Vec::with_capacity(new.len());
    let mut replaces = false;
    for item in new {
        let Some(directive) = item.get(PATCH) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let gone = item.get(key).ok_or_else(|| missing_merge_key(&item, key))?;
                old.retain(|item| item.get(key) != Some(gone));
            }
            Some("replace") => replaces = true,
            Some("merge") => {
                return Err(PatchError::Malformed(
                    "merging lists cannot yet be specified in the patch".to_owned(),
                ));
            }
            _ => return Err(unknown_patch_type(item.as_object().unwrap_or(&Fields::new()))),
        }
    }
    Ok(if replaces { (Vec::new(), plain) } else { (old, plain) })
}

fn merge_items(
    mut merged: Vec<Value>,
    new: &[Value],
    key: &str,
    node: Option<Node<'_>>,
) -> Result<Vec<Value>, PatchError> {
    for item in new {
        let Value::Object(fields) = item else { continue };
        let identity = fields.get(key).ok_or_else(|| missing_merge_key(item, key))?;
        match merged.iter_mut().find(|old| key_of(old, Some(key)) == Some(identity)) {
            Some(old) => {
                let original = old.as_object_mut().map(std::mem::take).unwrap_or_default();
                *old = Value::Object(merge_fields(original, fields.clone(), node)?);
            }
            None => merged.extend(adopted(item.clone())),
        }
    }
    Ok(merged)
}
