//! Signs the certificate requests of Kubernetes' own signers, once they are approved, with the
//! cluster's authority; and takes away requests that are over (`pkg/controller/certificates`).

mod der;
mod policy;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use orch_client::{Resource, Target, WriteOptions};
use orch_object::{Status, pem};
use serde_json::{Value, json};
use tokio::time::Instant;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::follow::Follower;
use crate::pki::Pki;
use crate::verbs::{Api, Modification, Part, time};
use crate::{definitions, key};

const REQUESTS: Resource = Resource::new("certificates.k8s.io", "v1", "certificatesigningrequests");
/// Upstream's `--cluster-signing-duration`.
const LONGEST: SignedDuration = SignedDuration::from_hours(365 * 24);
/// Clocks of other machines may be behind.
const BACKDATED: SignedDuration = SignedDuration::from_mins(5);
const CLEANING: Duration = Duration::from_secs(600);

/// Does not return.
pub async fn follow(api: Arc<Api>, pki: Pki) {
    let mut cleaned = Instant::now();
    let prefix = key::prefix(&REQUESTS.group, &REQUESTS.plural, None);
    let mut follower = Follower::new(api.cache(), std::slice::from_ref(&prefix));
    loop {
        if cleaned.elapsed() >= CLEANING {
            upkeep::clean(&api).await;
            cleaned = Instant::now();
        }
        sign_all(&api, &pki).await;
        follower.changed(Some(CLEANING.saturating_sub(cleaned.elapsed()))).await;
    }
}

async fn sign_all(api: &Api, pki: &Pki) {
    for object in api.cache().list(&key::prefix(&REQUESTS.group, &REQUESTS.plural, None)).items {
        let request = object.value();
        if !waits(&request) {
            continue;
        }
        let answer = answer(&request, pki, api.clock.now());
        if let Err(error) = write(api, &request, answer).await {
            let name = request["metadata"]["name"].as_str().unwrap_or_default();
            tracing::warn!(name, %error, "cannot answer a certificate request");
        }
    }
}

fn has(request: &Value, condition: &str) -> bool {
    let conditions = request["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == condition)
}

/// Approved, of a signer of ours, and without an answer.
fn waits(request: &Value) -> bool {
    policy::SIGNERS.contains(&request["spec"]["signerName"].as_str().unwrap_or_default())
        && has(request, "Approved")
        && !has(request, "Denied")
        && !has(request, "Failed")
        && request["status"]["certificate"].as_str().is_none_or(str::is_empty)
}

/// The certificate, PEM; or why the signer does not sign.
fn answer(request: &Value, pki: &Pki, now: Timestamp) -> Result<String, String> {
    let spec = &request["spec"];
    let text =
        STANDARD.decode(spec["request"].as_str().unwrap_or_default()).map_err(|error| error.to_string())?;
    let block =
        pem::blocks(&String::from_utf8_lossy(&text)).into_iter().next().ok_or("the request is no PEM")?;
    let parsed = X509CertificationRequest::from_der(&block.bytes).map_err(|error| error.to_string())?.1;
    parsed.verify_signature().map_err(|error| error.to_string())?;
    let usages: Vec<String> = spec["usages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|u| u.as_str().map(String::from))
        .collect();
    policy::check(spec["signerName"].as_str().unwrap_or_default(), &parsed, &usages)?;
    let wanted = spec["expirationSeconds"].as_i64().map(SignedDuration::from_secs);
    let life = wanted.map_or(LONGEST, |wanted| wanted.min(LONGEST));
    let terms =
        der::Terms { usages: &usages, not_before: now - BACKDATED, not_after: now - BACKDATED + life };
    pki.sign(&parsed, terms).map_err(|error| error.to_string())
}

async fn write(api: &Api, request: &Value, answer: Result<String, String>) -> Result<(), Status> {
    let kind = api.kind(&REQUESTS).await?;
    let name = request["metadata"]["name"].as_str().unwrap_or_default();
    let uid = &request["metadata"]["uid"];
    let target = Target::cluster(&REQUESTS, name).subresource("status");
    let options = WriteOptions { field_manager: "kube-controller-manager".into(), ..WriteOptions::default() };
    let now = time(api.clock.now());
    let change = |old: &Arc<Value>| {
        let mut new = (**old).clone();
        if old["metadata"]["uid"] != *uid || !waits(old) {
            return Ok(new);
        }
        match &answer {
            Ok(certificate) => new["status"]["certificate"] = STANDARD.encode(certificate).into(),
            Err(why) => {
                let condition = json!({ "type": "Failed", "status": "True", "reason": "SignerValidationFailure",
                    "message": why, "lastUpdateTime": now });
                let conditions = old["status"]["conditions"].as_array().cloned().unwrap_or_default();
                new["status"]["conditions"] = conditions.into_iter().chain([condition]).collect();
            }
        }
        Ok(new)
    };
    let modification =
        Modification { part: Part::Status, options: &options, change: &change, keeps_managed_fields: false };
    match api.modify(&definitions::call(), &kind, &target, &modification).await {
        Ok(_) => Ok(()),
        Err(status) if status.is_not_found() => Ok(()),
        Err(status) => Err(status),
    }
}

#[cfg(test)]
mod tests;

pub use der::{Terms, sign};
