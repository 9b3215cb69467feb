//! Causes turned into what clients see; internals go to the log.

use orch_object::Status;
use orch_store::StoreError;
use orch_watch::Expired;
use serde_json::json;

/// A URL that names nothing.
pub fn no_such_resource() -> Status {
    let mut status = Status::new(404, "NotFound", "the server could not find the requested resource");
    status.details = Some(json!({}));
    status
}

pub fn method_not_allowed() -> Status {
    let mut status = Status::new(
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    );
    status.details = Some(json!({}));
    status
}

/// Instances of a kind that is going.
pub fn definition_terminating(verb: &str) -> Status {
    let message = format!("{verb} not allowed while custom resource definition is terminating");
    Status::new(405, "MethodNotAllowed", message)
}

/// Strategic merge, where there is none.
pub fn patch_of_custom_resource() -> Status {
    Status::new(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: \
         application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
    )
}

/// A store that cannot answer. Conflicts are the verbs' own business.
pub fn store(error: StoreError) -> Status {
    match error {
        StoreError::Conflict { key, .. } => {
            Status::new(409, "Conflict", format!("{key} was changed by another request; try again"))
        }
        StoreError::Compacted { asked, oldest } => expired(&Expired { asked, oldest }),
        StoreError::Unavailable { what, source } => {
            tracing::error!(what, error = %source, "the store is unavailable");
            Status::new(
                503,
                "ServiceUnavailable",
                format!("the store cannot {what} at the moment; try again"),
            )
        }
    }
}

/// 410: the client lists again.
pub fn expired(expired: &Expired) -> Status {
    let message = format!("too old resource version: {} ({})", expired.asked, expired.oldest);
    Status::new(410, "Expired", message)
}

/// A revision of the future.
pub fn too_large(asked: u64, current: u64) -> Status {
    let message = format!("Too large resource version: {asked}, current: {current}");
    let mut status = Status::new(504, "Timeout", format!("Timeout: {message}"));
    status.details = Some(json!({
        "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
        "retryAfterSeconds": 1,
    }));
    status
}

/// The request took longer than it may.
pub fn out_of_time() -> Status {
    Status::new(504, "Timeout", "Timeout: request did not complete within the allotted timeout")
}

/// The client's priority level has neither seats nor room to wait.
pub fn too_many_requests() -> Status {
    let mut status = Status::new(429, "TooManyRequests", "Too many requests, please try again later.");
    status.details = Some(json!({ "retryAfterSeconds": 1 }));
    status
}

/// The log of the store is not followed as fast as it grows, or not at all.
pub fn not_caught_up() -> Status {
    let mut status =
        Status::new(504, "Timeout", "Timeout: the cache has not caught up with the store; try again");
    status.details = Some(json!({ "retryAfterSeconds": 1 }));
    status
}

pub const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";
