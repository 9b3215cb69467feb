//! The wiring of the API server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use orch_admission::Chain;
use orch_client::node::Nodes;
use orch_client::plugin::{PluginLogs, Traces};
use orch_client::{Client, Identity};
use orch_object::Kinds;
use orch_store::{Store, StoreError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::aggregation;
use crate::allocate::{Allocator, ServiceCidr};
use crate::audit::{AuditConfig, AuditError};
use crate::authz::Rbac;
use crate::bootstrap::{self, Bootstrap};
use crate::definitions;
use crate::fairness;
use crate::foundation::Foundation;
use crate::local::LocalClient;
use crate::metrics::Metrics;
use crate::oidc::{self, AuthenticationConfig, OidcError};
use crate::outbound::Outbound;
use crate::pki::{Pki, PkiError, ServingNames};
use crate::routes::{DiscoveryOf, Health, OpenApiOf, Routes};
use crate::serve::{self, Tls, TlsError};
use crate::signer;
use crate::tokens::TokenError;
use crate::verbs::{Api, Components};
use crate::{policies, upkeep};

/// Where nodes are found; empty until the node agent is up.
pub type NodesSlot = Arc<ArcSwapOption<Box<dyn Nodes>>>;

/// Where plugins' lines are found; empty until plugins run.
pub type PluginLogsSlot = Arc<ArcSwapOption<Box<dyn PluginLogs>>>;

/// Where the scheduler's decisions are found; empty until it runs.
pub type TracesSlot = Arc<ArcSwapOption<Box<dyn Traces>>>;

/// What the server is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// The address clients elsewhere reach this host by; in the certificate, and behind `kubernetes.default`.
    pub advertise: IpAddr,
    /// `<data-dir>/pki`
    pub pki_dir: PathBuf,
    pub service_cidr: ServiceCidr,
    pub node_ports: RangeInclusive<u16>,
    /// `cluster.local`
    pub cluster_domain: String,
    /// More names and addresses for the certificate.
    pub names: Vec<String>,
    /// Whose tokens are taken beside service accounts', and who may come anonymously.
    pub authentication: AuthenticationConfig,
    /// `None`: no audit log.
    pub audit: Option<AuditConfig>,
}

