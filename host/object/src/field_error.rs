//! Field errors as clients read them (`k8s.io/apimachinery/pkg/util/validation/field`).

use serde_json::{Value, json};

use crate::Kind;
use crate::status::{FieldError, FieldErrorKind, Status};

impl FieldErrorKind {
    /// `details.causes[].reason`.
    pub fn reason(self) -> &'static str {
        match self {
            FieldErrorKind::Required => "FieldValueRequired",
            FieldErrorKind::Invalid => "FieldValueInvalid",
            FieldErrorKind::NotSupported => "FieldValueNotSupported",
            FieldErrorKind::Duplicate => "FieldValueDuplicate",
            FieldErrorKind::Forbidden => "FieldValueForbidden",
            FieldErrorKind::TooLong => "FieldValueTooLong",
            FieldErrorKind::TooMany => "FieldValueTooMany",
            FieldErrorKind::TypeInvalid => "FieldValueTypeInvalid",
            FieldErrorKind::NotFound => "FieldValueNotFound",
        }
    }

    fn title(self) -> &'static str {
        match self {
            FieldErrorKind::Required => "Required value",
            FieldErrorKind::Invalid | FieldErrorKind::TypeInvalid => "Invalid value",
            FieldErrorKind::NotSupported => "Unsupported value",
            FieldErrorKind::Duplicate => "Duplicate value",
            FieldErrorKind::Forbidden => "Forbidden",
            FieldErrorKind::TooLong => "Too long",
            FieldErrorKind::TooMany => "Too many",
            FieldErrorKind::NotFound => "Not found",
        }
    }

    fn shows_value(self) -> bool {
        !matches!(self, FieldErrorKind::Required | FieldErrorKind::Forbidden | FieldErrorKind::TooLong)
    }
}

impl FieldError {
    fn new(kind: FieldErrorKind, field: &str, value: Option<Value>, detail: impl Into<String>) -> Self {
        FieldError { field: field.into(), kind, value, detail: detail.into() }
    }

    pub fn required(field: &str, detail: impl Into<String>) -> Self {
        FieldError::new(FieldErrorKind::Required, field, None, detail)
    }

    pub fn invalid(field: &str, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        FieldError::new(FieldErrorKind::Invalid, field, Some(value.into()), detail)
    }

    pub fn forbidden(field: &str, detail: impl Into<String>) -> Self {
        FieldError::new(FieldErrorKind::Forbidden, field, None, detail)
    }

    pub fn duplicate(field: &str, value: impl Into<Value>) -> Self {
        FieldError::new(FieldErrorKind::Duplicate, field, Some(value.into()), "")
    }

    pub fn not_found(field: &str, value: impl Into<Value>) -> Self {
        FieldError::new(FieldErrorKind::NotFound, field, Some(value.into()), "")
    }

    pub fn not_supported(field: &str, value: impl Into<Value>, supported: &[&str]) -> Self {
        let mut supported: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        supported.sort_unstable();
        let detail = format!("supported values: {}", supported.join(", "));
        FieldError::new(FieldErrorKind::NotSupported, field, Some(value.into()), detail)
    }

    /// As `not_supported`, with the supported values in the order given.
    pub fn not_listed(field: &str, value: impl Into<Value>, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        let detail = format!("supported values: {}", supported.join(", "));
        FieldError::new(FieldErrorKind::NotSupported, field, Some(value.into()), detail)
    }

    pub fn too_long(field: &str, bytes: usize) -> Self {
        FieldError::new(FieldErrorKind::TooLong, field, None, format!("may not be more than {bytes} bytes"))
    }

    /// As `too_long`, of what is counted in characters.
    pub fn too_long_characters(field: &str, most: usize) -> Self {
        FieldError::new(
            FieldErrorKind::TooLong,
            field,
            None,
            format!("may not be more than {most} characters"),
        )
    }

    pub fn too_many(field: &str, found: usize, most: usize) -> Self {
        let detail = format!("must have at most {most} {}", if most == 1 { "item" } else { "items" });
        FieldError::new(FieldErrorKind::TooMany, field, Some(found.into()), detail)
    }

