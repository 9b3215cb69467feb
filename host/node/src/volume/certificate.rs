//! Certificates of pods in projected volumes: a key made on the node, a PodCertificateRequest, and the
//! chain that its signer answers with; renewed when the signer says so.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use jiff::Timestamp;
use orch_client::{ListOptions, Resource, Target, WatchEvent, WriteOptions};
use orch_object::pem;
use parking_lot::Mutex;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Mounted, Projection};
use crate::agent::Agent;
use crate::pod::spec::Pod;

const REQUESTS: Resource = Resource::new("certificates.k8s.io", "v1", "podcertificaterequests");
/// How long a volume waits for its signer before the pod is told; the request stays.
const PATIENCE: Duration = Duration::from_secs(20);
/// A refresh that failed is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// What a projection asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub signer: String,
    pub key_type: String,
    pub seconds: Option<i64>,
    pub annotations: Value,
    /// Key and chain in one file; empty: no such file. Likewise the others.
    pub bundle_path: String,
    pub key_path: String,
    pub chain_path: String,
}

/// Pod uid, volume, place among its sources.
type Key = (String, String, usize);

#[derive(Debug, Clone)]
struct Credential {
    key: String,
    chain: String,
    refresh_at: Instant,
    expires_at: Instant,
}

#[derive(Debug, Clone)]
struct Pending {
    request: String,
    key: String,
}

#[derive(Debug, Clone, Default)]
struct State {
    credential: Option<Credential>,
    pending: Option<Pending>,
    /// A signer refused: there is no second request.
    refused: Option<String>,
}

/// Credentials by projection; private keys are in memory and in the pod's volume only.
#[derive(Default)]
pub struct CredentialCache(Mutex<HashMap<Key, State>>);

impl CredentialCache {
    pub fn forget(&self, uid: &str) {
        self.0.lock().retain(|(owner, _, _), _| owner != uid);
    }

    fn state(&self, key: &Key) -> State {
        self.0.lock().get(key).cloned().unwrap_or_default()
    }

    fn change(&self, key: &Key, change: impl FnOnce(&mut State)) {
        change(self.0.lock().entry(key.clone()).or_default());
    }
}

/// The files of these projections by path.
pub async fn request_all(
    agent: &Agent,
    pod: &Pod,
    volume: &str,
    projections: &[Projection],
    mounted: &mut Mounted,
) -> Result<BTreeMap<String, String>, String> {
    let mut out = BTreeMap::new();
    for (index, projection) in projections.iter().enumerate() {
        let Projection::Certificate(wanted) = projection else { continue };
        let key = (pod.metadata.uid.clone(), volume.to_string(), index);
        let credential = credential(agent, pod, wanted, &key).await?;
        mounted.refresh_by(credential.refresh_at.max(Instant::now() + AGAIN));
        let Credential { key, chain, .. } = credential;
        let files = [
            (&wanted.bundle_path, format!("{key}{chain}")),
            (&wanted.key_path, key.clone()),
            (&wanted.chain_path, chain.clone()),
        ];
        out.extend(
            files.into_iter().filter(|(path, _)| !path.is_empty()).map(|(path, file)| (path.clone(), file)),
        );
    }
    Ok(out)
}

/// The one that is good, or a new one; an old one lasts until it expires.
async fn credential(agent: &Agent, pod: &Pod, wanted: &Wanted, key: &Key) -> Result<Credential, String> {
    let state = agent.credentials.state(key);
    if let Some(why) = state.refused {
        return Err(why);
    }
    let old = state.credential.filter(|credential| credential.expires_at > Instant::now());
    if let Some(good) = old.clone().filter(|credential| credential.refresh_at > Instant::now()) {
        return Ok(good);
    }
    match (renew(agent, pod, wanted, key, state.pending).await, old) {
        (Ok(new), _) => Ok(new),
        (Err(error), Some(old)) => {
            tracing::warn!(pod = %pod.metadata.name, error, "a pod's certificate is not renewed yet");
            Ok(old)
        }
        (Err(error), None) => Err(error),
    }
}

