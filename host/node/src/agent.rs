//! The agent's wiring: what its parts share, and how they start.

use std::future::Future;
use std::sync::Arc;

use orch_client::informer::{self, Objects};
use orch_client::{Client, ListOptions, Resource, Target};
use orch_container::runtime::Runtime;
use orch_network::PodNetwork;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::events::Recorder;
use crate::machine::Machine;
use crate::paths::Paths;
use crate::pods::Pods;
use crate::probe::action;
use crate::references::References;
use crate::registration;
use crate::volume::{CredentialCache, TokenCache};

/// Images pulled at the same time; more would only share the bandwidth.
const PARALLEL_PULLS: usize = 4;

/// What every part of the agent shares.
pub(crate) struct Agent {
    pub config: Config,
    pub client: Arc<dyn Client>,
    pub runtime: Arc<dyn Runtime>,
    pub network: Arc<dyn PodNetwork>,
    pub events: Recorder,
    pub paths: Paths,
    pub machine: Machine,
    pub pods: Arc<Pods>,
    pub references: References,
    pub tokens: TokenCache,
    pub credentials: CredentialCache,
    pub http: reqwest::Client,
    pub pulls: Semaphore,
    pub stop: CancellationToken,
    services: Objects,
    services_synced: watch::Receiver<bool>,
}

impl Agent {
    /// Runs beside its caller until it ends or the agent stops.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let stop = self.stop.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                _ = stop.cancelled() => {}
                _ = work => {}
            }
        });
        task.abort_handle()
    }

    /// Every Service; waits for the first list.
    pub async fn services(&self) -> Vec<Arc<Value>> {
        let mut synced = self.services_synced.clone();
        // An error means that the agent stops.
        let _ = synced.wait_for(|synced| *synced).await;
        self.services.all()
    }
}

/// Why the agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("read the machine's description: {0}")]
    Machine(#[from] crate::machine::MachineError),
    #[error("make the HTTP client for probes: {0}")]
    Http(#[from] reqwest::Error),
}

/// The agent of one node.
pub struct NodeAgent {
    pub(crate) agent: Arc<Agent>,
}

impl NodeAgent {
    /// Starts everything; returns at once. Cancelling `stop` ends the agent and leaves containers running.
    pub fn start(
        config: Config,
        client: Arc<dyn Client>,
        runtime: Arc<dyn Runtime>,
        network: Arc<dyn PodNetwork>,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, StartError> {
        use_ring();
        let machine = Machine::read(&config)?;
        let (services, synced, services_synced) = watch_services(client.clone(), stop.clone());
        let agent = Arc::new(Agent {
            events: Recorder::start(client.clone(), &config.node_name),
            paths: Paths::new(config.data_dir.clone()),
            pods: Arc::default(),
            references: References::new(client.clone(), stop.clone()),
            tokens: TokenCache::default(),
            credentials: CredentialCache::default(),
            http: action::http_client()?,
            pulls: Semaphore::new(PARALLEL_PULLS),
            machine,
            config,
            client,
            runtime,
            network,
            stop,
            services,
            services_synced,
        });
        agent.spawn(synced);
        agent.spawn(registration::run(agent.clone()));
        agent.spawn(agent.pods.clone().run(agent.clone()));
        Ok(Arc::new(NodeAgent { agent }))
    }
}

/// reqwest is built without a provider of its own; the one installed first wins.
pub(crate) fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn watch_services(
    client: Arc<dyn Client>,
    stop: CancellationToken,
) -> (Objects, impl Future<Output = ()> + Send, watch::Receiver<bool>) {
    let (sender, receiver) = watch::channel(false);
    let target = Target::all(&Resource::core("services"));
    let (objects, mut events) = informer::start(client, target, ListOptions::default(), stop);
    let follow = async move {
        // The store is kept current by the informer; its events need only be taken off the queue.
        while let Some(event) = events.recv().await {
            if matches!(event, informer::Event::Synced) {
                sender.send_replace(true);
            }
        }
    };
    (objects, follow, receiver)
}
