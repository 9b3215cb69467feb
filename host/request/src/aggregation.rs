//! Extension API servers: group versions that an APIService gives to a server behind this one
//! (`kube-aggregator`).
//!
//! ```text
//! APIService ─► available? ─► discovery, OpenAPI ─┐
//!      │                                          ├─► one API
//!      └─► requests, handed on under the user's name ─┘
//! ```

mod available;
mod discovered;
mod headers;
mod local;
mod onward;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use orch_client::{Elsewhere, Identity};
use orch_object::Status;
use orch_object::client_config::bundle;
use orch_watch::Cache;
use serde_json::Value;

use crate::definitions::KindTable;
use crate::encode::full;
use crate::key;
use crate::outbound::{ClientCertificate, Manner, Outbound, Trust, service_host};
use crate::pki::Pair;
use crate::proxy::{Destination, forward};

pub use available::follow;
pub use discovered::{Discovered, RemoteVersion};
pub use local::{keep, priorities};
pub use onward::{Onward, delete_body, listed};

pub const GROUP: &str = "apiregistration.k8s.io";
pub const PLURAL: &str = "apiservices";
/// How long an extension server may take over discovery.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest document an extension server may describe itself in.
const MOST_BYTES: usize = 32 << 20;

/// The way to extension servers.
pub struct Aggregator {
    cache: Cache,
    /// What this server serves itself.
    kinds: Arc<KindTable>,
    outbound: Outbound,
    /// What this server shows of itself: extension servers believe the names it gives.
    certificate: Arc<ClientCertificate>,
    discovered: ArcSwap<Discovered>,
}

/// A group version that another server serves.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Of the APIService: `v1.example.com`.
    pub name: String,
    pub group: String,
    pub version: String,
    pub namespace: String,
    pub service: String,
    pub port: u16,
    trust: Trust,
    /// By its last check.
    pub available: bool,
}

impl Remote {
    /// `None`: it is served here.
    fn of(object: &Value) -> Option<Remote> {
        let spec = &object["spec"];
        let place = spec["service"].as_object()?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let part = |field: &str| place.get(field).map(text).unwrap_or_default();
        Some(Remote {
            name: text(&object["metadata"]["name"]),
            group: text(&spec["group"]),
            version: text(&spec["version"]),
            namespace: part("namespace"),
            service: part("name"),
            port: place.get("port").and_then(Value::as_u64).and_then(|p| p.try_into().ok()).unwrap_or(443),
            trust: match spec["insecureSkipTLSVerify"] == true {
                true => Trust::Anybody,
                false => Trust::of_bundle(&bundle(&spec["caBundle"])),
            },
            available: condition(object).is_some_and(|condition| condition["status"] == "True"),
        })
    }
}

/// The `Available` condition.
fn condition(object: &Value) -> Option<&Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == "Available")
}

impl Aggregator {
    /// `certificate` is the front proxy's.
    pub fn new(cache: Cache, kinds: Arc<KindTable>, outbound: Outbound, certificate: Pair) -> Self {
        let Pair { certificate, key } = certificate;
        let certificate = Arc::new(ClientCertificate { certificate, key });
        Aggregator { cache, kinds, outbound, certificate, discovered: ArcSwap::default() }
    }

    /// Who serves a group version, if it is not this server. Its own groups nobody takes from it.
    pub fn remote(&self, group: &str, version: &str) -> Option<Remote> {
        if self.kinds.is_builtin_group(group) {
            return None;
        }
        let object = self.cache.get(&key::object(GROUP, PLURAL, "", &format!("{version}.{group}")))?;
        Remote::of(&object.value())
    }

    pub fn remotes(&self) -> Vec<Remote> {
        let all = self.cache.list(&key::prefix(GROUP, PLURAL, None)).items;
        all.iter().filter_map(|object| Remote::of(&object.value())).collect()
    }

    /// What extension servers serve, and which of them do not say.
    pub fn elsewhere(&self) -> Elsewhere {
        let discovered = self.discovered();
        let is_known = |remote: &Remote| discovered.answers(remote);
        let unknown = self
            .remotes()
            .into_iter()
            .filter(|remote| !is_known(remote) && !self.kinds.is_builtin_group(&remote.group));
        let unknown = unknown.map(|remote| format!("{}/{}", remote.group, remote.version)).collect();
        Elsewhere { kinds: discovered.kinds().clone(), unknown }
    }

    /// What extension servers say of themselves.
    pub fn discovered(&self) -> Arc<Discovered> {
        self.discovered.load_full()
    }

    /// Hands a request on, in the name of who asked.
    pub async fn proxy(&self, remote: &Remote, identity: &Identity, mut request: Request) -> Response {
        let to = match self.outbound.resolve(&remote.namespace, &remote.service, remote.port) {
            Ok(to) if remote.available => to,
            Ok(_) => return unavailable(),
            Err(error) => {
                tracing::warn!(service = %remote.name, %error, "an extension server cannot be found");
                return unavailable();
            }
        };
        headers::speak_for(identity, request.headers_mut());
        let path = request.uri().path_and_query().cloned();
        let destination = Destination {
            manner: self.manner(remote),
            scheme: Scheme::HTTPS,
            host: HeaderValue::from_str(to.as_str()).ok(),
            address: to,
            path: path.unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")),
            links: None,
        };
        match forward(&self.outbound, destination, request).await {
            Ok(answer)
                if answer.status().is_redirection() && answer.headers().contains_key(header::LOCATION) =>
            {
                let refused = "the backend attempted to redirect this request, which is not permitted";
                full(502, "text/plain; charset=utf-8", refused)
            }
            Ok(answer) => answer,
            Err(Status { message, .. }) => full(503, "text/plain; charset=utf-8", format!("{message}\n")),
        }
    }

    fn manner(&self, remote: &Remote) -> Manner {
        Manner {
            trust: remote.trust.clone(),
            server_name: Some(service_host(&remote.namespace, &remote.service)),
            certificate: Some(self.certificate.clone()),
        }
    }

    /// Asks an extension server on this server's own behalf.
    async fn get(
        &self,
        remote: &Remote,
        path: &str,
        accept: &'static str,
    ) -> Result<(StatusCode, Bytes), String> {
        let to = self.outbound.resolve(&remote.namespace, &remote.service, remote.port);
        let to = to.map_err(|error| error.to_string())?;
        let url = format!("https://{to}{path}");
        let failed = |why: String| format!("failing or missing response from {url}: Get {url:?}: {why}");
        let mut request = http::Request::get(path)
            .header(header::ACCEPT, accept)
            .header(header::HOST, to.as_str())
            .body(Body::empty())
            .map_err(|error| failed(error.to_string()))?;
        let identity = Identity::new("system:kube-aggregator", &["system:masters"]);
        headers::speak_for(&identity, request.headers_mut());
        let exchange = async {
            let sent = self.outbound.send(&self.manner(remote), Scheme::HTTPS, to.clone(), request).await;
            let answer = sent.map_err(|error| error.to_string())?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
            Ok::<_, String>((status, body.map_err(|error| error.to_string())?.to_bytes()))
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(Ok((status, body))) if status.is_success() => Ok((status, body)),
            Ok(Ok((status, _))) => Err(format!(
                "failing or missing response from {url}: bad status from {url}: {}",
                status.as_u16()
            )),
            Ok(Err(why)) => Err(failed(why)),
            Err(_) => Err(failed("context deadline exceeded".into())),
        }
    }
}

fn unavailable() -> Response {
    full(503, "text/plain; charset=utf-8", "service unavailable\n")
}