async fn renew(
    agent: &Agent,
    pod: &Pod,
    wanted: &Wanted,
    key: &Key,
    pending: Option<Pending>,
) -> Result<Credential, String> {
    let pending = match pending {
        Some(pending) => pending,
        None => {
            let pending = request(agent, pod, wanted).await?;
            agent.credentials.change(key, |state| state.pending = Some(pending.clone()));
            pending
        }
    };
    let target = Target::named(&REQUESTS, &pod.metadata.namespace, &pending.request);
    let answered = tokio::time::timeout(PATIENCE, answer(agent, &target)).await;
    let answered =
        answered.map_err(|_| format!("PodCertificateRequest {:?} is not answered yet", pending.request))?;
    match answered {
        Err(gone) => {
            agent.credentials.change(key, |state| state.pending = None);
            Err(gone)
        }
        Ok(Answer::Refused(why)) => {
            agent.credentials.change(key, |state| {
                *state = State { refused: Some(why.clone()), ..State::default() };
            });
            Err(why)
        }
        Ok(Answer::Issued(status)) => {
            let credential = read(&status, pending.key);
            let kept = credential.clone();
            agent
                .credentials
                .change(key, |state| *state = State { credential: Some(kept), ..State::default() });
            Ok(credential)
        }
    }
}

enum Answer {
    Issued(Value),
    Refused(String),
}

/// Waits for the signer; the error says that the request is gone.
async fn answer(agent: &Agent, target: &Target) -> Result<Answer, String> {
    loop {
        let request = agent.client.get(target).await.map_err(|status| status.message)?;
        if let Some(answer) = answered(&request) {
            return Ok(answer);
        }
        let collection = Target { name: String::new(), ..target.clone() };
        let options = ListOptions {
            field_selector: format!("metadata.name={}", target.name),
            resource_version: request["metadata"]["resourceVersion"].as_str().map(String::from),
            ..ListOptions::default()
        };
        let mut changes = agent.client.watch(&collection, &options).await.map_err(|status| status.message)?;
        while let Some(Ok(event)) = changes.next().await {
            match event {
                WatchEvent::Added(request) | WatchEvent::Modified(request) => {
                    if let Some(answer) = answered(&request) {
                        return Ok(answer);
                    }
                }
                WatchEvent::Deleted(_) => break,
                WatchEvent::Bookmark(_) => {}
            }
        }
    }
}

fn answered(request: &Value) -> Option<Answer> {
    let status = &request["status"];
    status["conditions"].as_array()?.iter().find_map(|condition| match condition["type"].as_str()? {
        "Issued" => Some(Answer::Issued(status.clone())),
        refused @ ("Denied" | "Failed") => {
            let text = |field: &str| condition[field].as_str().unwrap_or_default().to_string();
            let (reason, message) = (text("reason"), text("message"));
            let name = request["metadata"]["name"].as_str().unwrap_or_default();
            let what = if refused == "Denied" { "was denied" } else { "failed" };
            Some(Answer::Refused(format!(
                "PodCertificateRequest {name} {what}, reason={reason:?}, message={message:?}"
            )))
        }
        _ => None,
    })
}

fn read(status: &Value, key: String) -> Credential {
    let left = |field: &str| {
        let at = status[field].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let seconds = at.map_or(0, |at| at.duration_since(Timestamp::now()).as_secs());
        Instant::now() + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    };
    let blocks = pem::blocks(status["certificateChain"].as_str().unwrap_or_default());
    let chain = blocks.iter().map(|block| pem::encode("CERTIFICATE", &block.bytes)).collect();
    Credential { key, chain, refresh_at: left("beginRefreshAt"), expires_at: left("notAfter") }
}

