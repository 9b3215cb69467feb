//! The fixtures were made with openssl: a request, an authority, and what it signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;

const REQUEST: &str = include_str!("fixtures/request.pem");
const AUTHORITY: &str = include_str!("fixtures/authority.pem");
const LEAF: &str = include_str!("fixtures/leaf.pem");

fn details(errors: Vec<FieldError>) -> Vec<String> {
    errors.into_iter().map(|error| format!("{}: {}", error.field, error.detail)).collect()
}

fn request(pem: &str) -> Value {
    json!({ "metadata": { "name": "r" }, "spec": {
        "request": STANDARD.encode(pem), "signerName": "example.com/s", "usages": ["client auth"] } })
}

#[test]
fn a_request_is_what_its_key_signed() {
    assert_eq!(validate_request(&request(REQUEST), None), []);
    let wrong = |pem: &str| details(validate_request(&request(pem), None));
    assert_eq!(wrong(AUTHORITY), ["spec.request: PEM block type must be CERTIFICATE REQUEST"]);
    let mut der = crate::pem::blocks(REQUEST).remove(0).bytes;
    *der.last_mut().unwrap() ^= 1;
    assert_eq!(
        wrong(&crate::pem::encode("CERTIFICATE REQUEST", &der)),
        ["spec.request: the signature of the request does not verify"]
    );
}

#[test]
fn usages_signers_and_lives_are_checked() {
    let mut wrong = request(REQUEST);
    wrong["spec"]["usages"] = json!(["client auth", "client auth", "flying"]);
    wrong["spec"]["signerName"] = "kubernetes.io/legacy-unknown".into();
    wrong["spec"]["expirationSeconds"] = 5.into();
    let found = details(validate_request(&wrong, None));
    assert!(found[0].starts_with("spec.usages[2]: supported values: \"any\""), "{found:?}");
    assert_eq!(found[1], "spec.usages[1]: ");
    assert_eq!(found[2], "spec.signerName: the legacy signerName is not allowed via this API version");
    assert!(found[3].contains("less than 600 seconds"));
}

#[test]
fn only_the_approval_decides_and_only_the_status_has_a_certificate() {
    let old = request(REQUEST);
    let mut new = old.clone();
    new["status"] = json!({ "conditions": [{ "type": "Approved", "status": "True" }] });
    assert_eq!(validate_request_part(&new, &old, "approval", ""), []);
    let found = details(validate_request_part(&new, &old, "status", ""));
    assert_eq!(found, ["status.conditions: updates may not add a condition of type \"Approved\""]);
    let found = details(validate_request_part(&old, &new, "approval", ""));
    assert_eq!(found, ["status.conditions: updates may not remove a condition of type \"Approved\""]);
    let mut issued = old.clone();
    issued["status"]["certificate"] = STANDARD.encode(LEAF).into();
    assert_eq!(validate_request_part(&issued, &old, "status", ""), []);
    let found = details(validate_request_part(&issued, &old, "approval", ""));
    assert_eq!(found, ["status.certificate: updates may not set certificate content"]);
    let mut both = old.clone();
    both["status"] = json!({ "conditions": [
        { "type": "Approved", "status": "True" }, { "type": "Denied", "status": "False" }] });
    let found = details(validate_request_part(&both, &old, "approval", ""));
    assert!(found[0].starts_with("status.conditions[1].status: supported values: \"True\""), "{found:?}");
    assert_eq!(found[1], "status.conditions: Approved and Denied conditions are mutually exclusive");
}

#[test]
fn a_bundle_holds_authorities_and_is_named_after_its_signer() {
    let bundle = |name: &str, signer: &str, pem: &str| json!({ "metadata": { "name": name }, "spec": { "signerName": signer, "trustBundle": pem } });
    assert_eq!(validate_bundle(&bundle("b", "", AUTHORITY), None), []);
    assert_eq!(validate_bundle(&bundle("e.com:s:b", "e.com/s", AUTHORITY), None), []);
    let wrong =
        |name: &str, signer: &str, pem: &str| details(validate_bundle(&bundle(name, signer, pem), None));
    assert_eq!(
        wrong("b", "e.com/s", AUTHORITY),
        ["metadata.name: ClusterTrustBundle for signerName e.com/s must be named with prefix e.com:s:"]
    );
    assert_eq!(wrong("b", "", ""), ["spec.trustBundle: at least one trust anchor must be provided"]);
    assert_eq!(wrong("b", "", LEAF), ["spec.trustBundle: entry 0 does not have the CA bit set"]);
    let twice = format!("{AUTHORITY}{AUTHORITY}");
    assert_eq!(wrong("b", "", &twice), ["spec.trustBundle: duplicate trust anchor (indices [0 1])"]);
}

fn pod_request() -> Value {
    let stub = STANDARD.encode(&crate::pem::blocks(REQUEST)[0].bytes);
    json!({ "metadata": { "name": "r" }, "spec": {
        "signerName": "e.com/s", "podName": "p", "podUID": "1", "serviceAccountName": "a", "serviceAccountUID": "2",
        "nodeName": "n", "nodeUID": "3", "maxExpirationSeconds": 86400, "stubPKCS10Request": stub } })
}

#[test]
fn a_pods_request_is_whole_and_proves_its_key() {
    assert_eq!(validate_pod_request(&pod_request(), None), []);
    let mut wrong = pod_request();
    wrong["spec"]["podUID"] = "".into();
    wrong["spec"]["maxExpirationSeconds"] = 60.into();
    wrong["spec"]["stubPKCS10Request"] = "".into();
    assert_eq!(
        details(validate_pod_request(&wrong, None)),
        [
            "spec.podUID: must not be empty",
            "spec.maxExpirationSeconds: must be in the range [3600, 7862400]",
            "spec: exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set",
        ]
    );
}

#[test]
fn an_issued_certificate_is_for_the_requested_key_and_time() {
    let old = pod_request();
    let mut new = old.clone();
    new["spec"]["maxExpirationSeconds"] = (366 * 86_400).into();
    new["status"] = json!({
        "conditions": [{ "type": "Issued", "status": "True", "reason": "R", "lastTransitionTime": "2026-01-01T00:00:00Z" }],
        "certificateChain": LEAF,
        "notBefore": "2026-01-01T00:00:00Z", "beginRefreshAt": "2026-01-02T00:00:00Z", "notAfter": "2026-12-31T00:00:00Z",
    });
    let at = |now: &str| details(validate_pod_request_status(&new, &old, "status", now));
    assert_eq!(at("2026-01-01T00:04:00Z"), [""; 0]);
    assert!(at("2026-01-01T01:00:00Z")[0].contains("within 5 minutes"));
    let mut foreign = old.clone();
    foreign["spec"]["stubPKCS10Request"] = "".into();
    let found = details(validate_pod_request_status(&new, &foreign, "status", "2026-01-01T00:00:00Z"));
    assert_eq!(
        found,
        ["status.certificateChain: leaf certificate was not issued to the requested public key"]
    );
    let mut changed = new.clone();
    changed["status"]["certificateChain"] = AUTHORITY.into();
    let found = details(validate_pod_request_status(&changed, &new, "status", "2026-01-01T00:00:00Z"));
    assert_eq!(found, ["status: immutable after PodCertificateRequest is issued, denied, or failed"]);
}
