//! Kubernetes' `Status`: the one error that reaches a client.
//!
//! Reasons, codes and messages follow `k8s.io/apimachinery/pkg/api/errors`, word for word where
//! clients parse them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A failed request, as clients see it.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, … (`metav1.StatusReason`).
    pub reason: String,
    /// For people; kubectl prints it.
    pub message: String,
    /// `details`: name, group, kind, causes, retryAfterSeconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// `metadata.continue`: where an expired list goes on, at another revision than it began.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_token: Option<String>,
}

/// What is wrong with one field (`field.Error`).
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// `spec.containers[0].image`
    pub field: String,
    pub kind: FieldErrorKind,
    /// The offending value, where the message shows it.
    pub value: Option<Value>,
    pub detail: String,
}

/// The causes upstream names in `details.causes[].reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldErrorKind {
    Required,
    Invalid,
    NotSupported,
    Duplicate,
    Forbidden,
    TooLong,
    TooMany,
    TypeInvalid,
    NotFound,
}

impl Status {
    /// The JSON body: `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",…}`.
    pub fn to_json(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            body["reason"] = self.reason.as_str().into();
        }
        if let Some(details) = &self.details {
            body["details"] = details.clone();
        }
        if let Some(token) = &self.continue_token {
            body["metadata"]["continue"] = token.as_str().into();
        }
        body
    }

    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Status { code, reason: reason.into(), message: message.into(), details: None, continue_token: None }
    }

    pub fn is_not_found(&self) -> bool {
        self.reason == "NotFound"
    }
    pub fn is_conflict(&self) -> bool {
        self.reason == "Conflict"
    }
    pub fn is_already_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }
    /// History no longer reaches back to the asked revision (410, `Expired`): list again.
    pub fn is_expired(&self) -> bool {
        self.code == 410
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Status::new(400, "BadRequest", message)
    }
    pub fn internal(message: impl Into<String>) -> Self {
        Status::new(500, "InternalError", message)
    }
    /// What went wrong on the server's side, as upstream tells it.
    pub fn internal_error(why: &str) -> Self {
        let details = serde_json::json!({ "causes": [{ "message": why }] });
        Status { details: Some(details), ..Status::internal(format!("Internal error occurred: {why}")) }
    }
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Status::new(501, "NotImplemented", message)
    }
}
