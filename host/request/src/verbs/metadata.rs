//! The fields of `metadata` that belong to the server.

use jiff::Timestamp;
use orch_client::Target;
use orch_object::{FieldError, FieldErrorKind, Kind, Status};
use serde_json::{Map, Value, json};

use super::api::namespace;

/// Longest base of a generated name; five characters follow.
const MAX_BASE: usize = 58;
/// No vowels, and nothing that looks like them: generated names spell no words.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// RFC 3339 in whole seconds, as `metav1.Time` is written.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// RFC 3339 in microseconds, as `metav1.MicroTime` is written.
pub fn micro_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// The object's `metadata`, made when missing.
pub fn of(object: &mut Value) -> Result<&mut Map<String, Value>, Status> {
    let fields = object
        .as_object_mut()
        .ok_or_else(|| Status::bad_request("the body of the request is not an object"))?;
    match fields.entry("metadata").or_insert_with(|| json!({})) {
        Value::Object(metadata) => Ok(metadata),
        slot @ Value::Null => {
            *slot = json!({});
            slot.as_object_mut().ok_or_else(|| Status::bad_request("metadata is not an object"))
        }
        _ => Err(Status::bad_request("metadata is not an object")),
    }
}

/// Checks that the body is what the URL says, and completes it from the URL.
pub fn match_target(object: &mut Value, kind: &Kind, target: &Target) -> Result<(), Status> {
    match_type(object, kind)?;
    let wanted = if kind.namespaced() { namespace(target) } else { "" };
    let metadata = of(object)?;
    let given = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
    if wanted.is_empty() {
        metadata.remove("namespace");
    } else if given.is_empty() {
        metadata.insert("namespace".into(), wanted.into());
    } else if given != wanted {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// As [`match_target`], and the name too.
pub fn match_named_target(object: &mut Value, kind: &Kind, target: &Target) -> Result<(), Status> {
    match_target(object, kind, target)?;
    let metadata = of(object)?;
    let given = metadata.get("name").and_then(Value::as_str).unwrap_or_default();
    if given.is_empty() && !target.name.is_empty() {
        return Err(unnamed(target));
    } else if given != target.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({})",
            target.name
        )));
    }
    Ok(())
}

/// The body has no name.
pub fn unnamed(target: &Target) -> Status {
    Status::bad_request(format!(
        "the name of the object ({} based on URL) was undeterminable: name must be provided",
        target.name
    ))
}

fn match_type(object: &mut Value, kind: &Kind) -> Result<(), Status> {
    let fields = object
        .as_object_mut()
        .ok_or_else(|| Status::bad_request("the body of the request is not an object"))?;
    if kind.custom.is_some() {
        return match_custom_type(object, kind);
    }
    for (field, wanted) in [("apiVersion", kind.api_version()), ("kind", kind.kind.clone())] {
        let given = fields.get(field).and_then(Value::as_str).unwrap_or_default();
        if given.is_empty() {
            fields.insert(field.into(), wanted.into());
        } else if given != wanted {
            let (gk, what) = if field == "kind" { (given, "kind") } else { (given, "API version") };
            return Err(Status::bad_request(format!(
                "the {what} in the data ({gk}) does not match the expected {what} ({wanted})"
            )));
        }
    }
    Ok(())
}

/// Custom resources always say what they are.
fn match_custom_type(object: &Value, kind: &Kind) -> Result<(), Status> {
    let given = |field: &str| object[field].as_str().unwrap_or_default();
    let wanted = kind.api_version();
    if given("kind").is_empty() {
        let body = object.to_string();
        let beginning: String = body.chars().take(30).collect();
        let summary = if beginning.len() < body.len() { format!("{beginning} ...") } else { beginning };
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing in '{body}' ({summary})",
            kind.kind
        )));
    }
    if given("apiVersion") != wanted {
        return Err(Status::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({wanted})",
            given("apiVersion")
        )));
    }
    if given("kind") != kind.kind {
        let error = FieldError::invalid("kind", given("kind"), format!("must be {}", kind.kind));
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        return Err(Status::invalid_of(given("kind"), &kind.group, name, &[error]));
    }
    Ok(())
}

/// What the server sets at birth; whatever a client wrote there counts for nothing.
pub fn begin(object: &mut Value, now: Timestamp, has_generation: bool) -> Result<(), Status> {
    let metadata = of(object)?;
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        metadata.remove(field);
    }
    metadata.insert("uid".into(), uuid::Uuid::new_v4().to_string().into());
    metadata.insert("creationTimestamp".into(), time(now).into());
    if has_generation {
        metadata.insert("generation".into(), 1.into());
    }
    Ok(())
}

/// `generateName` and five random characters.
pub fn generated_name(base: &str) -> String {
    use rand::RngExt;
    let mut end = base.len().min(MAX_BASE);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut random = rand::rng();
    let suffix: String = (0..5).map(|_| ALPHABET[random.random_range(0..ALPHABET.len())] as char).collect();
    format!("{}{suffix}", &base[..end])
}

/// Fields of the server's that an update keeps as they were.
pub fn keep_system_fields(new: &mut Value, old: &Value) -> Result<(), Status> {
    let metadata = of(new)?;
    let fields = [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "selfLink",
        "generateName",
    ];
    for field in fields {
        match old["metadata"].get(field) {
            Some(value) => metadata.insert(field.into(), value.clone()),
            None => metadata.remove(field),
        };
    }
    Ok(())
}

/// A uid or resourceVersion in the body must be the current one.
pub fn check_preconditions(new: &Value, old: &Value, kind: &Kind, name: &str) -> Result<(), Status> {
    let given = |field: &str| new["metadata"][field].as_str().filter(|v| !v.is_empty() && *v != "0");
    let current = |field: &str| old["metadata"][field].as_str().unwrap_or_default();
    if let Some(uid) = given("uid").filter(|uid| *uid != current("uid")) {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            current("uid")
        );
        return Err(Status::conflict(kind, name, &why));
    }
    if given("resourceVersion").is_some_and(|version| version != current("resourceVersion")) {
        return Err(Status::conflict(kind, name, crate::causes::MODIFIED));
    }
    Ok(())
}

/// What every new object's metadata must satisfy, where its kind did not ask.
pub fn validate(object: &Value, kind: &Kind) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let metadata = &object["metadata"];
    if metadata["name"].as_str().is_none_or(str::is_empty) {
        errors.push(FieldError {
            field: "metadata.name".into(),
            kind: FieldErrorKind::Required,
            value: None,
            detail: "name or generateName is required".into(),
        });
    }
    if kind.namespaced() && metadata["namespace"].as_str().is_none_or(str::is_empty) {
        errors.push(FieldError {
            field: "metadata.namespace".into(),
            kind: FieldErrorKind::Required,
            value: None,
            detail: String::new(),
        });
    }
    errors
}

/// The finalizers that keep an object alive; a Namespace has some in its spec too.
pub fn has_finalizers(object: &Value, kind: &Kind) -> bool {
    let listed = |value: &Value| value.as_array().is_some_and(|f| !f.is_empty());
    listed(&object["metadata"]["finalizers"])
        || (kind.strategy.is_namespace && listed(&object["spec"]["finalizers"]))
}

pub fn is_being_deleted(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_are_short_and_unlike() {
        let long = "x".repeat(80);
        assert_eq!(generated_name(&long).len(), 63);
        assert_ne!(generated_name("web-"), generated_name("web-"));
        assert!(generated_name("web-").starts_with("web-"));
    }
}
