//! Signatures as cosign makes them.
//!
//! Of an OCI artifact: over a small document ("simple signing") that names the manifest's digest; both
//! lie in the same repository under the tag `sha256-….sig`. Of a file: over its bytes, detached, in
//! base64 (`cosign sign-blob`, `openssl dgst -sha256 -sign`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::key::{PrivateKey, PublicKey};

pub const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
const KIND: &str = "cosign container image signature";

/// One signature, with the bytes it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The simple-signing document, as it was signed.
    pub payload: String,
    /// Base64.
    pub signature: String,
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// Signs an artifact's manifest. `repository`: `registry.example/team/plugin`.
pub fn sign_manifest(key: &PrivateKey, repository: &str, manifest_digest: &str) -> Signed {
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": repository },
            "image": { "docker-manifest-digest": manifest_digest },
            "type": KIND,
        },
        "optional": null,
    })
    .to_string();
    let signature = sign_bytes(key, payload.as_bytes());
    Signed { payload, signature }
}

/// A detached signature, in base64.
pub fn sign_bytes(key: &PrivateKey, bytes: &[u8]) -> String {
    STANDARD.encode(key.sign(bytes))
}

/// Whether one of the keys made one of these signatures of this manifest; else why not.
pub fn verify_manifest(signed: &[Signed], manifest_digest: &str, keys: &[PublicKey]) -> Result<(), String> {
    let about = |one: &&Signed| {
        serde_json::from_str::<Payload>(&one.payload)
            .is_ok_and(|p| p.critical.kind == KIND && p.critical.image.digest == manifest_digest)
    };
    let relevant: Vec<&Signed> = signed.iter().filter(about).collect();
    if relevant.is_empty() {
        return Err(format!("none of the {} signatures found is of {manifest_digest}", signed.len()));
    }
    let made = |one: &&Signed| made_by(keys, one.payload.as_bytes(), &one.signature);
    if relevant.iter().any(made) {
        return Ok(());
    }
    Err(format!("the {} of {manifest_digest} found are by other keys", plural(relevant.len(), "signature")))
}

/// Whether one of the keys made this detached signature; else why not.
pub fn verify_bytes(bytes: &[u8], signature: &str, keys: &[PublicKey]) -> Result<(), String> {
    if made_by(keys, bytes, signature) {
        return Ok(());
    }
    if STANDARD.decode(signature.trim()).is_err() {
        return Err("spec.source.signature is not base64".into());
    }
    Err("spec.source.signature is by another key, or of other bytes".into())
}

fn made_by(keys: &[PublicKey], message: &[u8], signature: &str) -> bool {
    let decoded = STANDARD.decode(signature.trim());
    decoded.is_ok_and(|signature| keys.iter().any(|key| key.verifies(message, &signature)))
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("one {word}") } else { format!("{count} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Algorithm;

    const DIGEST: &str = "sha256:0123";

    #[test]
    fn a_manifests_signature_holds_for_it_alone() {
        let key = PrivateKey::generate(Algorithm::P256);
        let keys = [key.public()];
        let signed = sign_manifest(&key, "registry.example/a", DIGEST);
        verify_manifest(std::slice::from_ref(&signed), DIGEST, &keys).unwrap();
        let why = verify_manifest(std::slice::from_ref(&signed), "sha256:4567", &keys).unwrap_err();
        assert!(why.contains("none of the 1 signatures"), "{why}");
        let others = [PrivateKey::generate(Algorithm::Ed25519).public()];
        let why = verify_manifest(std::slice::from_ref(&signed), DIGEST, &others).unwrap_err();
        assert!(why.contains("by other keys"), "{why}");
        // A payload that was changed to name another manifest.
        let forged = Signed { payload: signed.payload.replace(DIGEST, "sha256:4567"), ..signed };
        verify_manifest(&[forged], "sha256:4567", &keys).unwrap_err();
        verify_manifest(&[], DIGEST, &keys).unwrap_err();
    }

    #[test]
    fn detached_signatures_are_of_the_bytes() {
        let key = PrivateKey::generate(Algorithm::Ed25519);
        let signature = sign_bytes(&key, b"component");
        verify_bytes(b"component", &format!("{signature}\n"), &[key.public()]).unwrap();
        assert!(verify_bytes(b"another", &signature, &[key.public()]).unwrap_err().contains("other bytes"));
        assert!(verify_bytes(b"component", "%", &[key.public()]).unwrap_err().contains("not base64"));
    }
}
