//! A certificate and its key (`crypto/tls`, `X509KeyPair`).

use ring::rsa;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::Value;

use crate::pem::{self, Block};
use crate::validation::certificates::x509;

/// What is wrong with a pair of PEM texts, in base64; what cannot be judged counts as good.
pub(super) fn fault(certificate: &Value, key: &Value) -> Option<String> {
    let blocks = |value: &Value| pem::blocks(&String::from_utf8_lossy(&x509::bytes(value)));
    let (certificates, keys) = (blocks(certificate), blocks(key));
    let Some(leaf) = certificates.iter().find(|block| block.label == "CERTIFICATE") else {
        return Some(without_certificate(&labels(&certificates)));
    };
    let Some(at) = keys.iter().position(is_key) else { return Some(without_key(&labels(&keys))) };
    let Some(leaf) = x509::certificate(&leaf.bytes) else {
        return Some("x509: malformed certificate".into());
    };
    let public = public_key(&keys[at])?;
    let certified = leaf.public_key().subject_public_key.data.as_ref();
    (public != certified).then(|| "tls: private key does not match public key".into())
}

fn labels(blocks: &[Block]) -> Vec<&str> {
    blocks.iter().map(|block| block.label.as_str()).collect()
}

fn is_key(block: &Block) -> bool {
    block.label == "PRIVATE KEY" || block.label.ends_with(" PRIVATE KEY")
}

fn without_certificate(found: &[&str]) -> String {
    match found {
        [] => "tls: failed to find any PEM data in certificate input".into(),
        [only] if only.ends_with("PRIVATE KEY") => {
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs \
             may have been switched"
                .into()
        }
        _ => format!(
            "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the \
             following types: [{}]",
            found.join(" ")
        ),
    }
}

fn without_key(found: &[&str]) -> String {
    match found {
        [] => "tls: failed to find any PEM data in key input".into(),
        ["CERTIFICATE"] => "tls: found a certificate rather than a key in the PEM for the private key".into(),
        _ => format!(
            "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM \
             blocks of the following types: [{}]",
            found.join(" ")
        ),
    }
}

/// The public half of a private key, as certificates hold it; `None` for forms that are not read here.
fn public_key(block: &Block) -> Option<Vec<u8>> {
    let der = &block.bytes;
    if block.label == "RSA PRIVATE KEY" {
        return rsa::KeyPair::from_der(der).ok().map(|pair| pair.public().as_ref().to_vec());
    }
    let random = ring::rand::SystemRandom::new();
    let elliptic = |of| EcdsaKeyPair::from_pkcs8(of, der, &random).ok();
    let elliptic = elliptic(&signature::ECDSA_P256_SHA256_ASN1_SIGNING)
        .or_else(|| elliptic(&signature::ECDSA_P384_SHA384_ASN1_SIGNING));
    if let Some(pair) = elliptic {
        return Some(pair.public_key().as_ref().to_vec());
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        return Some(pair.public_key().as_ref().to_vec());
    }
    rsa::KeyPair::from_pkcs8(der).ok().map(|pair| pair.public().as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn told(certificate: &str, key: &str) -> String {
        let encoded = |text: &str| STANDARD.encode(text).into();
        fault(&encoded(certificate), &encoded(key)).unwrap_or_default()
    }

    #[test]
    fn pairs_that_no_server_could_use_are_told() {
        let block = |label: &str| pem::encode(label, b"x");
        let cases = [
            ("", block("PRIVATE KEY"), "tls: failed to find any PEM data in certificate input"),
            (
                &block("EC PRIVATE KEY"),
                String::new(),
                "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM \
                 inputs may have been switched",
            ),
            (&block("CERTIFICATE"), String::new(), "tls: failed to find any PEM data in key input"),
            (
                &block("CERTIFICATE"),
                block("CERTIFICATE"),
                "tls: found a certificate rather than a key in the PEM for the private key",
            ),
            (&block("CERTIFICATE"), block("PRIVATE KEY"), "x509: malformed certificate"),
        ];
        for (certificate, key, expected) in cases {
            assert_eq!(told(certificate, &key), expected);
        }
        let (random, of) = (ring::rand::SystemRandom::new(), &signature::ECDSA_P256_SHA256_ASN1_SIGNING);
        let key = EcdsaKeyPair::generate_pkcs8(of, &random).expect("random bytes");
        let key = pem::encode("PRIVATE KEY", key.as_ref());
        assert_eq!(told(LEAF, &key), "tls: private key does not match public key");
        assert_eq!(told(LEAF, &block("UNHEARD-OF PRIVATE KEY")), "", "what cannot be read is not judged");
    }

    #[test]
    fn the_public_half_is_found() {
        let (random, of) = (ring::rand::SystemRandom::new(), &signature::ECDSA_P384_SHA384_ASN1_SIGNING);
        let bytes = EcdsaKeyPair::generate_pkcs8(of, &random).expect("random bytes");
        let pair = EcdsaKeyPair::from_pkcs8(of, bytes.as_ref(), &random).expect("a key");
        let block = Block { label: "PRIVATE KEY".into(), has_headers: false, bytes: bytes.as_ref().to_vec() };
        assert_eq!(public_key(&block).as_deref(), Some(pair.public_key().as_ref()));
    }

    const LEAF: &str = include_str!("../certificates/fixtures/leaf.pem");
}
