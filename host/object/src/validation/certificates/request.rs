//! CertificateSigningRequests.

use serde_json::Value;

use super::x509;
use super::{conditions, validate_signer};
use crate::names;
use crate::status::FieldError;
use crate::validation::{Errors, Path, is_empty, items, metadata, text};

const LEGACY: &str = "kubernetes.io/legacy-unknown";
const SHORTEST: i64 = 600;
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];
const DECISIONS: [&str; 2] = ["Approved", "Denied"];
/// Conditions that stand once they are written, and only as true.
const FINAL: [&str; 3] = ["Approved", "Denied", "Failed"];

pub(crate) fn validate_request(request: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    validate_object(request, old, &mut errors);
    if let Some(old) = old {
        validate_change(request, old, "", &mut errors);
    }
    errors.into_vec()
}

/// A write to `status` or `approval`.
pub(crate) fn validate_request_part(
    new: &Value,
    old: &Value,
    subresource: &str,
    _now: &str,
) -> Vec<FieldError> {
    let mut errors = Errors::default();
    validate_object(new, Some(old), &mut errors);
    validate_change(new, old, subresource, &mut errors);
    errors.into_vec()
}

/// What was wrong already is tolerated, as upstream does.
fn validate_object(request: &Value, old: Option<&Value>, errors: &mut Errors) {
    // Requests may have any name that stands in a URL.
    metadata::validate(request, old, names::path_segment, errors);
    let (path, spec) = (Path::new("spec"), &request["spec"]);
    if let Err(why) = x509::verify_pem_request(&x509::bytes(&spec["request"])) {
        errors.shown(&path.child("request"), &spec["request"], &why);
    }
    validate_usages(&spec["usages"], old, &path.child("usages"), errors);
    let signer = path.child("signerName");
    match spec["signerName"] == LEGACY && old.is_none_or(|old| old["spec"]["signerName"] != LEGACY) {
        true => errors.invalid(
            &signer,
            &spec["signerName"],
            "the legacy signerName is not allowed via this API version",
        ),
        false => validate_signer(&spec["signerName"], &signer, errors),
    }
    if spec["expirationSeconds"].as_i64().is_some_and(|seconds| seconds < SHORTEST) {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid(&path.child("expirationSeconds"), &spec["expirationSeconds"], detail);
    }
    validate_conditions(request, old, errors);
    validate_certificate(request, old, errors);
}

fn validate_usages(usages: &Value, old: Option<&Value>, path: &Path, errors: &mut Errors) {
    let known = |usage: &Value| USAGES.contains(&text(usage));
    let before = old.map_or(&[][..], |old| items(&old["spec"]["usages"]));
    let usages = items(usages);
    if usages.is_empty() {
        errors.required(path, "");
    }
    for (index, usage) in usages.iter().enumerate() {
        if !known(usage) && before.iter().all(known) {
            errors.push(FieldError::not_supported(path.index(index).as_str(), usage.clone(), &USAGES));
        }
    }
    for (index, usage) in usages.iter().enumerate() {
        if usages[..index].contains(usage) && !has_duplicates(before, |usage| usage) {
            errors.duplicate(&path.index(index), usage.clone());
        }
    }
}

fn has_duplicates(list: &[Value], key: impl Fn(&Value) -> &Value) -> bool {
    list.iter().enumerate().any(|(index, item)| list[..index].iter().any(|before| key(before) == key(item)))
}

fn validate_conditions(request: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::new("status").child("conditions");
    let before = old.map_or(&[][..], conditions);
    let had = |wanted: &str| before.iter().any(|c| c["type"] == wanted);
    let now = conditions(request);
    for (index, condition) in now.iter().enumerate() {
        let at = path.index(index);
        let kind = text(&condition["type"]);
        if kind.is_empty() && !before.iter().any(|c| is_empty(&c["type"])) {
            errors.required(&at.child("type"), "");
        }
        let allowed: &[&str] = if FINAL.contains(&kind) { &["True"] } else { &["False", "True", "Unknown"] };
        errors.required_one_of(&at.child("status"), &condition["status"], allowed);
        let other = DECISIONS.iter().find(|decision| DECISIONS.contains(&kind) && **decision != kind);
        let contradicts = other.is_some_and(|other| now[..index].iter().any(|c| c["type"] == *other));
        if contradicts && !(had("Approved") && had("Denied")) {
            let detail = "Approved and Denied conditions are mutually exclusive";
            errors.invalid(&path, &condition["type"], detail);
        }
        let repeated = now[..index].iter().any(|c| c["type"] == condition["type"]);
        if repeated && !has_duplicates(before, |condition| &condition["type"]) {
            errors.duplicate(&at.child("type"), condition["type"].clone());
        }
    }
}

fn validate_certificate(request: &Value, old: Option<&Value>, errors: &mut Errors) {
    let given = x509::bytes(&request["status"]["certificate"]);
    let before = old.map(|old| x509::bytes(&old["status"]["certificate"]));
    let was_wrong = |before: &Vec<u8>| !before.is_empty() && x509::verify_pem_certificates(before).is_err();
    if given.is_empty() || before.is_some_and(|before| before == given || was_wrong(&before)) {
        return;
    }
    if let Err(why) = x509::verify_pem_certificates(&given) {
        let at = Path::new("status").child("certificate");
        errors.invalid(&at, &"<certificate data>".into(), why);
    }
}

fn of_type<'r>(request: &'r Value, kind: &str) -> Vec<&'r Value> {
    conditions(request).iter().filter(|condition| condition["type"] == kind).collect()
}

fn validate_change(new: &Value, old: &Value, subresource: &str, errors: &mut Errors) {
    let path = Path::new("status").child("conditions");
    for kind in FINAL {
        if of_type(new, kind).len() < of_type(old, kind).len() {
            errors.forbidden(&path, format!("updates may not remove a condition of type {kind:?}"));
        }
    }
    for kind in DECISIONS.into_iter().filter(|_| subresource != "approval") {
        let (was, is) = (of_type(old, kind), of_type(new, kind));
        if is.len() > was.len() {
            errors.forbidden(&path, format!("updates may not add a condition of type {kind:?}"));
        } else if is.len() == was.len() && is != was {
            errors.forbidden(&path, format!("updates may not modify a condition of type {kind:?}"));
        }
    }
    let certificate = |request: &Value| x509::bytes(&request["status"]["certificate"]);
    if certificate(new) == certificate(old) {
        return;
    }
    let at = Path::new("status").child("certificate");
    match subresource {
        "status" if certificate(old).is_empty() => {}
        "status" => errors.forbidden(&at, "updates may not modify existing certificate content"),
        _ => errors.forbidden(&at, "updates may not set certificate content"),
    }
}
