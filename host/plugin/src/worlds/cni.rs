//! `orch:cni`: one instance, which holds the addresses it gave away.
//!
//! The host remembers the settings and what is attached, and tells a fresh instance both before it
//! is asked anything: an address is never given twice because a component trapped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::FutureExt;
use tokio::sync::Mutex;
use wasmtime::Store;
use wasmtime::component::{HasSelf, Resource, ResourceTable};

use super::bindings::cni::exports::orch::cni::driver as wit;
use super::bindings::cni::{Cni, CniPre};
use super::{Context, HostState, pre_instantiate, within_wall};
use crate::calls::CallError;
use crate::calls::cni::{Attachment, CniPlugin, Pod, SandboxNetwork};
use crate::{Artifact, Limits, LoadError, PluginEngine, Snapshot, World};

mod network;

pub use network::Sandbox;

/// A loaded network driver.
pub struct CniComponent {
    context: Context,
    pre: CniPre<HostState<ResourceTable>>,
    inner: Mutex<Inner>,
    count: AtomicU64,
}

#[derive(Default)]
struct Inner {
    live: Option<Instance>,
    settings: Option<String>,
    attached: BTreeMap<String, Attachment>,
}

struct Instance {
    store: Store<HostState<ResourceTable>>,
    exports: Cni,
}

impl PluginEngine {
    /// Instantiates a network driver. Its configuration comes with the node's settings, in
    /// `configure`.
    pub async fn load_cni(
        self: &Arc<Self>,
        name: &str,
        artifact: &Artifact,
        limits: Limits,
    ) -> Result<Arc<CniComponent>, LoadError> {
        let pre = pre_instantiate(self, artifact, World::Cni, |linker| {
            Cni::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
        })?;
        let pre = CniPre::new(pre).map_err(|cause| LoadError::Link { world: World::Cni, cause })?;
        let context = Context::new(self, name, artifact, limits);
        let loaded = CniComponent { context, pre, inner: Mutex::default(), count: AtomicU64::new(0) };
        let first = loaded.instantiate().await.map_err(|error| loaded.context.describe_failed(&error))?;
        loaded.inner.lock().await.live = Some(first);
        Ok(Arc::new(loaded))
    }
}

impl CniComponent {
    pub fn digest(&self) -> &str {
        &self.context.digest
    }

    pub fn abi(&self) -> &str {
        &self.context.abi
    }

    pub fn stats(&self) -> Snapshot {
        self.context.stats.snapshot()
    }

    /// What the driver has attached, for the one that takes its place.
    pub async fn attachments(&self) -> Vec<Attachment> {
        self.inner.lock().await.attached.values().cloned().collect()
    }

    async fn instantiate(&self) -> wasmtime::Result<Instance> {
        let mut store = self.context.store(ResourceTable::new());
        let begun = self.context.begin(&mut store, "instantiate", true);
        let exports = within_wall(self.pre.instantiate_async(&mut store).boxed()).await;
        drop(begun);
        self.count.fetch_add(1, Ordering::AcqRel);
        Ok(Instance { exports: exports?, store })
    }

    /// Takes the instance out, so that a call that fails or is dropped leaves none behind.
    async fn take(&self, inner: &mut Inner, function: &'static str) -> Result<Instance, CallError> {
        if let Some(live) = inner.live.take() {
            return Ok(live);
        }
        let mut fresh = self
            .instantiate()
            .await
            .map_err(|error| self.context.refused(function, format!("cannot be restarted: {error:#}")))?;
        if let Some(settings) = &inner.settings {
            self.configure_instance(&mut fresh, settings).await?;
        }
        if !inner.attached.is_empty() {
            let attached: Vec<_> = inner.attached.values().cloned().collect();
            self.restore_instance(&mut fresh, &attached).await?;
        }
        Ok(fresh)
    }

    async fn configure_instance(&self, instance: &mut Instance, settings: &str) -> Result<(), CallError> {
        let begun = self.context.begin(&mut instance.store, "configure", true);
        let call = instance.exports.orch_cni_driver().call_configure(&mut instance.store, settings);
        let result = within_wall(call.boxed()).await;
        self.context
            .end(begun, &instance.store, result)?
            .map_err(|message| self.context.refused("configure", message))
    }

    async fn restore_instance(
        &self,
        instance: &mut Instance,
        attachments: &[Attachment],
    ) -> Result<(), CallError> {
        let attachments: Vec<wit::Attachment> = attachments.iter().map(wit::Attachment::from).collect();
        let begun = self.context.begin(&mut instance.store, "restore", true);
        let call = instance.exports.orch_cni_driver().call_restore(&mut instance.store, &attachments);
        let result = within_wall(call.boxed()).await;
        self.context
            .end(begun, &instance.store, result)?
            .map_err(|message| self.context.refused("restore", message))
    }

