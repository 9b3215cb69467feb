//! Key pairs: ECDSA on P-256 (cosign's default) and Ed25519, as PEM files.

use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "not a public key of P-256 or Ed25519 in PEM (it begins `-----BEGIN PUBLIC KEY-----`); \
         `orch plugin keygen` and `cosign generate-key-pair` write such files"
    )]
    Public,
    #[error(
        "not a private key of P-256 or Ed25519 in PEM (it begins `-----BEGIN PRIVATE KEY-----`); \
         `orch plugin keygen` writes such files"
    )]
    Private,
    #[error(
        "the private key is encrypted: give it as PKCS #8 without a password \
         (`openssl pkcs8 -topk8 -nocrypt`; a key of cosign's own format stays with cosign: use `cosign sign`)"
    )]
    Encrypted,
    #[error("the private key cannot be written: {0}")]
    Encode(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    P256,
    Ed25519,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    P256(p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

pub enum PrivateKey {
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl PublicKey {
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let pem = pem.trim();
        if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_pem(pem) {
            return Ok(PublicKey::P256(key));
        }
        ed25519_dalek::VerifyingKey::from_public_key_pem(pem)
            .map(PublicKey::Ed25519)
            .map_err(|_| KeyError::Public)
    }

    pub fn to_pem(&self) -> Result<String, KeyError> {
        let pem = match self {
            PublicKey::P256(key) => key.to_public_key_pem(LineEnding::LF),
            PublicKey::Ed25519(key) => key.to_public_key_pem(LineEnding::LF),
        };
        pem.map_err(|error| KeyError::Encode(error.to_string()))
    }

    /// Whether `signature` (DER for P-256, 64 bytes for Ed25519) is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            PublicKey::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            // Strict: no weak keys, one form of each signature.
            PublicKey::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }

    /// Short enough for a message: the beginning of the digest of the key's DER.
    pub fn fingerprint(&self) -> String {
        let der = match self {
            PublicKey::P256(key) => key.to_public_key_der(),
            PublicKey::Ed25519(key) => key.to_public_key_der(),
        };
        der.map(|der| crate::digest_of(der.as_bytes())[..19].to_owned()).unwrap_or_default()
    }
}

impl PrivateKey {
    pub fn generate(algorithm: Algorithm) -> Self {
        use p256::elliptic_curve::rand_core::{OsRng, RngCore};
        match algorithm {
            Algorithm::P256 => PrivateKey::P256(p256::ecdsa::SigningKey::random(&mut OsRng)),
            Algorithm::Ed25519 => {
                let mut secret = [0; 32];
                OsRng.fill_bytes(&mut secret);
                PrivateKey::Ed25519(ed25519_dalek::SigningKey::from_bytes(&secret))
            }
        }
    }

    /// PKCS #8, or the form that `openssl ecparam -genkey` writes.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let pem = pem.trim();
        if pem.contains("ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_pem(pem) {
            return Ok(PrivateKey::P256(key));
        }
        // `openssl ecparam -genkey` writes the curve's parameters before the key.
        let own = pem.find("-----BEGIN EC PRIVATE KEY-----").map_or(pem, |at| &pem[at..]);
        if let Ok(key) = p256::SecretKey::from_sec1_pem(own) {
            return Ok(PrivateKey::P256(key.into()));
        }
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map(PrivateKey::Ed25519).map_err(|_| KeyError::Private)
    }

    /// Not encrypted: keep the file to yourself.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let pem = match self {
            PrivateKey::P256(key) => key.to_pkcs8_pem(LineEnding::LF),
            PrivateKey::Ed25519(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        pem.map(|pem| pem.to_string()).map_err(|error| KeyError::Encode(error.to_string()))
    }

    pub fn public(&self) -> PublicKey {
        match self {
            PrivateKey::P256(key) => PublicKey::P256(*key.verifying_key()),
            PrivateKey::Ed25519(key) => PublicKey::Ed25519(key.verifying_key()),
        }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            PrivateKey::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            PrivateKey::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_algorithms_sign_and_verify() {
        for algorithm in [Algorithm::P256, Algorithm::Ed25519] {
            let key = PrivateKey::from_pem(&PrivateKey::generate(algorithm).to_pem().unwrap()).unwrap();
            let public = PublicKey::from_pem(&key.public().to_pem().unwrap()).unwrap();
            assert_eq!(public, key.public());
            let signature = key.sign(b"message");
            assert!(public.verifies(b"message", &signature));
            assert!(!public.verifies(b"massage", &signature));
            assert!(!public.verifies(b"message", &signature[1..]));
            assert!(!PrivateKey::generate(algorithm).public().verifies(b"message", &signature));
            assert!(public.fingerprint().starts_with("sha256:"));
        }
    }

    #[test]
    fn what_is_no_key_says_what_one_looks_like() {
        assert!(PublicKey::from_pem("junk").unwrap_err().to_string().contains("BEGIN PUBLIC KEY"));
        let private = PrivateKey::generate(Algorithm::P256).to_pem().unwrap();
        assert_eq!(PublicKey::from_pem(&private), Err(KeyError::Public));
        let cosign = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\neyJ9\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----";
        assert!(matches!(PrivateKey::from_pem(cosign), Err(KeyError::Encrypted)));
        assert!(matches!(PrivateKey::from_pem("junk"), Err(KeyError::Private)));
    }
}
