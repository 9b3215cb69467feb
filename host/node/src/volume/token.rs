//! Service account tokens in projected volumes, bound to the pod and renewed before they expire.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use orch_client::{Resource, Target, WriteOptions};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;

use super::{Mounted, Projection};
use crate::agent::Agent;
use crate::pod::spec::Pod;

/// Upstream renews after 24 hours even when the token lives longer.
const MAXIMUM_AGE: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone)]
struct Token {
    text: String,
    renew_at: Instant,
}

/// Tokens by pod uid, audience and lifetime: a changed ConfigMap does not cost a new token.
#[derive(Debug, Default)]
pub struct TokenCache(Mutex<HashMap<(String, String, i64), Token>>);

impl TokenCache {
    pub fn forget(&self, uid: &str) {
        self.0.lock().retain(|(owner, _, _), _| owner != uid);
    }

    fn fresh(&self, key: &(String, String, i64)) -> Option<Token> {
        self.0.lock().get(key).filter(|token| token.renew_at > Instant::now()).cloned()
    }
}

/// The tokens of these projections by file path.
pub async fn request_all(
    agent: &Agent,
    pod: &Pod,
    projections: &[Projection],
    mounted: &mut Mounted,
) -> Result<BTreeMap<String, String>, String> {
    let mut out = BTreeMap::new();
    for projection in projections {
        let Projection::Token { path, audience, expiration_seconds } = projection else { continue };
        let key = (pod.metadata.uid.clone(), audience.clone(), *expiration_seconds);
        let token = match agent.tokens.fresh(&key) {
            Some(token) => token,
            None => {
                let token = request(agent, pod, audience, *expiration_seconds).await?;
                agent.tokens.0.lock().insert(key, token.clone());
                token
            }
        };
        mounted.refresh_by(token.renew_at);
        out.insert(path.clone(), token.text);
    }
    Ok(out)
}

async fn request(agent: &Agent, pod: &Pod, audience: &str, seconds: i64) -> Result<Token, String> {
    let account = match pod.spec.service_account_name.as_str() {
        "" => "default",
        name => name,
    };
    let target = Target::named(&Resource::core("serviceaccounts"), &pod.metadata.namespace, account)
        .subresource("token");
    let audiences: Vec<&str> = if audience.is_empty() { vec![] } else { vec![audience] };
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "metadata": { "name": account, "namespace": pod.metadata.namespace },
        "spec": {
            "audiences": audiences,
            "expirationSeconds": seconds,
            "boundObjectRef": {
                "apiVersion": "v1", "kind": "Pod", "name": pod.metadata.name, "uid": pod.metadata.uid,
            },
        },
    });
    let answer = agent
        .client
        .create(&target, body, &WriteOptions::default())
        .await
        .map_err(|status| format!("failed to fetch token: {}", status.message))?;
    let text = answer["status"]["token"].as_str().ok_or("failed to fetch token: the answer has none")?;
    let expires = answer["status"]["expirationTimestamp"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
    let left = expires
        .map(|at| at.duration_since(Timestamp::now()).unsigned_abs())
        .unwrap_or(Duration::from_secs(seconds.unsigned_abs()));
    let renew_at = Instant::now() + (left * 4 / 5).min(MAXIMUM_AGE);
    Ok(Token { text: text.to_string(), renew_at })
}
