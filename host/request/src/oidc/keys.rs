//! An issuer's keys: found through its discovery document, fetched again when a token names a new one.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::OidcError;
use super::config::Issuer;

const PATIENCE: Duration = Duration::from_secs(10);
/// Fetches that unknown key ids may cause at once, and how soon there is another.
const BURST: u32 = 5;
const REFILL: Duration = Duration::from_secs(10);
/// Bytes of a document.
const LARGEST: usize = 1 << 20;

pub struct Keys {
    issuer: Issuer,
    http: reqwest::Client,
    current: ArcSwapOption<JwkSet>,
    allowance: Mutex<Allowance>,
}

struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    fn take(&mut self) -> bool {
        let refilled = (self.since.elapsed().as_secs() / REFILL.as_secs()) as u32;
        if refilled > 0 {
            self.left = (self.left + refilled).min(BURST);
            self.since = Instant::now();
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

impl Keys {
    pub fn new(issuer: Issuer) -> Result<Self, OidcError> {
        let http = http(&issuer)?;
        let allowance = Mutex::new(Allowance { left: BURST, since: Instant::now() });
        Ok(Keys { issuer, http, current: ArcSwapOption::empty(), allowance })
    }

    /// The key of this id; without an id, the only one there is.
    pub async fn find(&self, id: Option<&str>) -> Result<Jwk, OidcError> {
        if let Some(key) = self.known(id) {
            return Ok(key);
        }
        // One fetch at a time: whoever waited finds what the other got.
        let mut allowance = self.allowance.lock().await;
        if let Some(key) = self.known(id) {
            return Ok(key);
        }
        let unknown =
            || OidcError::UnknownKey { issuer: self.issuer.url.clone(), id: id.unwrap_or_default().into() };
        if !allowance.take() {
            return Err(unknown());
        }
        self.renew().await?;
        self.known(id).ok_or_else(unknown)
    }

    /// Asks the issuer, whatever is known.
    pub async fn renew(&self) -> Result<(), OidcError> {
        self.current.store(Some(Arc::new(self.fetch().await?)));
        Ok(())
    }

    fn known(&self, id: Option<&str>) -> Option<Jwk> {
        let keys = self.current.load();
        let keys = keys.as_ref()?;
        match id {
            Some(id) => keys.find(id).cloned(),
            None => keys.keys.first().filter(|_| keys.keys.len() == 1).cloned(),
        }
    }

    async fn fetch(&self) -> Result<JwkSet, OidcError> {
        let discovery = match self.issuer.discovery_url.as_str() {
            "" => format!("{}/.well-known/openid-configuration", self.issuer.url.trim_end_matches('/')),
            url => url.to_string(),
        };
        let document = self.get(&discovery).await?;
        let failed = |why: String| OidcError::Fetch { url: discovery.clone(), why };
        if document["issuer"] != self.issuer.url.as_str() {
            return Err(failed(format!("it is the document of {}", document["issuer"])));
        }
        let url = document["jwks_uri"].as_str().filter(|url| url.starts_with("https://"));
        let url = url.ok_or_else(|| failed("it names no https jwks_uri".into()))?;
        let keys = self.get(url).await?;
        serde_json::from_value(keys)
            .map_err(|error| OidcError::Fetch { url: url.into(), why: error.to_string() })
    }

    async fn get(&self, url: &str) -> Result<Value, OidcError> {
        let body = answer(url, self.http.get(url)).await?;
        serde_json::from_slice(&body)
            .map_err(|error| OidcError::Fetch { url: url.into(), why: error.to_string() })
    }
}

/// What asks an issuer and those it names.
pub fn http(issuer: &Issuer) -> Result<reqwest::Client, OidcError> {
    let failed = |what: &str| OidcError::Client { issuer: issuer.url.clone(), why: what.to_string() };
    let mut builder =
        reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
    if !issuer.certificate_authority.is_empty() {
        let pem = issuer.certificate_authority.as_bytes();
        let authorities =
            reqwest::Certificate::from_pem_bundle(pem).map_err(|error| failed(&error.to_string()))?;
        builder = builder.tls_certs_only(authorities);
    }
    builder.build().map_err(|error| failed(&error.to_string()))
}

/// The body of an answer that succeeds and is not too large.
pub async fn answer(url: &str, request: reqwest::RequestBuilder) -> Result<Vec<u8>, OidcError> {
    let failed = |why: String| OidcError::Fetch { url: url.into(), why };
    let mut response = request.send().await.map_err(|error| failed(causes(&error)))?;
    if !response.status().is_success() {
        return Err(failed(format!("it answers {}", response.status())));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(causes(&error)))? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST {
            return Err(failed(format!("it is larger than {LARGEST} bytes")));
        }
    }
    Ok(body)
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn fetches_are_allowed_in_bursts() {
        let mut allowance = Allowance { left: BURST, since: Instant::now() };
        assert_eq!((0..10).filter(|_| allowance.take()).count(), BURST as usize);
        tokio::time::advance(REFILL).await;
        assert!(allowance.take() && !allowance.take());
    }
}
