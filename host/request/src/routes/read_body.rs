//! Request bodies: bounded, in JSON, YAML or protobuf, no deeper than any object is.

use axum::extract::Request;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use orch_object::Status;
use serde_json::Value;

use crate::encode::negotiate::{PROTOBUF, content_type, unsupported};

/// What one request may send (upstream's `MaxRequestBodyBytes`).
const MAX_BYTES: usize = 3 << 20;

/// Levels of nesting in YAML: as many as JSON's parser takes.
const MOST_DEPTH: usize = 128;
/// In bytes; only what is used is ever real.
const YAML_STACK: usize = 32 << 20;

/// The whole body, and its media type.
pub async fn read(request: Request) -> Result<(Bytes, String), Status> {
    let media = content_type(request.headers());
    let limited = Limited::new(request.into_body(), MAX_BYTES);
    match limited.collect().await {
        Ok(collected) => Ok((collected.to_bytes(), media)),
        Err(error) if error.is::<LengthLimitError>() => Err(Status::new(
            413,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {MAX_BYTES}"),
        )),
        Err(error) => Err(Status::bad_request(format!("the body of the request ended early: {error}"))),
    }
}

/// An object in JSON, YAML or Kubernetes' protobuf, and the fields it gives twice.
pub fn parse(bytes: &[u8], media: &str) -> Result<(Value, Vec<String>), Status> {
    match media {
        "application/json" => parse_json(bytes),
        "application/yaml" => Ok((parse_yaml(bytes)?, Vec::new())),
        PROTOBUF => orch_object::protobuf::decode(bytes)
            .map(|object| (object, Vec::new()))
            .map_err(|error| Status::bad_request(error.to_string())),
        _ => Err(unsupported()),
    }
}

/// As [`parse`], of an object of a kind; what is wrong is said with the beginning of the body.
pub fn parse_object(bytes: &[u8], media: &str, kind: &str) -> Result<(Value, Vec<String>), Status> {
    let unrecognized = |why: &str| {
        let message = format!(
            "the object provided is unrecognized (must be of type {kind}): {why} ({})",
            summary(bytes)
        );
        Status::bad_request(message)
    };
    match parse(bytes, media) {
        Ok((Value::Array(_), _)) => Err(unrecognized(&not_an_object("array"))),
        Ok((Value::String(_), _)) => Err(unrecognized(&not_an_object("string"))),
        Ok((Value::Number(_), _)) => Err(unrecognized(&not_an_object("number"))),
        Ok((Value::Bool(_), _)) => Err(unrecognized(&not_an_object("bool"))),
        Ok(read) => Ok(read),
        Err(status) => match status.message.strip_prefix(UNRECOGNIZED) {
            Some(why) => Err(unrecognized(why)),
            None => Err(status),
        },
    }
}

const UNRECOGNIZED: &str = "the object provided is unrecognized (must be of type Object): ";

fn not_an_object(what: &str) -> String {
    format!(
        "couldn't get version/kind; json parse error: json: cannot unmarshal {what} into Go value of type struct \
         {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
    )
}

/// The first thirty bytes, in hexadecimal where they are no JSON object.
fn summary(bytes: &[u8]) -> String {
    let (first, more) = (&bytes[..bytes.len().min(30)], if bytes.len() > 30 { " ..." } else { "" });
    match first.first() {
        None => "<empty>".into(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(first)),
        Some(_) => format!("{}{more}", hex::encode(first)),
    }
}

pub fn parse_json(bytes: &[u8]) -> Result<(Value, Vec<String>), Status> {
    orch_object::schema::parse_json(bytes).map_err(|error| {
        let error = error.to_string();
        let why = if error.contains("EOF while") { "unexpected end of JSON input" } else { &error };
        Status::bad_request(format!("{UNRECOGNIZED}couldn't get version/kind; json parse error: {why}"))
    })
}

/// What clients apply is JSON mostly, which YAML's parser would read too, at many times the cost.
pub fn parse_yaml(bytes: &[u8]) -> Result<Value, Status> {
    if let Ok((value, duplicates)) = orch_object::schema::parse_json(bytes)
        && duplicates.is_empty()
    {
        return Ok(value);
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Status::bad_request("the object provided is unrecognized: the YAML is not UTF-8"))?;
    // Some twenty kilobytes of stack for each level: more than a worker of the runtime has.
    let read = std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(YAML_STACK);
        reader.spawn_scoped(scope, || from_yaml(text)).ok()?.join().ok()
    });
    read.unwrap_or_else(|| {
        tracing::error!("no thread for a body in YAML");
        Err(Status::new(500, "InternalError", "the body cannot be read at the moment"))
    })
}

fn from_yaml(text: &str) -> Result<Value, Status> {
    let budget = serde_saphyr::budget! { max_depth: MOST_DEPTH };
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { budget: budget }).map_err(|error| {
        let text = error.to_string();
        Status::bad_request(match given_twice(&text) {
            Some((line, key)) => format!(
                "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  \
                 line {line}: key {key:?} already set in map"
            ),
            None => format!("the object provided is unrecognized: yaml parse error: {text}"),
        })
    })
}

/// The line and the name of a key given twice, of what the parser says of it.
fn given_twice(error: &str) -> Option<(&str, &str)> {
    let (before, after) = error.lines().next()?.split_once("duplicate mapping key: ")?;
    let line = before.split_once("line ")?.1.split(' ').next()?;
    Some((line, after.split(", set ").next()?))
}
