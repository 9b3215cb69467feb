//! The three patches that are not an apply: RFC 6902, RFC 7386 and strategic merge.

mod json;
mod merge;
mod strategic;
#[cfg(test)]
mod tests;

pub use json::json_patch;
pub use merge::merge_patch;
pub use strategic::{go_text, strategic_merge_patch};

use serde_json::Value;

use crate::status::Status;

/// Why a patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is malformed.
    #[error("{0}")]
    Malformed(String),
    #[error("The allowed maximum operations in a JSON patch is {limit}, got {count}")]
    TooManyOperations { limit: usize, count: usize },
    /// A good patch that this object refuses: a failed test, a path that leads nowhere, a missing merge key.
    #[error("{0}")]
    Unprocessable(String),
    #[error("{0}")]
    Internal(String),
}

/// What Go's JSON package calls it.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl From<PatchError> for Status {
    fn from(error: PatchError) -> Self {
        match error {
            PatchError::Malformed(why) => Status::bad_request(why),
            PatchError::TooManyOperations { .. } => {
                Status::new(413, "RequestEntityTooLarge", format!("Request entity is too large: {error}"))
            }
            // Upstream keeps the reason to itself here.
            PatchError::Unprocessable(why) => {
                tracing::debug!(%why, "patch refused");
                Status {
                    details: Some(serde_json::json!({})),
                    ..Status::new(
                        422,
                        "Invalid",
                        "the server rejected our request due to an error in our request",
                    )
                }
            }
            PatchError::Internal(why) => Status::new(500, "", why),
        }
    }
}
