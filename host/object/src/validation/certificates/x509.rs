//! Certificates and requests as X.509 has them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::pem;

const CURVES: [&str; 3] = ["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"];
const ED25519: &str = "1.3.101.112";

/// The bytes of a `[]byte` field, or nothing where it is not base64.
pub fn bytes(value: &Value) -> Vec<u8> {
    value.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default()
}

pub fn certificate(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509Certificate::from_der(der)
        .ok()
        .filter(|(rest, _)| rest.is_empty())
        .map(|(_, certificate)| certificate)
}

pub fn request(der: &[u8]) -> Option<X509CertificationRequest<'_>> {
    X509CertificationRequest::from_der(der)
        .ok()
        .filter(|(rest, _)| rest.is_empty())
        .map(|(_, request)| request)
}

pub fn public_key(der: &[u8]) -> Option<SubjectPublicKeyInfo<'_>> {
    SubjectPublicKeyInfo::from_der(der).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, key)| key)
}

/// The request in a PEM block, its signature verified; or why not.
pub fn verify_pem_request(text: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(text);
    let block = pem::blocks(&text).into_iter().next().filter(|block| block.label == "CERTIFICATE REQUEST");
    let block = block.ok_or("PEM block type must be CERTIFICATE REQUEST")?;
    let request = request(&block.bytes).ok_or("the PKCS#10 request is malformed")?;
    request.verify_signature().map_err(|_| "the signature of the request does not verify".to_string())
}

/// Certificates in PEM and nothing else; or why not.
pub fn verify_pem_certificates(text: &[u8]) -> Result<(), String> {
    let blocks = pem::blocks(&String::from_utf8_lossy(text));
    for block in &blocks {
        if block.label != "CERTIFICATE" {
            return Err(format!("only CERTIFICATE PEM blocks are allowed, found {:?}", block.label));
        }
        if block.has_headers {
            return Err("no PEM block headers are permitted".into());
        }
        certificate(&block.bytes).ok_or("x509: malformed certificate")?;
    }
    if blocks.is_empty() { Err("must contain at least one CERTIFICATE PEM block".into()) } else { Ok(()) }
}

/// Why a key is not one that pods may have; `None`: it is. The first part is the value to name.
pub fn refused_key(key: &SubjectPublicKeyInfo<'_>, curves: &str) -> Option<(Option<String>, String)> {
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) if ![3072, 4096].contains(&rsa.key_size()) => {
            let size = format!("{}-bit modulus", rsa.key_size());
            Some((Some(size), "RSA keys must have modulus size 3072 or 4096".into()))
        }
        Ok(PublicKey::RSA(_)) => None,
        Ok(PublicKey::EC(_)) => {
            let curve =
                key.algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok()).map(|oid| oid.to_id_string());
            let known = curve.as_deref().is_some_and(|curve| CURVES.contains(&curve));
            (!known).then(|| {
                (
                    Some(format!("curve {}", curve.unwrap_or_default())),
                    format!("elliptic public keys must use curve {curves}"),
                )
            })
        }
        _ if key.algorithm.algorithm.to_id_string() == ED25519 => None,
        _ => Some((None, "unknown public key type; supported types are Ed25519, ECDSA, and RSA".into())),
    }
}

/// Whether `proof` is the key's signature of the pod's uid.
pub fn proves_possession(key: &SubjectPublicKeyInfo<'_>, pod_uid: &[u8], proof: &[u8]) -> bool {
    use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
    let oid = |value: Option<String>| value.unwrap_or_default();
    let curve =
        oid(key.algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok()).map(|oid| oid.to_id_string()));
    let algorithm: &dyn VerificationAlgorithm = match key.parsed() {
        Ok(PublicKey::RSA(_)) => &signature::RSA_PSS_2048_8192_SHA256,
        Ok(PublicKey::EC(_)) if curve == CURVES[0] => &signature::ECDSA_P256_SHA256_ASN1,
        Ok(PublicKey::EC(_)) if curve == CURVES[1] => &signature::ECDSA_P384_SHA256_ASN1,
        _ if key.algorithm.algorithm.to_id_string() == ED25519 => &signature::ED25519,
        _ => return false,
    };
    UnparsedPublicKey::new(algorithm, &key.subject_public_key.data).verify(pod_uid, proof).is_ok()
}