async fn request(agent: &Agent, pod: &Pod, wanted: &Wanted) -> Result<Pending, String> {
    let namespace = &pod.metadata.namespace;
    let account =
        if pod.spec.service_account_name.is_empty() { "default" } else { &pod.spec.service_account_name };
    let uid = async |target: Target| -> Result<String, String> {
        let object = agent.client.get(&target).await.map_err(|status| status.message)?;
        Ok(object["metadata"]["uid"].as_str().unwrap_or_default().to_string())
    };
    let node = &agent.config.node_name;
    let account_uid = uid(Target::named(&Resource::core("serviceaccounts"), namespace, account)).await?;
    let node_uid = uid(Target::cluster(&Resource::core("nodes"), node)).await?;
    let (key, stub) = make_key(wanted.key_type.clone()).await?;
    let mut body = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "PodCertificateRequest",
        "metadata": { "generateName": "req-", "namespace": namespace, "ownerReferences": [{
            "apiVersion": "v1", "kind": "Pod", "name": pod.metadata.name, "uid": pod.metadata.uid }] },
        "spec": {
            "signerName": wanted.signer, "podName": pod.metadata.name, "podUID": pod.metadata.uid,
            "serviceAccountName": account, "serviceAccountUID": account_uid,
            "nodeName": node, "nodeUID": node_uid, "stubPKCS10Request": STANDARD.encode(stub),
        },
    });
    if let Some(seconds) = wanted.seconds {
        body["spec"]["maxExpirationSeconds"] = seconds.into();
    }
    if wanted.annotations.is_object() {
        body["spec"]["unverifiedUserAnnotations"] = wanted.annotations.clone();
    }
    let made = agent
        .client
        .create(&Target::within(&REQUESTS, namespace), body, &WriteOptions::default())
        .await
        .map_err(|status| format!("while creating PodCertificateRequest: {}", status.message))?;
    let request = made["metadata"]["name"].as_str().unwrap_or_default().to_string();
    Ok(Pending { request, key })
}

/// A private key (PKCS#8 PEM) and an empty request that it signed (DER).
async fn make_key(key_type: String) -> Result<(String, Vec<u8>), String> {
    // RSA keys take seconds to find.
    let made = tokio::task::spawn_blocking(move || {
        let pair = generate(&key_type)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&pair).map_err(|error| error.to_string())?;
        Ok((pem::encode("PRIVATE KEY", pair.serialized_der()), request.der().to_vec()))
    });
    made.await.map_err(|error| error.to_string())?
}

fn generate(key_type: &str) -> Result<KeyPair, String> {
    let made = match key_type {
        "ECDSAP256" => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        "ECDSAP384" => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        "ED25519" => KeyPair::generate_for(&rcgen::PKCS_ED25519),
        "RSA3072" => return generate_rsa(3072),
        "RSA4096" => return generate_rsa(4096),
        other => return Err(format!("keys of type {other} are not supported by this node")),
    };
    made.map_err(|error| error.to_string())
}

fn generate_rsa(bits: usize) -> Result<KeyPair, String> {
    use rsa::pkcs8::{EncodePrivateKey, LineEnding};
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).map_err(|error| error.to_string())?;
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| error.to_string())?;
    KeyPair::from_pem(&pem).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_sign_an_empty_request() {
        for key_type in ["ECDSAP256", "ECDSAP384", "ED25519"] {
            let (key, stub) = make_key(key_type.into()).await.unwrap();
            assert!(key.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{key}");
            let read = rcgen::CertificateSigningRequestParams::from_der(&stub.as_slice().into()).unwrap();
            assert_eq!(read.params.distinguished_name.iter().count(), 0);
        }
        assert!(make_key("ECDSAP521".into()).await.unwrap_err().contains("ECDSAP521"));
    }

    #[test]
    fn signers_answers_are_told_apart() {
        let request = |kind: &str| json!({ "metadata": { "name": "r" }, "status": { "conditions": [{ "type": kind, "reason": "No", "message": "m" }] } });
        assert!(matches!(answered(&request("Issued")), Some(Answer::Issued(_))));
        let Some(Answer::Refused(why)) = answered(&request("Denied")) else { panic!() };
        assert_eq!(why, "PodCertificateRequest r was denied, reason=\"No\", message=\"m\"");
        assert!(answered(&request("Other")).is_none() && answered(&json!({})).is_none());
    }
}
