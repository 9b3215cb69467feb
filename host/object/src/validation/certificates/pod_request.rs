//! PodCertificateRequests.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    SHORTEST_POD_CERTIFICATE, conditions, longest_pod_certificate, validate_signer,
    validate_user_annotations, x509,
};
use crate::names;
use crate::pem;
use crate::status::{FieldError, FieldErrorKind};
use crate::validation::condition::validate_conditions;
use crate::validation::{Errors, Path, is_empty, metadata, same, text};

const UID_LENGTH: usize = 128;
/// Bytes of a key, a signature, or a request.
const LARGEST_REQUEST: usize = 10 * 1024;
const LARGEST_CHAIN: usize = 100 * 1024;
const STATES: [&str; 3] = ["Denied", "Failed", "Issued"];
/// Seconds by which a signer's clock may differ.
const CLOCKS: i64 = 300;
/// Seconds of a certificate's life, at its begin and its end, in which it is not renewed.
const NO_REFRESH: i64 = 600;

pub(crate) fn validate_pod_request(request: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(request, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &request["spec"]);
    match old {
        Some(old) => errors.immutable(&path, spec, &old["spec"]),
        None => validate_spec(spec, &path, &mut errors),
    }
    errors.into_vec()
}

fn validate_spec(spec: &Value, path: &Path, errors: &mut Errors) {
    validate_signer(&spec["signerName"], &path.child("signerName"), errors);
    let annotations = "unverifiedUserAnnotations";
    validate_user_annotations(&spec[annotations], &path.child(annotations), errors);
    for (name, uid) in
        [("podName", "podUID"), ("serviceAccountName", "serviceAccountUID"), ("nodeName", "nodeUID")]
    {
        errors.rule(&path.child(name), text(&spec[name]), names::dns1123_subdomain);
        match text(&spec[uid]).len() {
            0 => errors.invalid(&path.child(uid), &"".into(), "must not be empty"),
            1..=UID_LENGTH => {}
            _ => errors.too_long(&path.child(uid), UID_LENGTH),
        }
    }
    let longest = longest_pod_certificate(text(&spec["signerName"]));
    let field = path.child("maxExpirationSeconds");
    match spec["maxExpirationSeconds"].as_i64() {
        None => return errors.required(&field, "must be set"),
        Some(seconds) if (SHORTEST_POD_CERTIFICATE..=longest).contains(&seconds) => {}
        Some(seconds) => {
            let detail = format!("must be in the range [{SHORTEST_POD_CERTIFICATE}, {longest}]");
            errors.invalid(&field, &seconds.into(), detail);
        }
    }
    let given = |field: &str| !text(&spec[field]).is_empty();
    match (given("stubPKCS10Request"), given("pkixPublicKey"), given("proofOfPossession")) {
        (true, false, false) => validate_stub(spec, &path.child("stubPKCS10Request"), errors),
        (false, true, true) => validate_key(spec, path, errors),
        _ => errors.push(bare(
            path,
            "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set",
        )),
    }
}

/// An error that does not show the value.
fn bare(path: &Path, detail: impl Into<String>) -> FieldError {
    FieldError { field: path.to_string(), kind: FieldErrorKind::Invalid, value: None, detail: detail.into() }
}

fn refuse_key(path: &Path, refused: (Option<String>, String), errors: &mut Errors) {
    let (shown, detail) = refused;
    errors.push(FieldError { value: shown.map(Value::from), ..bare(path, detail) });
}

fn validate_stub(spec: &Value, path: &Path, errors: &mut Errors) {
    let der = x509::bytes(&spec["stubPKCS10Request"]);
    if der.len() > LARGEST_REQUEST {
        return errors.too_long(path, LARGEST_REQUEST);
    }
    let Some(request) = x509::request(&der) else {
        return errors.push(bare(path, "must be a valid PKCS#10 CSR"));
    };
    let key = &request.certification_request_info.subject_pki;
    if let Some(refused) = x509::refused_key(key, "P256, P384, or P521") {
        return refuse_key(path, refused, errors);
    }
    if request.verify_signature().is_err() {
        errors.push(bare(path, "invalid signature"));
    }
}

fn validate_key(spec: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("pkixPublicKey");
    let (key, proof) = (x509::bytes(&spec["pkixPublicKey"]), x509::bytes(&spec["proofOfPossession"]));
    if key.len() > LARGEST_REQUEST {
        return errors.too_long(&at, LARGEST_REQUEST);
    }
    if proof.len() > LARGEST_REQUEST {
        return errors.too_long(&path.child("proofOfPossession"), LARGEST_REQUEST);
    }
    let Some(key) = x509::public_key(&key) else {
        return errors.invalid(&at, &spec["pkixPublicKey"], "must be a valid PKIX-serialized public key");
    };
    if let Some(refused) = x509::refused_key(&key, "P256 or P384") {
        return refuse_key(&at, refused, errors);
    }
    if !x509::proves_possession(&key, text(&spec["podUID"]).as_bytes(), &proof) {
        errors.push(bare(&path.child("proofOfPossession"), "could not verify proof-of-possession signature"));
    }
}

