//! The order of merged lists: `$setElementOrder` first, then the patch, then the live list.

use serde_json::Value;

use super::list::{merge_list, of_objects};
use super::{Fields, PATCH, PatchError, SET_ELEMENT_ORDER, adopted, go_text, malformed, missing_merge_key};
use crate::schema::Node;

/// Merges and orders each list that has a `$setElementOrder`, and takes both out of the patch.
pub(super) fn apply_element_order(
    original: &mut Fields,
    patch: &mut Fields,
    node: Option<Node<'_>>,
) -> Result<(), PatchError> {
    let directives: Vec<String> =
        patch.keys().filter(|key| key.starts_with("$setElementOrder")).cloned().collect();
    for directive in directives {
        let key = directive.strip_prefix(SET_ELEMENT_ORDER).ok_or_else(order_malformed)?.to_owned();
        let Some(Value::Array(order)) = patch.remove(&directive) else { return Err(order_malformed()) };
        let list = node.and_then(|n| n.field(&key));
        let old = taken(original, &key)?;
        let new = taken(patch, &key)?;
        if old.is_none() && new.is_none() {
            continue;
        }
        let merge_key = list.and_then(|l| l.merge_key());
        refuse_other_order(new.as_deref().unwrap_or_default(), &order, merge_key)?;
        let before = old.clone().unwrap_or_default();
        let merged = merged(old, new, list)?;
        original.insert(key, Value::Array(in_patch_order(merged, &order, &before, merge_key)?));
    }
    Ok(())
}

fn order_malformed() -> PatchError {
    malformed("setElementOrder list")
}

fn taken(fields: &mut Fields, key: &str) -> Result<Option<Vec<Value>>, PatchError> {
    match fields.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(_) => Err(order_malformed()),
    }
}

fn merged(
    old: Option<Vec<Value>>,
    new: Option<Vec<Value>>,
    list: Option<Node<'_>>,
) -> Result<Vec<Value>, PatchError> {
    match (old, new, list) {
        (Some(old), Some(new), Some(list)) if list.patch_strategies().merge => merge_list(old, new, list),
        (Some(old), None, _) => Ok(old),
        (None, Some(new), _) => Ok(new.into_iter().filter_map(adopted).collect()),
        (_, new, _) => Ok(new.unwrap_or_default()),
    }
}

/// What tells items apart: the merge key's value, or the scalar itself.
pub(super) fn key_of<'v>(item: &'v Value, key: Option<&str>) -> Option<&'v Value> {
    match key {
        Some(key) => item.get(key),
        None => Some(item),
    }
}

fn position(items: &[Value], item: &Value, key: Option<&str>) -> Option<usize> {
    let identity = key_of(item, key)?;
    items.iter().position(|other| key_of(other, key) == Some(identity))
}

/// Items of the patch must stand in the order the directive gives, and be among it.
fn refuse_other_order(new: &[Value], order: &[Value], key: Option<&str>) -> Result<(), PatchError> {
    if new.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut wanted = order.iter();
    for item in new.iter().filter(|item| item.get(PATCH).is_none()) {
        let identity = key_of(item, key).ok_or_else(|| missing_merge_key(item, key.unwrap_or_default()))?;
        if !wanted.any(|other| key_of(other, key) == Some(identity)) {
            return Err(PatchError::Internal(format!(
                "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                go_text(&Value::from(new.to_vec())),
                go_text(&Value::from(order.to_vec())),
            )));
        }
    }
    Ok(())
}

/// Items named by `order` follow it, all others keep the order of `live`; where both kinds meet, the
/// live order decides when it knows them.
pub(super) fn in_patch_order(
    merged: Vec<Value>,
    order: &[Value],
    live: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, PatchError> {
    if let Some(key) = key
        && of_objects(&merged, order)?
        && let Some(item) = merged.iter().chain(order).find(|item| item.get(key).is_none())
    {
        return Err(missing_merge_key(item, key));
    }
    let (mut named, mut others): (Vec<_>, Vec<_>) =
        merged.into_iter().partition(|item| position(order, item, key).is_some());
    named.sort_by_key(|item| position(order, item, key));
    others.sort_by_key(|item| position(live, item, key).unwrap_or(usize::MAX));

    let mut ordered = Vec::with_capacity(named.len() + others.len());
    let mut named = named.into_iter().peekable();
    let mut others = others.into_iter().peekable();
    while let (Some(other), Some(next)) = (others.peek(), named.peek()) {
        let first = match (position(live, other, key), position(live, next, key)) {
            (Some(other), Some(next)) => other < next,
            _ => false,
        };
        ordered.extend(if first { others.next() } else { named.next() });
    }
    ordered.extend(named);
    ordered.extend(others);
    Ok(ordered)
}
