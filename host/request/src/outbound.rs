//! Calls to servers outside: webhooks, extension servers, what `proxy` reaches.
//!
//! ```text
//! Peer ─► resolve (Service → ready endpoint) ─► pooled client of its trust and name ─► answer
//! ```

mod post;
mod resolve;
mod trust;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use orch_watch::Cache;
use parking_lot::Mutex;
use rustls_pki_types::ServerName;

pub(crate) use post::refusal;
pub use resolve::{Unresolved, authority, endpoint, slices_of};
pub use trust::{ClientCertificate, Trust};

/// Clients kept, each with its idle connections (upstream's `defaultCacheSize`).
const CLIENTS: usize = 200;
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(90);
/// Establishing a connection.
const CONNECT: Duration = Duration::from_secs(30);

type Pooled = Client<HttpsConnector<HttpConnector>, Body>;

/// The host's way out. Cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    cache: Cache,
    clients: Arc<Mutex<Clients>>,
}

#[derive(Default)]
struct Clients {
    known: HashMap<Manner, (Pooled, u64)>,
    /// Counts uses: the client used longest ago makes room.
    uses: u64,
}

/// How one talks to a peer; equal manners share a client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Manner {
    pub trust: Trust,
    /// The name its certificate must carry; `None`: the host of the URL.
    pub server_name: Option<String>,
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// Why there is no answer, in the words Go's clients use.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    #[error("{0}")]
    Trust(String),
    #[error("{0}")]
    NotSent(String),
}

impl Outbound {
    pub fn new(cache: Cache) -> Self {
        Outbound { cache, clients: Arc::default() }
    }

    /// A ready endpoint of a Service's port.
    pub fn resolve(&self, namespace: &str, name: &str, port: u16) -> Result<Authority, Unresolved> {
        resolve::service(&self.cache, namespace, name, port)
    }

    /// Sends a request to an address. What the `Host` header says is left as it is.
    pub async fn send(
        &self,
        manner: &Manner,
        scheme: Scheme,
        to: Authority,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, OutboundError> {
        let client = self.client(manner)?;
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        (parts.scheme, parts.authority) = (Some(scheme), Some(to.clone()));
        parts.path_and_query.get_or_insert(http::uri::PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from_parts(parts).map_err(|e| OutboundError::NotSent(e.to_string()))?;
        *request.version_mut() = http::Version::HTTP_11;
        client.request(request).await.map_err(|error| OutboundError::NotSent(in_words(&error, &to)))
    }

    fn client(&self, manner: &Manner) -> Result<Pooled, OutboundError> {
        let mut clients = self.clients.lock();
        clients.uses += 1;
        let now = clients.uses;
        if let Some((client, used)) = clients.known.get_mut(manner) {
            *used = now;
            return Ok(client.clone());
        }
        let client = client(manner)?;
        if clients.known.len() >= CLIENTS {
            let oldest = clients.known.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(manner, _)| manner.clone()) {
                clients.known.remove(&oldest);
            }
        }
        clients.known.insert(manner.clone(), (client.clone(), now));
        Ok(client)
    }
}

fn client(manner: &Manner) -> Result<Pooled, OutboundError> {
    let tls = trust::tls(&manner.trust, manner.certificate.as_deref()).map_err(OutboundError::Trust)?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let connector = match &manner.server_name {
        None => builder.enable_http1().wrap_connector(tcp),
        Some(name) => {
            let name = ServerName::try_from(name.clone()).map_err(|e| OutboundError::Trust(e.to_string()))?;
            let resolver = FixedServerNameResolver::new(name);
            builder.with_server_name_resolver(resolver).enable_http1().wrap_connector(tcp)
        }
    };
    let mut pooled = Client::builder(TokioExecutor::new());
    pooled.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).set_host(true);
    Ok(pooled.build(connector))
}

/// `dial tcp 10.0.0.1:443: connect: connection refused`
fn in_words(error: &Error, to: &Authority) -> String {
    let innermost = innermost(error);
    let why = match innermost.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(std::io::ErrorKind::TimedOut) => "i/o timeout".to_owned(),
        Some(std::io::ErrorKind::NetworkUnreachable) => "network is unreachable".to_owned(),
        Some(std::io::ErrorKind::HostUnreachable) => "no route to host".to_owned(),
        Some(std::io::ErrorKind::UnexpectedEof) => return "EOF".into(),
        _ => return trust::in_words(innermost),
    };
    match error.is_connect() {
        true => format!("dial tcp {to}: connect: {why}"),
        false => format!("read tcp {to}: {why}"),
    }
}

/// The cause of all; an I/O error hides the one it was made of.
fn innermost<'e>(error: &'e (dyn std::error::Error + 'static)) -> &'e (dyn std::error::Error + 'static) {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match wrapped.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| error.source()) {
        Some(inner) => innermost(inner),
        None => error,
    }
}

/// The name of a Service as its certificate carries it.
pub fn service_host(namespace: &str, name: &str) -> String {
    format!("{name}.{namespace}.svc")
}

/// The value of a `Host` header, where it can be one.
pub fn host_header(host: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(host).ok()
}
