//! `orch:controller`: a pool of instances, since keys are reconciled side by side.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Semaphore;
use wasmtime::Store;
use wasmtime::component::HasSelf;

use super::bindings::controller::exports::orch::controller::reconciler as wit;
use super::bindings::controller::{Controller, ControllerPre};
use super::{Context, HostState, pre_instantiate, within_wall};
use crate::calls::CallError;
use crate::calls::controller::{
    Change, ControllerApi, ControllerPlugin, Description, Keys, Outcome, WatchOf,
};
use crate::{Artifact, Limits, LoadError, OwnMetrics, PluginEngine, Snapshot, Stats, World};

mod api;
mod metrics;

/// What the imports of an instance reach.
#[derive(Clone)]
pub(crate) struct Capabilities {
    api: Arc<dyn ControllerApi>,
    /// Of all instances together.
    metrics: Arc<OwnMetrics>,
    stats: Arc<Stats>,
}

const MOST_INSTANCES: u32 = 16;
const MOST_KEYS: usize = 100_000;

/// A loaded controller.
pub struct ControllerComponent {
    context: Context,
    description: Description,
    pre: ControllerPre<HostState<Capabilities>>,
    capabilities: Capabilities,
    config: Mutex<Config>,
    idle: Mutex<Vec<Instance>>,
    permits: Semaphore,
}

/// Instances of an older configuration are not used again.
#[derive(Clone)]
struct Config {
    json: Arc<str>,
    generation: u64,
}

struct Instance {
    store: Store<HostState<Capabilities>>,
    exports: Controller,
    generation: u64,
}

/// Boxed, since the compiler does not see through Wasmtime's futures that they may change threads.
type Call<'a, R> = BoxFuture<'a, wasmtime::Result<R>>;

impl Instance {
    fn call_describe(&mut self) -> Call<'_, wit::Description> {
        self.exports.orch_controller_reconciler().call_describe(&mut self.store).boxed()
    }

    fn call_configure<'a>(&'a mut self, config: &'a str) -> Call<'a, Result<(), String>> {
        self.exports.orch_controller_reconciler().call_configure(&mut self.store, config).boxed()
    }

    fn call_keys<'a>(
        &'a mut self,
        watch: u32,
        change: wit::Change,
        object: &'a str,
        before: Option<&'a str>,
    ) -> Call<'a, Vec<String>> {
        let reconciler = self.exports.orch_controller_reconciler();
        reconciler.call_keys(&mut self.store, watch, change, object, before).boxed()
    }

    fn call_reconcile<'a>(&'a mut self, key: &'a str) -> Call<'a, Result<wit::Outcome, String>> {
        self.exports.orch_controller_reconciler().call_reconcile(&mut self.store, key).boxed()
    }
}

impl PluginEngine {
    /// Instantiates a controller, asks what it watches and gives it its configuration. `api` carries
    /// the identity it acts under.
    pub async fn load_controller(
        self: &Arc<Self>,
        name: &str,
        artifact: &Artifact,
        config: &Value,
        limits: Limits,
        api: Arc<dyn ControllerApi>,
    ) -> Result<Arc<ControllerComponent>, LoadError> {
        let pre = pre_instantiate(self, artifact, World::Controller, |linker| {
            Controller::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
        })?;
        let pre =
            ControllerPre::new(pre).map_err(|cause| LoadError::Link { world: World::Controller, cause })?;
        let context = Context::new(self, name, artifact, limits);
        let capabilities = Capabilities { api, metrics: Arc::default(), stats: context.stats.clone() };
        let mut loaded = ControllerComponent {
            context,
            description: Description { watches: Vec::new(), concurrency: 1 },
            pre,
            capabilities,
            config: Mutex::new(Config { json: config.to_string().into(), generation: 0 }),
            idle: Mutex::default(),
            permits: Semaphore::new(1),
        };
        let (instance, description) = loaded.first().await?;
        loaded.permits = Semaphore::new(description.concurrency as usize);
        loaded.description = description;
        loaded.idle.lock().push(instance);
        Ok(Arc::new(loaded))
    }
}

impl ControllerComponent {
    async fn first(&self) -> Result<(Instance, Description), LoadError> {
        let name = || self.context.name.to_string();
        let mut instance = self.instantiate().await.map_err(|error| self.context.describe_failed(&error))?;
        let begun = self.context.begin(&mut instance.store, "describe", true);
        let result = within_wall(instance.call_describe()).await;
        let description = self
            .context
            .end(begun, &instance.store, result)
            .map_err(|error| LoadError::Describe { plugin: name(), cause: error.to_string() })?;
        self.configure_instance(&mut instance)
            .await
            .map_err(|error| LoadError::Configure { plugin: name(), message: message_of(error) })?;
        Ok((instance, description.into()))
    }

