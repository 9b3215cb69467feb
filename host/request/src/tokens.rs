//! Service-account tokens: JWTs signed with ES256, bound to the objects they were asked for.
//!
//! Claims as `k8s.io/kubernetes/pkg/serviceaccount` writes them, so that any OIDC verifier
//! and every client library can read them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use orch_client::Identity;
use orch_watch::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::key;

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the service-account signing key cannot be used: {0}")]
    Key(String),
    #[error("the token cannot be signed: {0}")]
    Sign(#[source] jsonwebtoken::errors::Error),
    #[error("invalid bearer token")]
    Invalid(#[source] jsonwebtoken::errors::Error),
    #[error("[invalid bearer token, service account token has expired]")]
    Expired,
    #[error("the token is for {found:?}, not for {wanted:?}")]
    Audience { found: Vec<String>, wanted: Vec<String> },
    #[error("the token's {kind} {name} is gone")]
    Gone { kind: &'static str, name: String },
}

/// An object by name and uid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    pub name: String,
    pub uid: String,
}

/// The `kubernetes.io` claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    pub namespace: String,
    pub serviceaccount: Reference,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Reference>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: Vec<String>,
    /// Seconds since the epoch.
    exp: i64,
    iat: i64,
    iss: String,
    jti: String,
    #[serde(rename = "kubernetes.io")]
    bound: Bound,
    nbf: i64,
    sub: String,
}

/// A token that holds.
#[derive(Debug, Clone)]
pub struct Verified {
    pub identity: Identity,
    pub audiences: Vec<String>,
}

/// Signs and verifies.
pub struct Tokens {
    issuer: String,
    key_id: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    public_point: Vec<u8>,
    cache: Cache,
}

impl Tokens {
    /// `private_key`: EC P-256, PKCS#8 PEM. `issuer` is also the default audience.
    pub fn new(private_key: &str, issuer: &str, cache: Cache) -> Result<Self, TokenError> {
        let pair = rcgen::KeyPair::from_pem(private_key).map_err(|e| TokenError::Key(e.to_string()))?;
        let public = pair.public_key_pem();
        let bad = |e: jsonwebtoken::errors::Error| TokenError::Key(e.to_string());
        Ok(Tokens {
            issuer: issuer.into(),
            key_id: URL_SAFE_NO_PAD.encode(Sha256::digest(public.as_bytes())),
            signing: EncodingKey::from_ec_pem(private_key.as_bytes()).map_err(bad)?,
            verifying: DecodingKey::from_ec_pem(public.as_bytes()).map_err(bad)?,
            public_point: pair.public_key_raw().to_vec(),
            cache,
        })
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs a token; `now` and `seconds` give its life.
    pub fn issue(
        &self,
        bound: Bound,
        audiences: Vec<String>,
        now: i64,
        seconds: i64,
    ) -> Result<String, TokenError> {
        let claims = Claims {
            aud: audiences,
            exp: now + seconds,
            iat: now,
            iss: self.issuer.clone(),
            jti: uuid::Uuid::new_v4().to_string(),
            sub: format!("system:serviceaccount:{}:{}", bound.namespace, bound.serviceaccount.name),
            bound,
            nbf: now,
        };
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.signing).map_err(TokenError::Sign)
    }

    /// Checks signature, time, audience (empty: the API's own), and that what it is bound to lives.
    pub fn verify(&self, token: &str, audiences: &[String]) -> Result<Verified, TokenError> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[&self.issuer]);
        validation.validate_aud = false; // compared below, for the intersection
        validation.validate_nbf = true;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &validation).map_err(
            |error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid(error),
            },
        )?;
        let claims = claims.claims;
        let wanted = if audiences.is_empty() { vec![self.issuer.clone()] } else { audiences.to_vec() };
        let common: Vec<String> = claims.aud.iter().filter(|a| wanted.contains(a)).cloned().collect();
        if common.is_empty() {
            return Err(TokenError::Audience { found: claims.aud, wanted });
        }
        self.check_bound(&claims.bound)?;
        Ok(Verified { identity: identity(&claims), audiences: common })
    }

    fn check_bound(&self, bound: &Bound) -> Result<(), TokenError> {
        let namespace = bound.namespace.as_str();
        self.lives("service account", "serviceaccounts", namespace, &bound.serviceaccount)?;
        if let Some(pod) = &bound.pod {
            self.lives("pod", "pods", namespace, pod)?;
        }
        if let Some(secret) = &bound.secret {
            self.lives("secret", "secrets", namespace, secret)?;
        }
        // Of a pod's token the node is told, not bound to.
        if let Some(node) = bound.node.as_ref().filter(|_| bound.pod.is_none()) {
            self.lives("node", "nodes", "", node)?;
        }
        Ok(())
    }

    fn lives(
        &self,
        kind: &'static str,
        plural: &str,
        namespace: &str,
        reference: &Reference,
    ) -> Result<(), TokenError> {
        let object = self.cache.get(&key::object("", plural, namespace, &reference.name));
        match object {
            Some(object) if object.value()["metadata"]["uid"] == reference.uid.as_str() => Ok(()),
            _ => Err(TokenError::Gone { kind, name: format!("{namespace}/{}", reference.name) }),
        }
    }

    /// The public key as a JWK set (`/openid/v1/jwks`).
    pub fn key_set(&self) -> Value {
        // An uncompressed point: 0x04, x, y.
        let (x, y) = self.public_point.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
        json!({ "keys": [{
            "use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        }] })
    }
}

fn identity(claims: &Claims) -> Identity {
    let bound = &claims.bound;
    let mut identity = Identity::service_account(&bound.namespace, &bound.serviceaccount.name);
    identity.uid = bound.serviceaccount.uid.clone();
    let mut extra = |key: &str, value: String| {
        identity.extra.push((format!("authentication.kubernetes.io/{key}"), vec![value]));
    };
    extra("credential-id", format!("JTI={}", claims.jti));
    if let Some(pod) = &bound.pod {
        extra("pod-name", pod.name.clone());
        extra("pod-uid", pod.uid.clone());
    }
    if let Some(node) = &bound.node {
        extra("node-name", node.name.clone());
        extra("node-uid", node.uid.clone());
    }
    identity
}
