//! JSON Merge Patch (RFC 7386).

use serde_json::Value;

use super::PatchError;

/// Null removes, objects are merged, all else replaces. The patch must be an object.
pub fn merge_patch(object: &Value, patch: &Value) -> Result<Value, PatchError> {
    if !patch.is_object() {
        return Err(PatchError::Malformed("error decoding patch: Invalid JSON Patch".to_owned()));
    }
    let mut patched = object.clone();
    json_patch::merge(&mut patched, patch);
    Ok(patched)
}
