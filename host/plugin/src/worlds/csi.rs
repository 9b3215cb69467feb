//! `orch:csi`: one instance, which remembers nothing between calls: a fresh one takes over after a trap
//! with the configuration alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use wasmtime::component::{HasSelf, Resource, ResourceTable};
use wasmtime::{AsContextMut, Store};

use super::bindings::csi::{Csi, CsiPre};
use super::{Context, HostState, pre_instantiate, within_wall};
use crate::calls::CallError;
use crate::calls::csi::{Answer, Description, Error, Lent};
use crate::{Artifact, Limits, LoadError, PluginEngine, Snapshot, World};

mod answers;
mod calls;
mod storage;

pub use storage::Directory;

/// A loaded storage driver.
pub struct CsiComponent {
    context: Context,
    pre: CsiPre<HostState<ResourceTable>>,
    description: Description,
    config: String,
    live: Mutex<Option<Instance>>,
    count: AtomicU64,
}

struct Instance {
    store: Store<HostState<ResourceTable>>,
    exports: Csi,
}

/// The directories of one call, as the guest knows them.
type Handles = Vec<Resource<Directory>>;

impl PluginEngine {
    /// Instantiates, describes and configures a storage driver.
    pub async fn load_csi(
        self: &Arc<Self>,
        name: &str,
        artifact: &Artifact,
        config: &serde_json::Value,
        limits: Limits,
    ) -> Result<Arc<CsiComponent>, LoadError> {
        let pre = pre_instantiate(self, artifact, World::Csi, |linker| {
            Csi::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
        })?;
        let pre = CsiPre::new(pre).map_err(|cause| LoadError::Link { world: World::Csi, cause })?;
        let context = Context::new(self, name, artifact, limits);
        let mut loaded = CsiComponent {
            context,
            pre,
            description: answers::no_description(),
            config: if config.is_null() { "{}".into() } else { config.to_string() },
            live: Mutex::default(),
            count: AtomicU64::new(0),
        };
        let mut first = loaded.instantiate().await.map_err(|error| loaded.context.describe_failed(&error))?;
        loaded.description = loaded.describe(&mut first).await?;
        let configured = loaded.configure(&mut first).await;
        configured.map_err(|error| loaded.configure_failed(error))?;
        *loaded.live.lock().await = Some(first);
        Ok(Arc::new(loaded))
    }
}

impl CsiComponent {
    pub fn digest(&self) -> &str {
        &self.context.digest
    }

    pub fn abi(&self) -> &str {
        &self.context.abi
    }

    pub fn stats(&self) -> Snapshot {
        self.context.stats.snapshot()
    }

    async fn instantiate(&self) -> wasmtime::Result<Instance> {
        let mut store = self.context.store(ResourceTable::new());
        let begun = self.context.begin(&mut store, "instantiate", true);
        let exports = within_wall(self.pre.instantiate_async(&mut store).boxed()).await;
        drop(begun);
        self.count.fetch_add(1, Ordering::AcqRel);
        Ok(Instance { exports: exports?, store })
    }

    async fn describe(&self, instance: &mut Instance) -> Result<Description, LoadError> {
        let failed = |cause| LoadError::Describe { plugin: self.context.name.to_string(), cause };
        let begun = self.context.begin(&mut instance.store, "describe", true);
        let call = instance.exports.orch_csi_identity().call_describe(&mut instance.store);
        let result = within_wall(call.boxed()).await;
        let described = self.context.end(begun, &instance.store, result);
        let description = described.map_err(|error| failed(error.to_string()))?;
        answers::check_description(&description).map_err(failed)?;
        Ok(description)
    }

    async fn configure(&self, instance: &mut Instance) -> Result<(), CallError> {
        let begun = self.context.begin(&mut instance.store, "configure", true);
        let call = instance.exports.orch_csi_identity().call_configure(&mut instance.store, &self.config);
        let result = within_wall(call.boxed()).await;
        self.context
            .end(begun, &instance.store, result)?
            .map_err(|message| self.context.refused("configure", message))
    }

    fn configure_failed(&self, error: CallError) -> LoadError {
        let plugin = self.context.name.to_string();
        match error {
            CallError::Refused { message, .. } => LoadError::Configure { plugin, message },
            CallError::Trapped { .. } | CallError::Deadline { .. } => {
                LoadError::Configure { plugin, message: error.to_string() }
            }
        }
    }

    /// Takes the instance out, so that a call that fails or is dropped leaves none behind.
    async fn take(&self, live: &mut Option<Instance>, function: &'static str) -> Result<Instance, CallError> {
        if let Some(live) = live.take() {
            return Ok(live);
        }
        let restarted = self.instantiate().await;
        let mut fresh = restarted
            .map_err(|error| self.context.refused(function, format!("cannot be restarted: {error:#}")))?;
        self.configure(&mut fresh).await?;
        Ok(fresh)
    }

    /// Lends the directories to the guest for the length of a call, and looks at what it answers.
    async fn call<R: Send>(
        &self,
        function: &'static str,
        lent: Vec<Lent>,
        call: impl for<'a> FnOnce(
            &'a Csi,
            &'a mut Store<HostState<ResourceTable>>,
            &'a Handles,
        ) -> BoxFuture<'a, wasmtime::Result<Result<R, Error>>>
        + Send,
        check: impl FnOnce(&R) -> Result<(), String> + Send,
    ) -> Answer<R> {
        let mut live = self.live.lock().await;
        let mut instance = self.take(&mut live, function).await?;
        let begun = self.context.begin(&mut instance.store, function, true);
        let result = match lend(&mut instance.store, lent) {
            Ok(handles) => {
                let result = within_wall(call(&instance.exports, &mut instance.store, &handles)).await;
                take_back(&mut instance.store, handles);
                result
            }
            Err(error) => Err(error),
        };
        let answer = self.context.end(begun, &instance.store, result)?;
        *live = Some(instance);
        let refused = |message| self.context.refused(function, message);
        match answer {
            Ok(value) => {
                check(&value).map_err(refused)?;
                Ok(Ok(value))
            }
            Err(error) => {
                answers::check_code(function, error.code).map_err(refused)?;
                Ok(Err(answers::cut(error)))
            }
        }
    }
}

fn lend(store: &mut Store<HostState<ResourceTable>>, lent: Vec<Lent>) -> wasmtime::Result<Handles> {
    let mut store = store.as_context_mut();
    let table = &mut store.data_mut().extra;
    lent.into_iter()
        .map(|directory| table.push(Directory::new(directory)).map_err(wasmtime::Error::new))
        .collect()
}

/// The guest has borrowed them: after the call none of its handles is left.
fn take_back(store: &mut Store<HostState<ResourceTable>>, handles: Handles) {
    for handle in handles {
        let _ = store.data_mut().extra.delete(handle);
    }
}