/// A signer's answer: once it stands, it stands.
pub(crate) fn validate_pod_request_status(new: &Value, old: &Value, _: &str, now: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let status = Path::new("status");
    let path = status.child("conditions");
    validate_states(new, &path, &mut errors);
    validate_conditions(&new["status"]["conditions"], &path, &mut errors);
    if !errors.is_empty() {
        return errors.into_vec();
    }
    let unchanged = same(&new["status"], &old["status"]);
    match (state(old), state(new)) {
        (Some(_), _) if unchanged => {}
        (Some(_), _) => {
            errors.push(bare(&status, "immutable after PodCertificateRequest is issued, denied, or failed"))
        }
        (None, Some("Issued")) => validate_issued(new, old, now, &mut errors),
        (None, Some(_)) => {
            let fields = new["status"].as_object().into_iter().flatten();
            let mut rest = fields.filter(|(name, value)| *name != "conditions" && !is_empty(value));
            if rest.next().is_some() {
                let detail = "non-condition status fields must be empty when denying or failing the PodCertificateRequest";
                errors.push(bare(&status, detail));
            }
        }
        (None, None) if unchanged => {}
        (None, None) => {
            let detail = "status is immutable unless transitioning to \"Issued\", \"Denied\", or \"Failed\"";
            errors.push(bare(&status, detail));
        }
    }
    errors.into_vec()
}

fn state(request: &Value) -> Option<&'static str> {
    STATES
        .into_iter()
        .find(|state| conditions(request).iter().any(|c| c["type"] == *state && c["status"] == "True"))
}

fn validate_states(request: &Value, path: &Path, errors: &mut Errors) {
    let mut known = 0;
    for (index, condition) in conditions(request).iter().enumerate() {
        let at = path.index(index);
        if !STATES.contains(&text(&condition["type"])) {
            errors.one_of(&at.child("type"), &condition["type"], &STATES);
            continue;
        }
        known += 1;
        if known > 1 {
            let detail = "There may be at most one condition with type \"Issued\", \"Denied\", or \"Failed\"";
            errors.invalid(&at.child("type"), &condition["type"], detail);
        }
        errors.one_of(&at.child("status"), &condition["status"], &["True"]);
    }
}

fn validate_issued(new: &Value, old: &Value, now: &str, errors: &mut Errors) {
    let path = Path::new("status").child("certificateChain");
    let chain = &new["status"]["certificateChain"];
    if text(chain).len() > LARGEST_CHAIN {
        return errors.too_long(&path, LARGEST_CHAIN);
    }
    let blocks = pem::blocks(text(chain));
    let Some(leaf) = blocks.first() else {
        return errors.invalid(
            &path,
            chain,
            "issued certificate chain must contain at least one certificate",
        );
    };
    if blocks.iter().any(|block| block.label != "CERTIFICATE") {
        let detail = "issued certificate chain must consist entirely of CERTIFICATE PEM blocks";
        return errors.invalid(&path, chain, detail);
    }
    let Some(leaf) = x509::certificate(&leaf.bytes) else {
        return errors.invalid(&path, chain, "leaf certificate does not parse as valid X.509");
    };
    if requested_key(&old["spec"]).is_none_or(|key| key != leaf.public_key().raw) {
        return errors.invalid(&path, chain, "leaf certificate was not issued to the requested public key");
    }
    if blocks[1..].iter().any(|block| x509::certificate(&block.bytes).is_none()) {
        let detail = "intermediate certificate does not parse as valid X.509";
        return errors.invalid(&path, chain, detail);
    }
    let validity = leaf.validity();
    let life = (validity.not_before.timestamp(), validity.not_after.timestamp());
    validate_times(&new["status"], &new["spec"], life, now, errors);
}

fn requested_key(spec: &Value) -> Option<Vec<u8>> {
    let stub = x509::bytes(&spec["stubPKCS10Request"]);
    if stub.is_empty() {
        return Some(x509::bytes(&spec["pkixPublicKey"]));
    }
    let request = x509::request(&stub)?;
    Some(request.certification_request_info.subject_pki.raw.to_vec())
}

/// `life`: seconds since the epoch, as the certificate says.
fn validate_times(status: &Value, spec: &Value, life: (i64, i64), now: &str, errors: &mut Errors) {
    let path = Path::new("status");
    let time = |value: &Value| {
        value.as_str().and_then(|text| text.parse::<Timestamp>().ok()).map(Timestamp::as_second)
    };
    let times = [time(&status["notBefore"]), time(&status["notAfter"]), time(&status["beginRefreshAt"])];
    let consistent = "must be present and consistent with the issued certificate";
    let within = "must be present and in the range [notbefore+10min, notafter-10min]";
    let [Some(not_before), Some(not_after), Some(refresh)] = times else {
        for (field, detail) in
            [("notBefore", consistent), ("notAfter", consistent), ("beginRefreshAt", within)]
        {
            if time(&status[field]).is_none() {
                errors.required(&path.child(field), detail);
            }
        }
        return;
    };
    let mut wrong = |field: &str, detail: String| errors.invalid(&path.child(field), &status[field], detail);
    let now = now.parse::<Timestamp>().map_or(not_before, Timestamp::as_second);
    if not_before != life.0 {
        return wrong(
            "notBefore",
            "must be set to the NotBefore time encoded in the leaf certificate".into(),
        );
    }
    if (not_before - now).abs() > CLOCKS {
        return wrong("notBefore", "must be set to within 5 minutes of kube-apiserver's current time".into());
    }
    if not_after != life.1 {
        return wrong("notAfter", "must be set to the NotAfter time encoded in the leaf certificate".into());
    }
    let seconds = life.1 - life.0;
    if seconds < SHORTEST_POD_CERTIFICATE {
        return wrong("certificateChain", "leaf certificate lifetime must be >= 1 hour".into());
    }
    let longest = spec["maxExpirationSeconds"].as_i64().unwrap_or_default();
    if seconds > longest {
        let detail = format!("leaf certificate lifetime must be <= spec.maxExpirationSeconds ({longest})");
        return wrong("certificateChain", detail);
    }
    if refresh < not_before + NO_REFRESH {
        return wrong("beginRefreshAt", "must be at least 10 minutes after status.notBefore".into());
    }
    if refresh > not_after - NO_REFRESH {
        wrong("beginRefreshAt", "must be at least 10 minutes before status.notAfter".into());
    }
}