    /// `Invalid value: -1: must be greater than or equal to 0`
    pub fn body(&self) -> String {
        let mut text = self.kind.title().to_owned();
        if let Some(value) = self.value.as_ref().filter(|_| self.kind.shows_value()) {
            text.push_str(&format!(": {}", shown(value)));
        }
        if !self.detail.is_empty() {
            text.push_str(&format!(": {}", self.detail));
        }
        text
    }
}

/// Upstream's types in messages, their fields in upstream's order. What is in none of them stands in the order
/// of the alphabet.
const TYPES: &[&[&str]] = &[
    &["matchLabels", "matchExpressions"],
    &["key", "operator", "values"],
    &["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"],
    &["Type", "RollingUpdate"],
    &["MaxUnavailable", "MaxSurge"],
    &["Partition", "MaxUnavailable"],
    &["Type", "LocalhostProfile"],
    &["Name", "ResourceClaimName", "ResourceClaimTemplateName"],
    &["Key", "Operator", "Values"],
    &["ScopeName", "Operator", "Values"],
    &["Key", "Value", "Effect", "TimeAdded"],
    &["Name", "Protocol", "AppProtocol", "Port", "TargetPort", "NodePort"],
    &[
        "Capabilities",
        "Privileged",
        "SELinuxOptions",
        "WindowsOptions",
        "RunAsUser",
        "RunAsGroup",
        "RunAsNonRoot",
        "ReadOnlyRootFilesystem",
        "AllowPrivilegeEscalation",
        "ProcMount",
        "SeccompProfile",
        "AppArmorProfile",
    ],
];

/// As Go's JSON package prints it.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(fields) => {
            let of = TYPES.iter().find(|of| fields.keys().all(|name| of.contains(&name.as_str())));
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            if let Some(of) = of {
                fields.sort_by_key(|(name, _)| of.iter().position(|known| known == name));
            }
            let fields: Vec<String> =
                fields.into_iter().map(|(name, value)| format!("{}:{}", json!(name), shown(value))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// `spec.replicas: Invalid value: -1: must be greater than or equal to 0`
impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

impl Status {
    /// `Deployment.apps "web" is invalid: spec.replicas: Invalid value: …`; several errors in brackets.
    pub fn invalid(kind: &Kind, name: &str, errors: &[FieldError]) -> Self {
        // Upstream names the kind that it keeps, whichever was asked for.
        Status::invalid_of(&kind.kind, kind.stored_group(), name, errors)
    }

    /// As [`Status::invalid`], for what is called by its resource, or is of no kind at all.
    pub fn invalid_of(kind: &str, group: &str, name: &str, errors: &[FieldError]) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let errors = &each_once(errors);
        let message = format!("{qualified} \"{name}\" is invalid: {}", aggregate(errors));
        let mut details = json!({ "kind": kind, "causes": causes(errors) });
        for (field, value) in [("name", name), ("group", group)] {
            if !value.is_empty() {
                details[field] = value.into();
            }
        }
        Status { details: Some(details), ..Status::new(422, "Invalid", message) }
    }

    /// `leases.coordination.k8s.io "x" is invalid: metadata.resourceVersion: …`: an update that does not say
    /// of which version, of a kind that must be told.
    pub fn unversioned(kind: &Kind, name: &str) -> Self {
        let error = FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update");
        Status::invalid_of(&kind.plural, &kind.group, name, &[error])
    }

    /// `.authorization.k8s.io "" is invalid: spec: …`: what is wrong with a question.
    pub fn invalid_question(group: &str, errors: &[FieldError]) -> Self {
        let message = format!(".{group} \"\" is invalid: {}", aggregate(errors));
        let details = json!({ "group": group, "causes": causes(errors) });
        Status { details: Some(details), ..Status::new(422, "Invalid", message) }
    }

    /// `ListOptions.meta.k8s.io "" is invalid: limit: …`: what is wrong with a request's options.
    pub fn invalid_options(options: &str, errors: &[FieldError]) -> Self {
        let message = format!("{options}.meta.k8s.io \"\" is invalid: {}", aggregate(errors));
        let details = json!({ "group": "meta.k8s.io", "kind": options, "causes": causes(errors) });
        Status { details: Some(details), ..Status::new(422, "Invalid", message) }
    }

    /// ` "" is invalid: patch: Invalid value: "…": why`: a patch whose result cannot be read.
    pub fn invalid_patch(patch: impl Into<Value>, why: &str) -> Self {
        let errors = [FieldError::invalid("patch", patch, why)];
        let message = format!(" \"\" is invalid: {}", aggregate(&errors));
        let details = json!({ "causes": causes(&errors) });
        Status { details: Some(details), ..Status::new(422, "Invalid", message) }
    }
}

