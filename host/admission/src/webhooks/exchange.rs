//! AdmissionReview: what a webhook is sent, and what it may answer
//! (`k8s.io/apiserver/pkg/admission/plugin/webhook/request/admissionreview.go`).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use orch_object::Status;
use serde::Deserialize;
use serde_json::{Value, json};

/// The versions spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewVersion {
    V1,
    V1beta1,
}

impl ReviewVersion {
    pub fn of(version: &Value) -> Option<ReviewVersion> {
        match version.as_str()? {
            "v1" => Some(ReviewVersion::V1),
            "v1beta1" => Some(ReviewVersion::V1beta1),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            ReviewVersion::V1 => "v1",
            ReviewVersion::V1beta1 => "v1beta1",
        }
    }

    /// The body of a request.
    pub fn review(self, request: Value) -> Vec<u8> {
        let api_version = format!("admission.k8s.io/{}", self.name());
        let review = json!({ "kind": "AdmissionReview", "apiVersion": api_version, "request": request });
        review.to_string().into_bytes()
    }
}

/// What a webhook said, checked.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    pub allowed: bool,
    /// A JSON patch; empty: none.
    pub patch: Vec<u8>,
    /// The `status.result` of a refusal, or null.
    pub result: Value,
    pub warnings: Vec<String>,
    pub annotations: BTreeMap<String, String>,
}

/// `response` of an AdmissionReview.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(default)]
    uid: Option<String>,
    #[serde(default)]
    allowed: Option<bool>,
    #[serde(default, rename = "status")]
    result: Value,
    #[serde(default)]
    patch: Option<String>,
    #[serde(default)]
    patch_type: Option<String>,
    #[serde(default)]
    audit_annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
}

impl Verdict {
    /// Reads an answer; the error says what is wrong with it.
    pub fn read(body: &[u8], uid: &str, mutating: bool, version: ReviewVersion) -> Result<Verdict, String> {
        let review: Value = serde_json::from_slice(body)
            .map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))?;
        check_kind(&review, version)?;
        if review["response"].is_null() {
            return Err("received invalid webhook response: webhook response was absent".into());
        }
        let response: Response = serde_json::from_value(review["response"].clone()).map_err(|error| {
            format!("json: cannot unmarshal the response of the AdmissionReview: {error}")
        })?;
        let patch = response.patch.as_deref().unwrap_or_default();
        let patch = STANDARD
            .decode(patch)
            .map_err(|error| format!("illegal base64 data in response.patch: {error}"))?;
        if version == ReviewVersion::V1 {
            let invalid = |why: String| format!("received invalid webhook response: {why}");
            check_uid(&response, uid).map_err(invalid)?;
            check_patch(&patch, response.patch_type.as_deref(), mutating).map_err(invalid)?;
        }
        Ok(Verdict {
            allowed: response.allowed.unwrap_or(false),
            // The old version did not say which validating hooks may not.
            patch: if mutating { patch } else { Vec::new() },
            result: response.result,
            warnings: response.warnings.unwrap_or_default(),
            annotations: response.audit_annotations.unwrap_or_default(),
        })
    }

    /// The error a refusal becomes.
    pub fn refusal(&self, webhook: &str) -> Status {
        let denied = format!("admission webhook {webhook:?} denied the request");
        let text = |field: &str| self.result[field].as_str().unwrap_or_default();
        let message = match (text("message"), text("reason")) {
            ("", "") => format!("{denied} without explanation"),
            ("", reason) => format!("{denied}: {reason}"),
            (message, _) => format!("{denied}: {message}"),
        };
        let code = self.result["code"].as_u64().and_then(|code| code.try_into().ok());
        let code: u16 = code.filter(|code| (400..600).contains(code)).unwrap_or(400);
        let details = Some(self.result["details"].clone()).filter(Value::is_object);
        Status { details, ..Status::new(code, text("reason"), message) }
    }
}

fn check_kind(review: &Value, version: ReviewVersion) -> Result<(), String> {
    let (api_version, kind) = (review["apiVersion"].as_str(), review["kind"].as_str());
    let (group, given) =
        api_version.unwrap_or_default().rsplit_once('/').unwrap_or(("", api_version.unwrap_or_default()));
    let fits = group == "admission.k8s.io" && given == version.name() && kind == Some("AdmissionReview");
    // The old version was never told apart from nothing at all.
    if fits || (version == ReviewVersion::V1beta1 && api_version.is_none() && kind.is_none()) {
        return Ok(());
    }
    Err(format!(
        "received invalid webhook response: expected webhook response of admission.k8s.io/{}, Kind=AdmissionReview, got {group}/{given}, Kind={}",
        version.name(),
        kind.unwrap_or_default()
    ))
}

