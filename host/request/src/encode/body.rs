//! Response bodies.

use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use orch_object::{Status, protobuf};
use serde_json::Value;

use super::negotiate::{Accepted, Format, PROTOBUF};

pub use axum::body::Body;

/// A response of one piece.
pub fn full(code: u16, content_type: &'static str, bytes: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(bytes.into()));
    *response.status_mut() =
        http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer that says nothing, and of no type.
pub fn bare(code: u16) -> Response {
    let mut response = full(code, "text/plain", Bytes::new());
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

/// JSON bytes, or the same in the form the client wants.
pub fn respond(code: u16, json: Bytes, accepted: Accepted) -> Response {
    match accepted.format {
        Format::Json if accepted.pretty => match serde_json::from_slice::<Value>(&json) {
            Ok(value) => full(code, "application/json", format!("{value:#}")),
            Err(_) => full(code, "application/json", json),
        },
        Format::Json => full(code, "application/json", json),
        Format::Yaml => match yaml(&json) {
            Ok(text) => full(code, "application/yaml", text),
            Err(error) => unwritable("YAML", &error),
        },
        Format::Protobuf => match protobuf::encode(&json) {
            Ok(bytes) => full(code, PROTOBUF, bytes),
            Err(error) => unwritable("protobuf", &error),
        },
    }
}

fn yaml(json: &[u8]) -> Result<String, Box<dyn std::error::Error>> {
    let value: Value = serde_json::from_slice(json)?;
    Ok(serde_saphyr::to_string(&value)?)
}

fn unwritable(format: &str, error: &dyn std::fmt::Display) -> Response {
    tracing::error!(%error, format, "an answer cannot be written");
    status_response(&Status::new(
        500,
        "InternalError",
        format!("the answer cannot be written as {format}: {error}"),
    ))
}

/// A failure in JSON.
pub fn status_response(status: &Status) -> Response {
    refusal(status, Accepted::default())
}

/// A failure in the form the client reads.
pub fn refusal(status: &Status, accepted: Accepted) -> Response {
    let mut response = respond(status.code, status.to_json().to_string().into(), accepted);
    if status.code == 401 {
        response.headers_mut().insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let retry = status.details.as_ref().and_then(|d| d["retryAfterSeconds"].as_u64());
    if let Some(seconds) = retry {
        response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