/// What is looked at twice is told once.
fn each_once(errors: &[FieldError]) -> Vec<FieldError> {
    let mut told: Vec<FieldError> = Vec::new();
    for error in errors {
        if !told.contains(error) {
            told.push(error.clone());
        }
    }
    told
}

fn causes(errors: &[FieldError]) -> Vec<Value> {
    let cause = |error: &FieldError| json!({ "reason": error.kind.reason(), "message": error.body(), "field": error.field });
    errors.iter().map(cause).collect()
}

/// One message alone, several (each once) as `[a, b]`.
fn aggregate(errors: &[FieldError]) -> String {
    let mut messages: Vec<String> = Vec::new();
    for message in errors.iter().map(FieldError::to_string) {
        if !messages.contains(&message) {
            messages.push(message);
        }
    }
    if messages.len() == 1 { messages.remove(0) } else { format!("[{}]", messages.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kinds;

    #[test]
    fn messages_are_upstreams() {
        let cases = [
            (FieldError::required("spec.x", ""), "spec.x: Required value"),
            (FieldError::required("x", "why"), "x: Required value: why"),
            (FieldError::invalid("x", "a\"b", "bad"), r#"x: Invalid value: "a\"b": bad"#),
            (FieldError::invalid("x", Value::Null, "bad"), "x: Invalid value: null: bad"),
            (
                FieldError::invalid(
                    "x",
                    json!({ "matchExpressions": [], "matchLabels": { "b": "c", "a": "b" } }),
                    "bad",
                ),
                r#"x: Invalid value: {"matchLabels":{"a":"b","b":"c"},"matchExpressions":[]}: bad"#,
            ),
            (
                FieldError::not_supported("x", "c", &["B", "A"]),
                r#"x: Unsupported value: "c": supported values: "A", "B""#,
            ),
            (FieldError::duplicate("x", "c"), r#"x: Duplicate value: "c""#),
            (FieldError::forbidden("x", "no"), "x: Forbidden: no"),
            (FieldError::too_long("x", 63), "x: Too long: may not be more than 63 bytes"),
            (FieldError::too_many("x", 4, 3), "x: Too many: 4: must have at most 3 items"),
            (FieldError::not_found("x", "v"), r#"x: Not found: "v""#),
        ];
        for (error, expected) in cases {
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn a_status_names_the_kind_and_its_causes() {
        let kinds = Kinds::builtin();
        let kind = kinds.by_kind("apps/v1", "Deployment").expect("built in");
        let one = FieldError::invalid("spec.replicas", -1, "must be greater than or equal to 0");
        let status = Status::invalid(kind, "x", std::slice::from_ref(&one));
        assert_eq!(
            status.message,
            r#"Deployment.apps "x" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#
        );
        let details = status.details.expect("details");
        assert_eq!(details["group"], "apps");
        assert_eq!(details["causes"][0]["field"], "spec.replicas");
        assert_eq!(details["causes"][0]["reason"], "FieldValueInvalid");
        let two = Status::invalid(kind, "x", &[one.clone(), FieldError::required("spec.selector", ""), one]);
        assert!(two.message.ends_with("equal to 0, spec.selector: Required value]"), "{}", two.message);
        assert_eq!(two.details.expect("details")["causes"].as_array().map(Vec::len), Some(2));
    }
}
