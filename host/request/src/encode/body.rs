//! Response bodies.

use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use orch_object::Status;
use serde_json::Value;

use super::negotiate::{Accepted, Format};

pub use axum::body::Body;

/// A response of one piece.
pub fn full(code: u16, content_type: &'static str, bytes: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(bytes.into()));
    *response.status_mut() =
        http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// JSON bytes, or the same as YAML or indented where the client wants that.
pub fn json_response(code: u16, bytes: Bytes, accepted: Accepted) -> Response {
    if accepted.format == Format::Json && !accepted.pretty {
        return full(code, "application/json", bytes);
    }
    let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    match accepted.format {
        Format::Json => full(code, "application/json", format!("{value:#}")),
        Format::Yaml => match serde_saphyr::to_string(&value) {
            Ok(text) => full(code, "application/yaml", text),
            Err(error) => {
                tracing::error!(%error, "an object cannot be written as YAML");
                full(code, "application/json", bytes)
            }
        },
    }
}

/// A failure, always as JSON `Status`.
pub fn status_response(status: &Status) -> Response {
    let mut response = full(status.code, "application/json", status.to_json().to_string());
    if status.code == 401 {
        response.headers_mut().insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let retry = status.details.as_ref().and_then(|d| d["retryAfterSeconds"].as_u64());
    if let Some(seconds) = retry.or((status.code == 429).then_some(1)) {
        response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
