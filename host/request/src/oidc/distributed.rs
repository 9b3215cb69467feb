//! A claim that a token does not carry: it says which server has it, and that server answers with a token
//! of its own (OpenID Connect Core 1.0, section 5.6.2; as upstream, only for the groups).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use super::config::Issuer;
use super::keys::{self, Keys};
use super::{OidcError, claims, unverified_issuer};

const NAMES: &str = "_claim_names";
const SOURCES: &str = "_claim_sources";
/// Issuers of such answers whose keys are kept.
const MOST_ISSUERS: usize = 16;

/// The way to one claim.
pub struct Distributed {
    claim: String,
    /// Of the tokens that point elsewhere; the answers are for its audiences, too.
    issuer: Issuer,
    http: reqwest::Client,
    keys: Mutex<HashMap<String, Arc<Keys>>>,
}

impl Distributed {
    pub fn new(claim: &str, issuer: &Issuer) -> Result<Self, OidcError> {
        let http = keys::http(issuer)?;
        Ok(Distributed { claim: claim.into(), issuer: issuer.clone(), http, keys: Mutex::default() })
    }

    /// Puts the claim where it would have been, unless it is there, or said to be nowhere.
    pub async fn expand(&self, given: &mut Value) -> Result<(), OidcError> {
        if given.get(&self.claim).is_some() || given.get(NAMES).is_none() {
            return Ok(());
        }
        let sources = given[SOURCES].as_object().ok_or_else(|| self.failed("there are no claim sources"))?;
        let Some(name) = given[NAMES][&self.claim].as_str() else { return Ok(()) };
        let source = sources.get(name).ok_or_else(|| self.failed(&format!("there is no source {name:?}")))?;
        // A source without an address carries the claim in itself, which upstream does not take.
        let Some(url) = source["endpoint"].as_str().filter(|url| !url.is_empty()) else { return Ok(()) };
        let token = self.ask(url, source["access_token"].as_str().unwrap_or_default()).await?;
        given[&self.claim] = self.read(&token).await?;
        Ok(())
    }

    async fn ask(&self, url: &str, access_token: &str) -> Result<String, OidcError> {
        let mut request = self.http.get(url);
        if !access_token.is_empty() {
            request = request.bearer_auth(access_token);
        }
        let body = keys::answer(url, request).await?;
        String::from_utf8(body).map_err(|_| OidcError::Malformed)
    }

    async fn read(&self, token: &str) -> Result<Value, OidcError> {
        let token = token.trim();
        let url = unverified_issuer(token).ok_or(OidcError::Malformed)?;
        let issuer = Issuer { url, discovery_url: String::new(), ..self.issuer.clone() };
        let keys = self.keys_of(&issuer)?;
        let answered = claims(token, &keys, &issuer).await?;
        answered.get(&self.claim).cloned().ok_or_else(|| self.failed("the source does not say it either"))
    }

    fn keys_of(&self, issuer: &Issuer) -> Result<Arc<Keys>, OidcError> {
        let mut known = self.keys.lock();
        if let Some(keys) = known.get(&issuer.url) {
            return Ok(keys.clone());
        }
        if known.len() >= MOST_ISSUERS {
            return Err(self.failed("its sources name too many issuers"));
        }
        let keys = Arc::new(Keys::new(issuer.clone())?);
        known.insert(issuer.url.clone(), keys.clone());
        Ok(keys)
    }

    fn failed(&self, why: &str) -> OidcError {
        OidcError::Claim { claim: self.claim.clone(), why: format!("it is kept elsewhere, and {why}") }
    }
}