    fn check(&self, pod: &Pod, attachment: &Attachment) -> Result<(), String> {
        if attachment.sandbox_id != pod.sandbox_id {
            return Err(format!(
                "it was asked for {} and attached {}",
                pod.sandbox_id, attachment.sandbox_id
            ));
        }
        if let Some(wrong) = attachment.ips.iter().find(|ip| ip.parse::<std::net::IpAddr>().is_err()) {
            return Err(format!("{wrong:?} is no address"));
        }
        if attachment.ips.is_empty() {
            return Err("it gave no address".into());
        }
        Ok(())
    }
}

fn sandbox_handle(
    store: &mut Store<HostState<ResourceTable>>,
    sandbox: Arc<dyn SandboxNetwork>,
) -> wasmtime::Result<Resource<Sandbox>> {
    store.data_mut().extra.push(Sandbox::new(sandbox)).map_err(wasmtime::Error::new)
}

#[async_trait]
impl CniPlugin for CniComponent {
    fn name(&self) -> &str {
        &self.context.name
    }

    fn instance(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    async fn configure(&self, settings: &str) -> Result<(), CallError> {
        let mut inner = self.inner.lock().await;
        let mut instance = self.take(&mut inner, "configure").await?;
        self.configure_instance(&mut instance, settings).await?;
        inner.live = Some(instance);
        inner.settings = Some(settings.into());
        Ok(())
    }

    async fn restore(&self, attachments: &[Attachment]) -> Result<(), CallError> {
        let mut inner = self.inner.lock().await;
        let mut instance = self.take(&mut inner, "restore").await?;
        self.restore_instance(&mut instance, attachments).await?;
        inner.live = Some(instance);
        inner.attached = attachments.iter().map(|known| (known.sandbox_id.clone(), known.clone())).collect();
        Ok(())
    }

    async fn add(&self, sandbox: Arc<dyn SandboxNetwork>, pod: &Pod) -> Result<Attachment, CallError> {
        let mut inner = self.inner.lock().await;
        let mut instance = self.take(&mut inner, "add").await?;
        let store = &mut instance.store;
        let begun = self.context.begin(store, "add", true);
        let result = match sandbox_handle(store, sandbox) {
            Ok(handle) => {
                let borrowed = Resource::new_borrow(handle.rep());
                let driver = instance.exports.orch_cni_driver();
                let result = within_wall(driver.call_add(&mut *store, borrowed, &pod.into()).boxed()).await;
                let _ = store.data_mut().extra.delete(handle);
                result
            }
            Err(error) => Err(error),
        };
        let answer = self.context.end(begun, &instance.store, result)?;
        inner.live = Some(instance);
        let attachment: Attachment = answer.map_err(|message| self.context.refused("add", message))?.into();
        self.check(pod, &attachment).map_err(|message| self.context.refused("add", message))?;
        inner.attached.insert(attachment.sandbox_id.clone(), attachment.clone());
        Ok(attachment)
    }

    async fn del(&self, sandbox: Arc<dyn SandboxNetwork>, attachment: &Attachment) -> Result<(), CallError> {
        let mut inner = self.inner.lock().await;
        let mut instance = self.take(&mut inner, "del").await?;
        let store = &mut instance.store;
        let begun = self.context.begin(store, "del", true);
        let result = match sandbox_handle(store, sandbox) {
            Ok(handle) => {
                let borrowed = Resource::new_borrow(handle.rep());
                let driver = instance.exports.orch_cni_driver();
                let result =
                    within_wall(driver.call_del(&mut *store, borrowed, &attachment.into()).boxed()).await;
                let _ = store.data_mut().extra.delete(handle);
                result
            }
            Err(error) => Err(error),
        };
        let answer = self.context.end(begun, &instance.store, result)?;
        inner.live = Some(instance);
        answer.map_err(|message| self.context.refused("del", message))?;
        inner.attached.remove(&attachment.sandbox_id);
        Ok(())
    }
}

impl From<&Pod> for wit::Pod {
    fn from(pod: &Pod) -> Self {
        let Pod { sandbox_id, namespace, name, uid } = pod.clone();
        wit::Pod { sandbox_id, namespace, name, uid }
    }
}

impl From<&Attachment> for wit::Attachment {
    fn from(attachment: &Attachment) -> Self {
        let Attachment { sandbox_id, ips, node_interface } = attachment.clone();
        wit::Attachment { sandbox_id, ips, node_interface }
    }
}

impl From<wit::Attachment> for Attachment {
    fn from(attachment: wit::Attachment) -> Self {
        let wit::Attachment { sandbox_id, ips, node_interface } = attachment;
        Attachment { sandbox_id, ips, node_interface }
    }
}
