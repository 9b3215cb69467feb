//! Tokens of OpenID Connect issuers.

mod config;
mod distributed;
mod keys;
mod mapper;
mod reload;

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::tokens::Verified;
pub use config::{Anonymous, AuthenticationConfig};
use config::{Issuer, Jwt};
use distributed::Distributed;
use keys::Keys;
use mapper::Mapper;
pub use reload::{ConfigFile, Reloads, follow};

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
    #[error("expression '{expression}' resulted in error: {why}")]
    Expression { expression: String, why: String },
    #[error("a validation rule failed: {0}")]
    Rule(String),
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
    /// From a file, which the server then follows.
    pub fn read(path: &Path) -> Result<Self, OidcError> {
        ConfigFile::read(path)?.parse()
    }
}

/// The issuers whose tokens are taken.
#[derive(Default)]
pub struct Oidc(Vec<Provider>);

struct Provider {
    jwt: Jwt,
    keys: Keys,
    mapper: Mapper,
    /// The groups, where another server has them.
    groups: Option<Distributed>,
}

impl Oidc {
    pub fn new(config: &AuthenticationConfig) -> Result<Self, OidcError> {
        let provider = |jwt: &Jwt| {
            let issuer = || jwt.issuer.url.clone();
            let mapper = Mapper::new(jwt).map_err(|why| OidcError::Client { issuer: issuer(), why })?;
            let claim = &jwt.claim_mappings.groups.claim;
            let groups = (!claim.is_empty()).then(|| Distributed::new(claim, &jwt.issuer)).transpose()?;
            Ok(Provider { jwt: jwt.clone(), keys: Keys::new(jwt.issuer.clone())?, mapper, groups })
        };
        config.jwt.iter().map(provider).collect::<Result<_, OidcError>>().map(Oidc)
    }

    /// Asks every issuer for its keys.
    async fn fetch_keys(&self) -> Result<(), OidcError> {
        futures::future::try_join_all(self.0.iter().map(|provider| provider.keys.renew())).await.map(drop)
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
        let mut claims = claims(token, &self.keys, &self.jwt.issuer).await?;
        if let Some(groups) = &self.groups {
            groups.expand(&mut claims).await?;
        }
        let identity = self.mapper.identity(&claims)?;
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
}

/// What a token says, once its signature, issuer, audience and time hold.
async fn claims(token: &str, keys: &Keys, issuer: &Issuer) -> Result<Value, OidcError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| OidcError::Malformed)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(OidcError::Malformed);
    }
    let jwk = keys.find(header.kid.as_deref()).await?;
    let key = DecodingKey::from_jwk(&jwk).map_err(OidcError::Token)?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[&issuer.url]);
    validation.set_audience(&issuer.audiences);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_nbf = true;
    Ok(jsonwebtoken::decode::<Value>(token, &key, &validation).map_err(OidcError::Token)?.claims)
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