    // Boxed: the compiler does not see through Wasmtime's futures that this one may change threads.
    fn instantiate(&self) -> BoxFuture<'_, wasmtime::Result<Instance>> {
        async {
            let mut store = self.context.store(self.capabilities.clone());
            let begun = self.context.begin(&mut store, "instantiate", true);
            let exports = within_wall(self.pre.instantiate_async(&mut store).boxed()).await;
            drop(begun);
            Ok(Instance { exports: exports?, store, generation: 0 })
        }
        .boxed()
    }

    async fn configure_instance(&self, instance: &mut Instance) -> Result<(), CallError> {
        let config = self.config.lock().clone();
        let begun = self.context.begin(&mut instance.store, "configure", true);
        let result = within_wall(instance.call_configure(&config.json)).await;
        instance.generation = config.generation;
        self.context
            .end(begun, &instance.store, result)?
            .map_err(|message| self.context.refused("configure", message))
    }

    /// An instance of the current configuration: an idle one, or a fresh one.
    async fn take(&self, function: &'static str) -> Result<Instance, CallError> {
        let generation = self.config.lock().generation;
        while let Some(instance) = self.pop_idle() {
            if instance.generation == generation {
                return Ok(instance);
            }
        }
        let mut fresh = self
            .instantiate()
            .await
            .map_err(|error| self.context.refused(function, format!("cannot be started: {error:#}")))?;
        self.configure_instance(&mut fresh).await?;
        Ok(fresh)
    }

    // A statement of its own, so that the lock is not held while an old instance is dropped.
    fn pop_idle(&self) -> Option<Instance> {
        self.idle.lock().pop()
    }

    /// Tries the new configuration on an instance of its own; refused, the old one stays.
    pub async fn configure(&self, config: &Value) -> Result<(), CallError> {
        let before = self.config.lock().clone();
        let next = Config { json: config.to_string().into(), generation: before.generation + 1 };
        *self.config.lock() = next;
        match self.take("configure").await {
            Ok(instance) => {
                self.idle.lock().push(instance);
                Ok(())
            }
            Err(error) => {
                *self.config.lock() = Config { generation: before.generation + 2, ..before };
                Err(error)
            }
        }
    }

    pub fn digest(&self) -> &str {
        &self.context.digest
    }

    pub fn abi(&self) -> &str {
        &self.context.abi
    }

    pub fn stats(&self) -> Snapshot {
        self.context.stats.snapshot()
    }

    /// What it counts itself.
    pub fn own_metrics(&self) -> &OwnMetrics {
        &self.capabilities.metrics
    }

    async fn permit(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.permits.acquire().await.expect("the semaphore is never closed")
    }
}

fn message_of(error: CallError) -> String {
    match error {
        CallError::Refused { message, .. } => message,
        CallError::Trapped { .. } | CallError::Deadline { .. } => error.to_string(),
    }
}

#[async_trait]
impl ControllerPlugin for ControllerComponent {
    fn name(&self) -> &str {
        &self.context.name
    }

    fn description(&self) -> &Description {
        &self.description
    }

    // An instance that fails, or whose caller goes away, is not put back.
    async fn keys(
        &self,
        watch: u32,
        change: Change,
        object: &str,
        before: Option<&str>,
    ) -> Result<Vec<String>, CallError> {
        let _permit = self.permit().await;
        let mut instance = self.take("keys").await?;
        let begun = self.context.begin(&mut instance.store, "keys", true);
        let result = within_wall(instance.call_keys(watch, change.into(), object, before)).await;
        let keys = self.context.end(begun, &instance.store, result)?;
        self.idle.lock().push(instance);
        if keys.len() > MOST_KEYS {
            return Err(self.context.refused("keys", format!("{} keys for one change", keys.len())));
        }
        Ok(keys)
    }

    async fn reconcile(&self, key: &str) -> Result<Outcome, CallError> {
        let _permit = self.permit().await;
        let mut instance = self.take("reconcile").await?;
        let begun = self.context.begin(&mut instance.store, "reconcile", true);
        let result = within_wall(instance.call_reconcile(key)).await;
        let outcome = self.context.end(begun, &instance.store, result)?;
        self.idle.lock().push(instance);
        match outcome {
            Ok(wit::Outcome { requeue_after_ms }) => Ok(Outcome { requeue_after_ms }),
            Err(message) => Err(self.context.refused("reconcile", message)),
        }
    }
}

impl From<wit::Description> for Description {
    fn from(description: wit::Description) -> Self {
        Description {
            watches: description.watches.into_iter().map(WatchOf::from).collect(),
            concurrency: description.concurrency.clamp(1, MOST_INSTANCES),
        }
    }
}

impl From<wit::Watch> for WatchOf {
    fn from(watch: wit::Watch) -> Self {
        let keys = match watch.keys {
            wit::Mapping::Itself => Keys::Itself,
            wit::Mapping::ControllerOwner(kind) => Keys::ControllerOwner(kind),
            wit::Mapping::Custom => Keys::Custom,
        };
        WatchOf { interest: watch.interest.into(), keys }
    }
}

impl From<Change> for wit::Change {
    fn from(change: Change) -> Self {
        match change {
            Change::Added => wit::Change::Added,
            Change::Modified => wit::Change::Modified,
            Change::Deleted => wit::Change::Deleted,
        }
    }
}
