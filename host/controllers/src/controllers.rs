//! The controllers of this host, by name.

use std::collections::HashMap;
use std::sync::Arc;

use orch_client::events::Recorder;
use orch_client::{Client, Identity, ListOptions, Target};
use orch_object::Status;
use orch_plugin::calls::controller::{ControllerApi, ControllerPlugin};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::api::{Account, Api};
use crate::controller::{Running, kinds_of};
use crate::informers::{Informers, resource};
use crate::metrics::Metrics;
use crate::queue::WorkQueue;

/// Makes clients that act as somebody.
pub trait Clients: Send + Sync + 'static {
    fn client(&self, identity: Identity) -> Arc<dyn Client>;
}

impl<F: Fn(Identity) -> Arc<dyn Client> + Send + Sync + 'static> Clients for F {
    fn client(&self, identity: Identity) -> Arc<dyn Client> {
        self(identity)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ControllersError {
    #[error("{controller} watches {kind} in {api_version}, which is not served")]
    UnknownKind { controller: String, api_version: String, kind: String },
    /// Reads come from shared caches: what a controller may not list, it may not watch either.
    #[error("{controller} may not watch {resource}: {source}")]
    Forbidden {
        controller: String,
        resource: String,
        #[source]
        source: Status,
    },
}

/// Runs controllers. Cheap to clone.
#[derive(Clone)]
pub struct Controllers(Arc<Inner>);

struct Inner {
    clients: Arc<dyn Clients>,
    informers: Arc<Informers>,
    stop: CancellationToken,
    accounts: Mutex<HashMap<String, Arc<Account>>>,
    metrics: Metrics,
    /// Held while a controller is swapped: of two swaps of one name the later must win whole.
    running: tokio::sync::Mutex<HashMap<String, Running>>,
}

impl Controllers {
    /// Nothing runs until something is installed. All of it ends with `stop`.
    pub fn start(clients: Arc<dyn Clients>, stop: CancellationToken) -> Self {
        // The caches are shared, so they are filled by one who may see everything.
        let host = Identity::new("system:orch:controllers", &["system:masters", "system:authenticated"]);
        let informers = Arc::new(Informers::new(clients.client(host), stop.clone()));
        Controllers(Arc::new(Inner {
            clients,
            informers,
            stop,
            accounts: Mutex::default(),
            metrics: Metrics::default(),
            running: tokio::sync::Mutex::default(),
        }))
    }

    /// The API for a plugin that will run under this name, as
    /// `system:serviceaccount:kube-system:NAME-controller`.
    pub fn api(&self, name: &str) -> Arc<dyn ControllerApi> {
        Arc::new(Api { account: self.account(name), informers: self.0.informers.clone() })
    }

    /// Adds a controller, or swaps the one of the same name: what the old one is at is finished by
    /// the old one, then every key is reconciled by the new one. On an error the old one goes on.
    pub async fn install(
        &self,
        name: &str,
        plugin: Arc<dyn ControllerPlugin>,
    ) -> Result<(), ControllersError> {
        let account = self.account(name);
        let watched = self.permitted(name, &account, &plugin).await?;
        let mut running = self.0.running.lock().await;
        if let Some(old) = running.remove(name) {
            old.drain().await;
        }
        *account.watched.write() = watched;
        let stop = self.0.stop.child_token();
        let queue = WorkQueue::new(self.0.metrics.of(name));
        running.insert(name.into(), Running::start(name, &plugin, &self.0.informers, queue, stop));
        tracing::info!(controller = name, "controller started");
        Ok(())
    }

    /// Ends a controller after what it is at. False: there was none.
    pub async fn remove(&self, name: &str) -> bool {
        let Some(old) = self.0.running.lock().await.remove(name) else { return false };
        old.drain().await;
        self.0.metrics.forget(name);
        true
    }

    /// What the queues count.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Keys that wait in a controller's queue; `None`: no such controller.
    pub async fn waiting(&self, name: &str) -> Option<usize> {
        self.0.running.lock().await.get(name).map(|running| running.queue.len())
    }

    /// Ends all of them, each after what it is at.
    pub async fn shut_down(&self) {
        let all: Vec<Running> = self.0.running.lock().await.drain().map(|(_, running)| running).collect();
        futures::future::join_all(all.into_iter().map(Running::drain)).await;
        self.0.stop.cancel();
    }

    fn account(&self, name: &str) -> Arc<Account> {
        let mut accounts = self.0.accounts.lock();
        if let Some(account) = accounts.get(name) {
            return account.clone();
        }
        let service_account = format!("{name}-controller");
        let client = self.0.clients.client(Identity::service_account("kube-system", &service_account));
        let account = Arc::new(Account {
            name: name.into(),
            recorder: Recorder::start(client.clone(), &service_account, ""),
            client,
            watched: Default::default(),
            writes: Default::default(),
        });
        accounts.insert(name.into(), account.clone());
        account
    }

    /// What the plugin watches by name, if its service account may list it. Wildcards show metadata
    /// only and are never read from.
    async fn permitted(
        &self,
        name: &str,
        account: &Account,
        plugin: &Arc<dyn ControllerPlugin>,
    ) -> Result<std::collections::HashSet<(String, String)>, ControllersError> {
        let mut watched = std::collections::HashSet::new();
        let named = plugin.description().watches.iter().filter(|watch| watch.interest.kind != "*");
        for watch in named {
            let (api_version, kind) = (&watch.interest.api_version, &watch.interest.kind);
            let row = kinds_of(watch, &self.0.informers).into_iter().next().ok_or_else(|| {
                ControllersError::UnknownKind {
                    controller: name.into(),
                    api_version: api_version.clone(),
                    kind: kind.clone(),
                }
            })?;
            let options = ListOptions { limit: 1, ..ListOptions::default() };
            match account.client.list(&Target::all(&resource(&row)), &options).await {
                Err(source) if source.code == 403 => {
                    let resource = row.qualified_resource();
                    return Err(ControllersError::Forbidden { controller: name.into(), resource, source });
                }
                _ => watched.insert((api_version.clone(), kind.clone())),
            };
        }
        Ok(watched)
    }
}
