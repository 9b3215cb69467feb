use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};
use serde_json::json;

use super::*;

fn request(signer: &str, organization: &str, names: Vec<SanType>, usages: &[&str]) -> Value {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, DnValue::Utf8String(organization.into()));
    params.distinguished_name.push(DnType::CommonName, "system:node:a");
    params.subject_alt_names = names;
    let pem = params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap();
    json!({ "spec": { "signerName": signer, "request": STANDARD.encode(pem), "usages": usages, "expirationSeconds": 7200 },
        "status": { "conditions": [{ "type": "Approved", "status": "True" }] } })
}

const CLIENT: [&str; 2] = ["digital signature", "client auth"];
const SERVER: [&str; 3] = ["digital signature", "key encipherment", "server auth"];

#[test]
fn a_certificate_says_what_was_asked_and_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::open(dir.path()).unwrap();
    let names =
        vec![SanType::DnsName("a.example".try_into().unwrap()), SanType::IpAddress([10, 0, 0, 7].into())];
    let request = request("kubernetes.io/kubelet-serving", "system:nodes", names, &SERVER);
    let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
    let signed = answer(&request, &pki, now).unwrap();
    let certificate = pem::blocks(&signed).remove(0).bytes;
    let certificate = x509_parser::parse_x509_certificate(&certificate).unwrap().1;
    let authority = pem::blocks(pki.ca_certificate()).remove(0).bytes;
    let authority = x509_parser::parse_x509_certificate(&authority).unwrap().1;
    certificate.verify_signature(Some(authority.public_key())).unwrap();
    assert_eq!(certificate.subject().to_string(), "O=system:nodes, CN=system:node:a");
    assert_eq!(certificate.issuer().as_raw(), authority.subject().as_raw());
    let life = certificate.validity();
    assert_eq!(life.not_after.timestamp() - life.not_before.timestamp(), 7200);
    assert_eq!(life.not_before.timestamp(), now.as_second() - 300);
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names.len(), 2);
    let purposes = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.server_auth && !purposes.client_auth && !certificate.is_ca());
    assert_eq!(
        certificate.key_usage().unwrap().unwrap().value.to_string(),
        "Digital Signature, Key Encipherment"
    );
}

#[test]
fn signers_sign_what_is_theirs_alone() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::open(dir.path()).unwrap();
    let asked = |signer: &str, organization: &str, names: Vec<SanType>, usages: &[&str]| {
        answer(
            &request(&format!("kubernetes.io/{signer}"), organization, names, usages),
            &pki,
            Timestamp::now(),
        )
    };
    let dns = || vec![SanType::DnsName("a.example".try_into().unwrap())];
    assert!(asked("kube-apiserver-client", "dev", vec![], &CLIENT).is_ok());
    assert!(asked("kube-apiserver-client", "dev", vec![], &SERVER).is_err());
    assert!(
        asked("kube-apiserver-client", "system:masters", vec![], &CLIENT)
            .unwrap_err()
            .contains("system:masters")
    );
    assert!(asked("kube-apiserver-client-kubelet", "system:nodes", vec![], &CLIENT).is_ok());
    assert!(
        asked("kube-apiserver-client-kubelet", "system:nodes", dns(), &CLIENT).unwrap_err().contains("DNS")
    );
    assert!(
        asked("kube-apiserver-client-kubelet", "dev", vec![], &CLIENT).unwrap_err().contains("organization")
    );
    assert!(asked("kubelet-serving", "system:nodes", vec![], &SERVER).unwrap_err().contains("required"));
    assert!(asked("legacy-unknown", "whoever", dns(), &["any"]).is_ok());
}

#[test]
fn only_approved_requests_of_these_signers_wait() {
    let approved = request("kubernetes.io/kube-apiserver-client", "dev", vec![], &CLIENT);
    assert!(waits(&approved));
    assert!(!waits(&request("example.com/s", "dev", vec![], &CLIENT)));
    for status in [
        json!({}),
        json!({ "conditions": [{ "type": "Approved" }, { "type": "Failed" }] }),
        json!({ "conditions": [{ "type": "Approved" }], "certificate": "c" }),
    ] {
        let mut other = approved.clone();
        other["status"] = status;
        assert!(!waits(&other), "{}", other["status"]);
    }
}
