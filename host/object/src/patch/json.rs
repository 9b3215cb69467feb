//! JSON Patch (RFC 6902).

use json_patch::{Patch, PatchOperation, patch_unsafe};
use serde_json::Value;

use super::{PatchError, type_of};

/// Upstream's `maxJSONPatchOperations`.
const MOST_OPERATIONS: usize = 10_000;
/// What `copy` may add, all operations together: the API server's limit for a request.
const MOST_COPIED_BYTES: usize = 3 * 1024 * 1024;

/// `operations`: the array as sent. The object itself stays as it is.
pub fn json_patch(object: &Value, operations: &Value) -> Result<Value, PatchError> {
    if !operations.is_array() {
        let why = format!(
            "json: cannot unmarshal {} into Go value of type []handlers.jsonPatchOp",
            type_of(operations)
        );
        return Err(PatchError::Malformed(format!("error decoding patch: {why}")));
    }
    let operations: Patch = serde_json::from_value(operations.clone())
        .map_err(|e| PatchError::Unprocessable(format!("error decoding patch: {e}")))?;
    if operations.len() > MOST_OPERATIONS {
        return Err(PatchError::TooManyOperations { limit: MOST_OPERATIONS, count: operations.len() });
    }
    let mut patched = object.clone();
    let mut copied = 0;
    for operation in operations.iter() {
        copied += copied_bytes(&patched, operation);
        if copied > MOST_COPIED_BYTES {
            return Err(PatchError::Unprocessable(format!(
                "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the \
                 limit {MOST_COPIED_BYTES}"
            )));
        }
        if tests_absence(&patched, operation) {
            continue;
        }
        patch_unsafe(&mut patched, std::slice::from_ref(operation))
            .map_err(|e| PatchError::Unprocessable(e.to_string()))?;
    }
    Ok(patched)
}

fn copied_bytes(object: &Value, operation: &PatchOperation) -> usize {
    match operation {
        PatchOperation::Copy(copy) => {
            object.pointer(copy.from.as_str()).map_or(0, |value| value.to_string().len())
        }
        PatchOperation::Add(_)
        | PatchOperation::Remove(_)
        | PatchOperation::Replace(_)
        | PatchOperation::Move(_)
        | PatchOperation::Test(_) => 0,
    }
}

/// `test` for null holds where nothing is, as with upstream's library.
fn tests_absence(object: &Value, operation: &PatchOperation) -> bool {
    matches!(operation, PatchOperation::Test(test)
        if test.value.is_null() && object.pointer(test.path.as_str()).is_none())
}
