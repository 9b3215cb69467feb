//! Who asks: a client certificate, a service account's token, or nobody.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;
use orch_client::Identity;
use orch_object::Status;
use rustls_pki_types::CertificateDer;
use serde_json::{Map, Value, json};

use crate::oidc::{Anonymous, Oidc};
use crate::tokens::{Tokens, Verified};

/// Turns what a connection and its headers show into an identity.
pub struct Authenticator {
    tokens: Arc<Tokens>,
    oidc: ArcSwap<Oidc>,
    anonymous: Anonymous,
}

impl Authenticator {
    pub fn new(tokens: Arc<Tokens>, oidc: Oidc, anonymous: Anonymous) -> Self {
        Authenticator { tokens, oidc: ArcSwap::from_pointee(oidc), anonymous }
    }

    /// From now on these issuers' tokens are taken, and no others'.
    pub fn trust(&self, oidc: Oidc) {
        self.oidc.store(Arc::new(oidc));
    }

    /// A certificate (verified by TLS already) counts before a token; neither: anonymous.
    pub async fn authenticate(
        &self,
        certificate: Option<&Identity>,
        headers: &HeaderMap,
        path: &str,
    ) -> Result<Identity, Status> {
        if let Some(identity) = certificate {
            return Ok(identity.clone());
        }
        match bearer(headers) {
            Some(token) => self.verify(token, &[]).await.map(|verified| verified.identity).map_err(|error| {
                tracing::debug!(error, "refused a bearer token");
                unauthorized()
            }),
            None if headers.contains_key(http::header::AUTHORIZATION) => Err(unauthorized()),
            None if self.anonymous.allows(path) => Ok(anonymous()),
            None => Err(unauthorized()),
        }
    }

    /// Whose token it is, and which of the audiences (none: the API's own) it is for; or why it counts
    /// for nothing.
    pub async fn verify(&self, token: &str, audiences: &[String]) -> Result<Verified, String> {
        match self.oidc.load_full().verify(token, audiences).await {
            Some(verified) => verified.map_err(|error| error.to_string()),
            None => self.tokens.verify(token, audiences).map_err(|error| error.to_string()),
        }
    }
}

pub fn anonymous() -> Identity {
    Identity::new("system:anonymous", &["system:unauthenticated"])
}

pub fn unauthorized() -> Status {
    Status::new(401, "Unauthorized", "Unauthorized")
}

/// The token of `Authorization: Bearer`, or of the WebSocket sub-protocol browsers must use.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|t| !t.is_empty())
}

/// The identity in a client certificate: CN is the user, each O a group.
pub fn certificate_identity(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_string();
    let mut groups: Vec<String> =
        subject.iter_organization().filter_map(|o| o.as_str().ok()).map(String::from).collect();
    groups.push("system:authenticated".into());
    Some(Identity { name, groups, ..Default::default() })
}

/// `userInfo`, as reviews show an identity.
pub fn user_info(identity: &Identity) -> Value {
    let mut info = json!({ "username": identity.name, "groups": identity.groups });
    if !identity.uid.is_empty() {
        info["uid"] = identity.uid.clone().into();
    }
    if !identity.extra.is_empty() {
        let extra: Map<String, Value> = identity.extra.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        info["extra"] = extra.into();
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_names_user_and_groups() {
        let dir = tempfile::tempdir().unwrap();
        let pki = crate::pki::Pki::open(dir.path()).unwrap();
        let pair = pki.client("admin", "orch-admin", &["system:masters"]).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes()).unwrap();
        let identity = certificate_identity(&CertificateDer::from(pem.contents)).unwrap();
        assert_eq!(identity.name, "orch-admin");
        assert_eq!(identity.groups, ["system:masters", "system:authenticated"]);
    }

    #[test]
    fn only_bearer_tokens_are_read() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer abc".parse().unwrap());
        assert_eq!(bearer(&headers), Some("abc"));
        headers.insert("authorization", "Basic abc".parse().unwrap());
        assert_eq!(bearer(&headers), None);
    }
}
