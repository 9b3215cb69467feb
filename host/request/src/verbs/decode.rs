//! The body against the kind's schema, as `fieldValidation` asks.

use orch_object::{Kind, Status};
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
            other => Err(Status::new(
                422,
                "Invalid",
                format!(
                    "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: {other:?}: \
                     supported values: \"Ignore\", \"Strict\", \"Warn\""
                ),
            )),
        }
    }
}

/// Checks types and drops unknown fields; they, and fields given twice, are warnings or errors.
pub fn check(call: &Call, kind: &Kind, object: &mut Value, validation: &str) -> Result<(), Status> {
    let validation = FieldValidation::parse(validation)?;
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

fn unusable(kind: &Kind, why: &str) -> Status {
    let Kind { kind: name, version, .. } = kind;
    Status::bad_request(format!("{name} in version {version:?} cannot be handled as a {name}: {why}"))
}