fn check_uid(response: &Response, uid: &str) -> Result<(), String> {
    let given = response.uid.as_deref().unwrap_or_default();
    match given == uid {
        true => Ok(()),
        false => Err(format!("expected response.uid={uid:?}, got {given:?}")),
    }
}

fn check_patch(patch: &[u8], patch_type: Option<&str>, mutating: bool) -> Result<(), String> {
    match (mutating, patch.is_empty(), patch_type) {
        (false, false, _) => Err("validating webhook may not return response.patch".into()),
        (false, true, Some(_)) => Err("validating webhook may not return response.patchType".into()),
        (true, false, None) => Err("webhook returned response.patch but not response.patchType".into()),
        (true, true, Some(_)) => Err("webhook returned response.patchType but not response.patch".into()),
        (true, false, Some("")) => Err("webhook returned invalid response.patchType of \"\"".into()),
        (true, false, Some("JSONPatch")) | (_, true, None) => Ok(()),
        (true, false, Some(other)) => Err(format!("unsupported patch type {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(response: Value, mutating: bool) -> Result<Verdict, String> {
        let review =
            json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
        Verdict::read(review.to_string().as_bytes(), "u", mutating, ReviewVersion::V1)
    }

    #[test]
    fn an_honest_answer_is_taken() {
        let patch = STANDARD.encode("[]");
        let response = json!({ "uid": "u", "allowed": true, "patch": patch, "patchType": "JSONPatch",
            "warnings": ["w"], "auditAnnotations": { "k": "v" } });
        let verdict = read(response, true).unwrap();
        assert!(verdict.allowed && verdict.patch == b"[]" && verdict.warnings == ["w"]);
        assert_eq!(verdict.annotations["k"], "v");
    }

    #[test]
    fn lies_are_named() {
        let patch = STANDARD.encode("[]");
        let cases = [
            (Value::Null, true, "webhook response was absent"),
            (json!({ "uid": "x" }), true, r#"expected response.uid="u", got "x""#),
            (
                json!({ "uid": "u", "patch": patch }),
                true,
                "webhook returned response.patch but not response.patchType",
            ),
            (
                json!({ "uid": "u", "patchType": "JSONPatch" }),
                true,
                "webhook returned response.patchType but not response.patch",
            ),
            (
                json!({ "uid": "u", "patch": patch, "patchType": "Merge" }),
                true,
                r#"unsupported patch type "Merge""#,
            ),
            (
                json!({ "uid": "u", "patch": patch }),
                false,
                "validating webhook may not return response.patch",
            ),
            (
                json!({ "uid": "u", "patchType": "JSONPatch" }),
                false,
                "validating webhook may not return response.patchType",
            ),
            (json!({ "uid": "u", "patch": "%" }), true, "illegal base64 data"),
            (json!({ "uid": "u", "allowed": "yes" }), true, "cannot unmarshal"),
        ];
        for (response, mutating, expected) in cases {
            let why = read(response.clone(), mutating).unwrap_err();
            assert!(why.contains(expected), "{response}: {why}");
        }
        let other = json!({ "apiVersion": "v1", "kind": "Pod", "response": { "uid": "u" } }).to_string();
        let why = Verdict::read(other.as_bytes(), "u", true, ReviewVersion::V1).unwrap_err();
        assert!(
            why.contains(
                "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /v1, Kind=Pod"
            ),
            "{why}"
        );
        assert!(
            Verdict::read(b"<html>", "u", true, ReviewVersion::V1).unwrap_err().contains("json parse error")
        );
    }

    #[test]
    fn refusals_read_as_upstreams() {
        let refusal = |result: Value| Verdict { result, ..Verdict::default() }.refusal("a.b.c");
        let cases = [
            (Value::Null, 400, "", r#"admission webhook "a.b.c" denied the request without explanation"#),
            (json!({ "message": "no" }), 400, "", r#"admission webhook "a.b.c" denied the request: no"#),
            (
                json!({ "reason": "Forbidden", "code": 403 }),
                403,
                "Forbidden",
                r#"admission webhook "a.b.c" denied the request: Forbidden"#,
            ),
            (
                json!({ "code": 200, "message": "no" }),
                400,
                "",
                r#"admission webhook "a.b.c" denied the request: no"#,
            ),
        ];
        for (result, code, reason, message) in cases {
            let status = refusal(result);
            assert_eq!(
                (status.code, status.reason.as_str(), status.message.as_str()),
                (code, reason, message)
            );
        }
    }
}
