//! The body against the kind's schema, as `fieldValidation` asks.

use orch_object::{FieldError, Kind, Schemas, Status};
use serde_json::Value;

use super::api::Call;

/// `fieldValidation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FieldValidation {
    Strict,
    Warn,
    Ignore,
}

impl FieldValidation {
    /// Empty: `Warn`.
    fn parse(text: &str) -> Result<Self, Status> {
        match text {
            "Strict" => Ok(FieldValidation::Strict),
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Ignore" => Ok(FieldValidation::Ignore),
            other => {
                let supported = ["", "Ignore", "Strict", "Warn"];
                let error = FieldError::not_supported("fieldValidation", other, &supported);
                Err(Status::invalid_options("CreateOptions", &[error]))
            }
        }
    }
}

/// Refuses what `fieldValidation` cannot be. An apply needs no more: what its schema does not have, it
/// refuses in any case.
pub fn parse_validation(validation: &str) -> Result<(), Status> {
    FieldValidation::parse(validation).map(drop)
}

/// Checks types and drops unknown fields; they, and fields given twice, are warnings or errors.
pub fn check(call: &Call, kind: &Kind, object: &mut Value, validation: &str) -> Result<(), Status> {
    let validation = FieldValidation::parse(validation)?;
    if object.is_null() {
        *object = Value::Object(Default::default());
    }
    if kind.custom.is_none() {
        registered(kind, object)?;
    }
    let duplicates = call.take_duplicates();
    let mut problems = duplicates.problems.clone();
    let decoded = kind.decode(object);
    if let Some(error) = decoded.errors.first() {
        return Err(unusable(kind, error));
    }
    problems.extend(decoded.unknown);
    // Upstream tells them as it meets them; of custom objects it looks for unknown fields afterwards.
    if kind.custom.is_none() && !duplicates.problems.is_empty() {
        problems.sort_by_key(|problem| duplicates.position(problem));
    }
    match validation {
        FieldValidation::Strict if !problems.is_empty() => {
            Err(unusable(kind, &format!("strict decoding error: {}", problems.join(", "))))
        }
        FieldValidation::Strict | FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            call.warn(problems);
            Ok(())
        }
    }
}

/// Refuses a body that names a kind which nobody has, in the words of upstream's decoder.
fn registered(kind: &Kind, object: &Value) -> Result<(), Status> {
    let given = |field: &str, expected: &str| -> String {
        object[field].as_str().filter(|text| !text.is_empty()).unwrap_or(expected).into()
    };
    let expected = kind.api_version();
    let (api_version, name) = (given("apiVersion", &expected), given("kind", &kind.kind));
    if (api_version == expected && name == kind.kind) || is_upstreams(&api_version, &name) {
        return Ok(());
    }
    let version = api_version.rsplit('/').next().unwrap_or_default();
    Err(Status::bad_request(format!(
        "{name} in version {version:?} cannot be handled as a {}: no kind {name:?} is registered for version \
         {api_version:?} in scheme \"pkg/runtime/scheme.go:111\"",
        kind.kind
    )))
}

/// Whether upstream has a type of this name: `io.k8s.api.core.v1.Pod`.
fn is_upstreams(api_version: &str, kind: &str) -> bool {
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    let group = group.split('.').next().unwrap_or_default();
    let end = format!(".{group}.{version}.{kind}");
    Schemas::builtin().definitions().any(|name| name.ends_with(&end))
}

fn unusable(kind: &Kind, why: &str) -> Status {
    let Kind { kind: name, version, .. } = kind;
    Status::bad_request(format!("{name} in version {version:?} cannot be handled as a {name}: {why}"))
}