impl Config {
    pub fn new(listen: SocketAddr, advertise: IpAddr, pki_dir: impl Into<PathBuf>) -> Self {
        Config {
            listen,
            advertise,
            pki_dir: pki_dir.into(),
            service_cidr: ServiceCidr { base: Ipv4Addr::new(10, 96, 0, 0), prefix: 16 },
            node_ports: 30000..=32767,
            cluster_domain: "cluster.local".into(),
            names: Vec::new(),
            authentication: AuthenticationConfig::default(),
            audit: None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Oidc(#[from] OidcError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error("cannot read the store: {0}")]
    Store(#[from] StoreError),
    #[error("cannot create the objects every cluster has: {0}")]
    Bootstrap(#[from] orch_object::Status),
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen { address: SocketAddr, source: std::io::Error },
}

/// The API, listening.
pub struct Server {
    api: Arc<Api>,
    pki: Pki,
    config: Config,
    nodes: NodesSlot,
    plugin_logs: PluginLogsSlot,
    traces: TracesSlot,
    admission: Arc<Chain>,
    health: Health,
    rbac: Rbac,
    allocator: Allocator,
    outbound: Outbound,
    tls: Tls,
    listener: TcpListener,
    address: SocketAddr,
    reloads: oidc::Reloads,
}

impl Server {
    /// Opens the PKI, loads the cache, creates what every cluster has, and listens.
    /// Clients are answered once [`Server::run`] runs.
    pub async fn new(config: Config, store: Arc<dyn Store>, kinds: Arc<Kinds>) -> Result<Self, ServerError> {
        let pki = Pki::open(&config.pki_dir)?;
        let tls = Arc::new(ArcSwap::from_pointee(serve::tls(&pki, &pki.serving(&serving_names(&config))?)?));
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| ServerError::Listen { address: config.listen, source })?;
        let address = listener.local_addr().unwrap_or(config.listen);
        let foundation = Foundation::lay(store, kinds).await?;
        let admission = foundation.admission();
        let cache = foundation.cache.clone();
        let allocator = Allocator::new(cache.clone(), config.service_cidr, config.node_ports.clone());
        let api = Arc::new(foundation.api(&config, &pki, admission.clone(), allocator.clone())?);
        let Foundation { rbac, outbound, .. } = foundation;
        bootstrap::create(&api, &birth(&config, &pki, address)).await?;
        let reloads = oidc::Reloads::default();
        api.metrics.register(|registry| reloads.register(registry));
        cache.fresh().await?;
        rbac.refresh();
        fairness::refresh(&api, &api.fairness);
        allocator.repair(jiff::Timestamp::now()).await?;
        Ok(Server {
            api,
            pki,
            config,
            nodes: NodesSlot::default(),
            plugin_logs: PluginLogsSlot::default(),
            traces: TracesSlot::default(),
            admission,
            health: Health::default(),
            rbac,
            allocator,
            outbound,
            tls,
            listener,
            address,
            reloads,
        })
    }

    pub fn api(&self) -> Arc<Api> {
        self.api.clone()
    }

    /// The API as an identity sees it, in process.
    pub fn client(&self, identity: Identity) -> Arc<dyn Client> {
        Arc::new(LocalClient::new(self.api.clone(), identity))
    }

    /// Where admission checks are installed.
    pub fn admission(&self) -> Arc<Chain> {
        self.admission.clone()
    }

    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// Where `/readyz` and its like get their checks.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Where `/metrics` gets its counts.
    pub fn metrics(&self) -> Metrics {
        self.api.metrics.clone()
    }

    /// What ComponentStatuses tell of.
    pub fn components(&self) -> &Components {
        &self.api.components
    }

    /// The address it listens on; the port is known even when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://127.0.0.1:6443`, for clients on this machine.
    pub fn local_url(&self) -> String {
        let ip = match self.address.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        format!("https://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// From now on logs, exec, attach and port-forward reach these nodes.
    pub fn set_nodes(&self, nodes: Box<dyn Nodes>) {
        self.nodes.store(Some(Arc::new(nodes)));
    }

    /// From now on the logs of plugins can be read.
    pub fn set_plugin_logs(&self, logs: Box<dyn PluginLogs>) {
        self.plugin_logs.store(Some(Arc::new(logs)));
    }

    /// From now on the scheduler's decisions can be recorded.
    pub fn set_traces(&self, traces: Box<dyn Traces>) {
        self.traces.store(Some(Arc::new(traces)));
    }

    /// Serves until `stop`; requests under way get a few seconds to finish.
    pub async fn run(self, stop: CancellationToken) {
        let routes = Arc::new(Routes {
            discovery: DiscoveryOf::new(
                SocketAddr::new(self.config.advertise, self.address.port()).to_string(),
            ),
            openapi: OpenApiOf::default(),
            api: self.api.clone(),
            health: self.health.clone(),
            nodes: self.nodes.clone(),
            plugin_logs: self.plugin_logs.clone(),
            traces: self.traces.clone(),
            outbound: self.outbound.clone(),
            stop: stop.clone(),
        });
        let pki = self.pki.clone();
        let api = self.api.clone();
        let authentication = self.config.authentication.clone();
        let renew = {
            let tls = self.tls.clone();
            move || renew(&self.pki, &self.config, &tls)
        };
        let upkeep = upkeep::run(self.api.cache().clone(), self.allocator, self.health, renew);
        tokio::select! {
            _ = serve::serve(self.listener, self.tls, routes, stop) => {}
            _ = self.rbac.follow() => {}
            _ = oidc::follow(&api.authenticator, &authentication, &self.reloads) => {}
            _ = fairness::follow(self.api.clone(), self.api.fairness.clone()) => {}
            _ = signer::follow(self.api.clone(), pki) => {}
            _ = policies::follow(self.api.clone()) => {}
            _ = definitions::follow(self.api.clone()) => {}
            _ = aggregation::keep(self.api.clone()) => {}
            _ = aggregation::follow(self.api) => {}
            _ = upkeep => {}
        }
    }
}

/// What every cluster has from its birth.
fn birth(config: &Config, pki: &Pki, address: SocketAddr) -> Bootstrap {
    Bootstrap {
        advertise: config.advertise,
        port: address.port(),
        kubernetes_ip: config.service_cidr.address(1),
        service_cidr: config.service_cidr.to_string(),
        client_ca: pki.ca_certificate().into(),
        front_proxy_ca: pki.front_proxy_ca_certificate().into(),
    }
}

/// Every name a client may know this server by.
fn serving_names(config: &Config) -> ServingNames {
    let domain = &config.cluster_domain;
    let mut dns: Vec<String> =
        ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(String::from).into();
    dns.push(format!("kubernetes.default.svc.{domain}"));
    let mut ips = vec![
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        IpAddr::V4(config.service_cidr.address(1)),
        config.advertise,
    ];
    if !config.listen.ip().is_unspecified() {
        ips.push(config.listen.ip());
    }
    for name in &config.names {
        match name.parse() {
            Ok(ip) => ips.push(ip),
            Err(_) => dns.push(name.clone()),
        }
    }
    ServingNames { dns, ips }
}

fn renew(pki: &Pki, config: &Config, tls: &Tls) {
    let renewed = pki
        .serving(&serving_names(config))
        .map_err(ServerError::from)
        .and_then(|pair| Ok(serve::tls(pki, &pair)?));
    match renewed {
        Ok(fresh) => tls.store(Arc::new(fresh)),
        Err(error) => tracing::error!(%error, "cannot renew the serving certificate"),
    }
}
