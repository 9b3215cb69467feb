//! The controllers of this host, by name.

use std::collections::HashMap;
use std::sync::Arc;

use orch_client::events::Recorder;
use orch_client::{Client, Identity, ListOptions, Target};
use orch_object::Status;
use orch_plugin::calls::controller::{ControllerApi, ControllerPlugin, WatchOf};
use orch_plugin::trial::Role;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::api::{Account, Api};
use crate::controller::Running;
use crate::informers::{Informers, KindName, resource};
use crate::metrics::Metrics;
use crate::queue::WorkQueue;
use crate::versions::Versions;

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
    #[error("{controller} cannot be tried out: no version of it serves")]
    NothingServes { controller: String },
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
    /// the old one, then every key is reconciled by the new one. A version on trial is put beside the
    /// one that serves in the same way. On an error the old one goes on.
    pub async fn install(
        &self,
        name: &str,
        plugin: Arc<dyn ControllerPlugin>,
        role: Role,
    ) -> Result<(), ControllersError> {
        let account = self.account(name);
        self.permitted(name, &account, &plugin).await?;
        let mut running = self.0.running.lock().await;
        let before = running.get(name).map(|running| (*running.versions).clone());
        let versions = Versions::with(before, plugin, role)
            .ok_or_else(|| ControllersError::NothingServes { controller: name.into() })?;
        if let Some(old) = running.remove(name) {
            old.drain().await;
        }
        *account.watched.write() = versions.all().flat_map(watched_by).collect();
        running.insert(name.into(), self.run(name, versions));
        tracing::info!(controller = name, "controller started");
        Ok(())
    }

    fn run(&self, name: &str, versions: Versions) -> Running {
        let queue = WorkQueue::new(self.0.metrics.of(name));
        Running::start(name, versions, &self.0.informers, queue, self.0.stop.child_token())
    }

    /// Ends the version on trial after what it is at; the one that serves looks at every key again.
    pub async fn remove_trial(&self, name: &str) {
        let mut running = self.0.running.lock().await;
        let on_trial = |running: &Running| running.versions.trial.is_some();
        if !running.get(name).is_some_and(on_trial) {
            return;
        }
        if let Some(old) = running.remove(name) {
            let serving = Versions { trial: None, ..(*old.versions).clone() };
            old.drain().await;
            running.insert(name.into(), self.run(name, serving));
        }
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

    /// How many controllers run.
    pub async fn running(&self) -> usize {
        self.0.running.lock().await.len()
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

    /// The service account must be allowed to list what the plugin watches by name. Wildcards show
    /// metadata only and are never read from.
    async fn permitted(
        &self,
        name: &str,
        account: &Account,
        plugin: &Arc<dyn ControllerPlugin>,
    ) -> Result<(), ControllersError> {
        for watch in named(plugin) {
            let (api_version, kind) = (&watch.interest.api_version, &watch.interest.kind);
            let row =
                self.0.informers.kind(api_version, kind).ok_or_else(|| ControllersError::UnknownKind {
                    controller: name.into(),
                    api_version: api_version.clone(),
                    kind: kind.clone(),
                })?;
            let options = ListOptions { limit: 1, ..ListOptions::default() };
            let listed = account.client.list(&Target::all(&resource(&row)), &options).await;
            if let Err(source) = listed
                && source.code == 403
            {
                let resource = row.qualified_resource();
                return Err(ControllersError::Forbidden { controller: name.into(), resource, source });
            }
        }
        Ok(())
    }
}

/// Watches that name their kind.
fn named(plugin: &Arc<dyn ControllerPlugin>) -> impl Iterator<Item = &WatchOf> {
    plugin.description().watches.iter().filter(|watch| watch.interest.kind != "*")
}

fn watched_by(plugin: &Arc<dyn ControllerPlugin>) -> impl Iterator<Item = KindName> {
    named(plugin).map(|watch| (watch.interest.api_version.clone(), watch.interest.kind.clone()))
}
