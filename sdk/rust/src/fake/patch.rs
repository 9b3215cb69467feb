//! The patches that the fake does.

use serde_json::{Map, Value};

use crate::controller::ApiError;

/// RFC 7386.
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (field, value) in patch {
        if value.is_null() {
            target.as_object_mut().map(|fields| fields.remove(field));
        } else {
            merge_patch(&mut target[field.as_str()], value);
        }
    }
}

/// The `add`, `replace`, `remove` and `test` of RFC 6902.
pub fn json_patch(target: &mut Value, patch: &Value) -> Result<(), ApiError> {
    let invalid = |message: String| ApiError::new(422, "Invalid", message);
    for operation in patch.as_array().map(Vec::as_slice).unwrap_or_default() {
        let path = operation["path"].as_str().unwrap_or_default();
        let (parent, field) = path.rsplit_once('/').unwrap_or(("", path));
        let field = field.replace("~1", "/").replace("~0", "~");
        if operation["op"] == "test" {
            if target.pointer(path) != Some(&operation["value"]) {
                return Err(invalid(format!("testing path {path} failed")));
            }
            continue;
        }
        let place = target.pointer_mut(parent).ok_or_else(|| invalid(format!("no {parent}")))?;
        let value = operation["value"].clone();
        match (operation["op"].as_str(), place) {
            (Some("add" | "replace"), Value::Object(fields)) => drop(fields.insert(field, value)),
            (Some("remove"), Value::Object(fields)) => drop(fields.remove(&field)),
            (Some("add"), Value::Array(items)) => {
                let index = field.parse().unwrap_or(items.len());
                items.insert(index.min(items.len()), value);
            }
            (Some("replace"), Value::Array(items)) => match field.parse::<usize>() {
                Ok(index) if index < items.len() => items[index] = value,
                _ => return Err(invalid(format!("no {path}"))),
            },
            (Some("remove"), Value::Array(items)) => match field.parse::<usize>() {
                Ok(index) if index < items.len() => drop(items.remove(index)),
                _ => return Err(invalid(format!("no {path}"))),
            },
            (op, _) => return Err(invalid(format!("the fake does not do {op:?} at {path}"))),
        }
    }
    Ok(())
}
