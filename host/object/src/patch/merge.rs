//! JSON Merge Patch (RFC 7386).

use serde_json::Value;

use super::{PatchError, type_of};

/// Null removes, objects are merged, all else replaces. The patch must be an object.
pub fn merge_patch(object: &Value, patch: &Value) -> Result<Value, PatchError> {
    if !patch.is_object() {
        let why = format!(
            "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            type_of(patch)
        );
        return Err(PatchError::Malformed(format!("error decoding patch: {why}")));
    }
    let mut patched = object.clone();
    json_patch::merge(&mut patched, patch);
    Ok(patched)
}
