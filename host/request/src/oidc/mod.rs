//! Tokens of OpenID Connect issuers.

mod config;
mod keys;

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use orch_client::Identity;
use serde_json::Value;

use crate::tokens::Verified;
pub use config::{Anonymous, AuthenticationConfig};
use config::{Jwt, Mapping};
use keys::Keys;

#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("cannot read the authentication configuration {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the authentication configuration {path} is not valid: {why}")]
    Config { path: PathBuf, why: String },
    #[error("issuer {issuer}: {why}")]
    Client { issuer: String, why: String },
    #[error("cannot read {url}: {why}")]
    Fetch { url: String, why: String },
    #[error("issuer {issuer} has no key {id:?}")]
    UnknownKey { issuer: String, id: String },
    #[error("the token is not valid: {0}")]
    Token(#[source] jsonwebtoken::errors::Error),
    #[error("the token cannot be read")]
    Malformed,
    #[error("the token is not for {wanted:?}")]
    Audience { wanted: Vec<String> },
    #[error("claim {claim:?}: {why}")]
    Claim { claim: String, why: String },
}

/// Symmetric algorithms prove nothing: whoever can verify can sign.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

impl AuthenticationConfig {
    pub fn read(path: &Path) -> Result<Self, OidcError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| OidcError::Read { path: path.into(), source })?;
        Self::parse(&text).map_err(|why| OidcError::Config { path: path.into(), why })
    }
}

/// The issuers whose tokens are taken.
#[derive(Default)]
pub struct Oidc(Vec<Provider>);

struct Provider {
    jwt: Jwt,
    keys: Keys,
}

impl Oidc {
    pub fn new(config: &AuthenticationConfig) -> Result<Self, OidcError> {
        let provider = |jwt: &Jwt| Ok(Provider { jwt: jwt.clone(), keys: Keys::new(jwt.issuer.clone())? });
        config.jwt.iter().map(provider).collect::<Result<_, OidcError>>().map(Oidc)
    }

    /// `None`: the token is no known issuer's.
    pub async fn verify(&self, token: &str, audiences: &[String]) -> Option<Result<Verified, OidcError>> {
        let issuer = unverified_issuer(token)?;
        let provider = self.0.iter().find(|provider| provider.jwt.issuer.url == issuer)?;
        Some(provider.verify(token, audiences).await)
    }
}

/// Whose keys are to be asked; nothing is believed yet.
fn unverified_issuer(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims["iss"].as_str().map(String::from)
}

impl Provider {
    async fn verify(&self, token: &str, audiences: &[String]) -> Result<Verified, OidcError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| OidcError::Malformed)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(OidcError::Malformed);
        }
        let jwk = self.keys.find(header.kid.as_deref()).await?;
        let key = DecodingKey::from_jwk(&jwk).map_err(OidcError::Token)?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.jwt.issuer.url]);
        validation.set_audience(&self.jwt.issuer.audiences);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        let claims =
            jsonwebtoken::decode::<Value>(token, &key, &validation).map_err(OidcError::Token)?.claims;
        self.check_rules(&claims)?;
        let identity = self.identity(&claims)?;
        let audiences = self.common_audiences(&claims, audiences)?;
        Ok(Verified { identity, audiences })
    }

    /// A review may ask for some of the issuer's audiences.
    fn common_audiences(&self, claims: &Value, wanted: &[String]) -> Result<Vec<String>, OidcError> {
        let given = texts(&claims["aud"]);
        let mine = self.jwt.issuer.audiences.iter().filter(|audience| given.contains(audience));
        let common: Vec<String> =
            mine.filter(|audience| wanted.is_empty() || wanted.contains(audience)).cloned().collect();
        if common.is_empty() { Err(OidcError::Audience { wanted: wanted.to_vec() }) } else { Ok(common) }
    }

    fn check_rules(&self, claims: &Value) -> Result<(), OidcError> {
        for rule in &self.jwt.claim_validation_rules {
            if claims[&rule.claim] != rule.required_value.as_str() {
                let why = format!("must be {:?}", rule.required_value);
                return Err(OidcError::Claim { claim: rule.claim.clone(), why });
            }
        }
        Ok(())
    }

    fn identity(&self, claims: &Value) -> Result<Identity, OidcError> {
        let mappings = &self.jwt.claim_mappings;
        let wrong = |claim: &str, why: &str| Err(OidcError::Claim { claim: claim.into(), why: why.into() });
        let Some(name) = claims[&mappings.username.claim].as_str().filter(|name| !name.is_empty()) else {
            return wrong(&mappings.username.claim, "is not there, or not a string");
        };
        let verified = claims.get("email_verified").is_none_or(|verified| *verified == true);
        if mappings.username.claim == "email" && !verified {
            return wrong("email_verified", "the address is not verified");
        }
        let mut groups: Vec<String> = Vec::new();
        if !mappings.groups.claim.is_empty() {
            groups = texts(&claims[&mappings.groups.claim])
                .iter()
                .map(|g| prefixed(&mappings.groups, g))
                .collect();
        }
        groups.push("system:authenticated".into());
        let uid = claims[&mappings.uid.claim].as_str().unwrap_or_default().to_string();
        let mut identity =
            Identity { name: prefixed(&mappings.username, name), uid, groups, extra: Vec::new() };
        if let Some(id) = claims["jti"].as_str() {
            let key = "authentication.kubernetes.io/credential-id".to_string();
            identity.extra.push((key, vec![format!("JTI={id}")]));
        }
        Ok(identity)
    }
}

fn prefixed(mapping: &Mapping, value: &str) -> String {
    format!("{}{value}", mapping.prefix.as_deref().unwrap_or_default())
}

/// A string, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().filter_map(|item| item.as_str().map(String::from)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
