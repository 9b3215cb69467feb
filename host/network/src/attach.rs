//! Pods' networks: asks the CNI component, remembers what is attached, tells a fresh instance.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use orch_plugin::calls::CallError;
use orch_plugin::calls::cni::{Attachment, CniPlugin, Pod};
use tokio::sync::Mutex;

use crate::netlink::Namespace;
use crate::sandbox::{Sandbox, remove_link};
use crate::{NetworkError, PodNetwork};

/// Attachments are files, so that they outlive the daemon and `orch down --purge` finds them.
pub struct Pods {
    directory: PathBuf,
    /// `{"podCIDRs": […], "mtu": …}` without the component's own `config`.
    settings: serde_json::Value,
    node: Arc<Namespace>,
    dns: Vec<IpAddr>,
    domain: String,
    driver: Mutex<Driver>,
}

/// The component that serves, and what it must know.
#[derive(Default)]
struct Driver {
    plugin: Option<Arc<dyn CniPlugin>>,
    /// The component's `spec.config`.
    config: serde_json::Value,
    /// The `instance()` that has been configured and told the attachments.
    informed: Option<u64>,
    attachments: BTreeMap<String, Attachment>,
}

impl Pods {
    pub fn open(
        directory: PathBuf,
        settings: serde_json::Value,
        dns: Vec<IpAddr>,
        domain: String,
    ) -> Result<Pods, NetworkError> {
        let attachments = read_attachments(&directory)?;
        let driver = Driver { attachments, ..Driver::default() };
        Ok(Pods {
            directory,
            settings,
            node: Arc::new(Namespace::current()),
            dns,
            domain,
            driver: Mutex::new(driver),
        })
    }

    /// Puts a component in charge. It is configured and told what is attached before the old one is
    /// let go; refused, the old one stays.
    pub async fn install(
        &self,
        plugin: Arc<dyn CniPlugin>,
        config: serde_json::Value,
    ) -> Result<(), CallError> {
        let mut driver = self.driver.lock().await;
        let informed = inform(&*plugin, &self.settings, &config, &driver.attachments).await?;
        driver.plugin = Some(plugin);
        driver.config = config;
        driver.informed = Some(informed);
        Ok(())
    }

    /// Nobody is in charge any more: what is attached stays, nothing new is.
    pub async fn remove(&self) {
        let mut driver = self.driver.lock().await;
        driver.plugin = None;
        driver.informed = None;
    }

    fn file(&self, sandbox_id: &str) -> PathBuf {
        self.directory.join(format!("{sandbox_id}.json"))
    }
}

/// Configures an instance and tells it what is attached; returns which instance that was.
async fn inform(
    plugin: &dyn CniPlugin,
    settings: &serde_json::Value,
    config: &serde_json::Value,
    attachments: &BTreeMap<String, Attachment>,
) -> Result<u64, CallError> {
    let instance = plugin.instance();
    let mut settings = settings.clone();
    settings["config"] = config.clone();
    plugin.configure(&settings.to_string()).await?;
    let known: Vec<Attachment> = attachments.values().cloned().collect();
    plugin.restore(&known).await?;
    Ok(instance)
}

impl Driver {
    /// The component, knowing everything; after a trap its new instance is told first.
    async fn ready(&mut self, settings: &serde_json::Value) -> Result<Arc<dyn CniPlugin>, NetworkError> {
        let plugin = self.plugin.clone().ok_or_else(|| NetworkError {
            what: "pod network".into(),
            message: "no CNI plugin is installed; see `kubectl get plugins`".into(),
        })?;
        if self.informed != Some(plugin.instance()) {
            self.informed = None;
            let instance = inform(&*plugin, settings, &self.config, &self.attachments).await;
            self.informed = Some(instance.map_err(|e| failed("configure the CNI plugin", e))?);
        }
        Ok(plugin)
    }
}

fn failed(what: &str, error: impl std::fmt::Display) -> NetworkError {
    NetworkError { what: what.into(), message: error.to_string() }
}

#[async_trait]
impl PodNetwork for Pods {
    async fn attach(&self, namespace: &Path, pod: &Pod) -> Result<Attachment, NetworkError> {
        let mut driver = self.driver.lock().await;
        let plugin = driver.ready(&self.settings).await?;
        let sandbox = Arc::new(Sandbox::new(namespace, self.node.clone()));
        let attachment = plugin
            .add(sandbox, pod)
            .await
            .map_err(|e| failed(&format!("attach {}/{}", pod.namespace, pod.name), e))?;
        let text = serde_json::to_vec(&attachment).map_err(|e| failed("attachment", e))?;
        write_atomically(&self.file(&pod.sandbox_id), &text)
            .map_err(|e| failed("remember the attachment", e))?;
        driver.attachments.insert(pod.sandbox_id.clone(), attachment.clone());
        Ok(attachment)
    }

    async fn detach(&self, namespace: &Path, sandbox_id: &str) -> Result<(), NetworkError> {
        let mut driver = self.driver.lock().await;
        let Some(attachment) = driver.attachments.get(sandbox_id).cloned() else { return Ok(()) };
        let plugin = driver.ready(&self.settings).await?;
        let sandbox = Arc::new(Sandbox::new(namespace, self.node.clone()));
        plugin.del(sandbox, &attachment).await.map_err(|e| failed(&format!("detach {sandbox_id}"), e))?;
        driver.attachments.remove(sandbox_id);
        match std::fs::remove_file(self.file(sandbox_id)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("forget the attachment", error))
            }
            _ => Ok(()),
        }
    }

    fn cluster_dns(&self) -> Vec<IpAddr> {
        self.dns.clone()
    }

    fn cluster_domain(&self) -> &str {
        &self.domain
    }
}

fn write_atomically(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, content)?;
    std::fs::rename(temporary, path)
}

/// What is attached, by sandbox; an unreadable file is named, not guessed at.
pub fn read_attachments(directory: &Path) -> Result<BTreeMap<String, Attachment>, NetworkError> {
    std::fs::create_dir_all(directory).map_err(|e| failed(&directory.display().to_string(), e))?;
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).map_err(|e| failed(&directory.display().to_string(), e))? {
        let path = entry.map_err(|e| failed(&directory.display().to_string(), e))?.path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let text = std::fs::read(&path).map_err(|e| failed(&path.display().to_string(), e))?;
        let attachment: Attachment =
            serde_json::from_slice(&text).map_err(|e| failed(&path.display().to_string(), e))?;
        found.insert(attachment.sandbox_id.clone(), attachment);
    }
    Ok(found)
}

/// Removes the node's ends of every attachment that a data directory remembers.
pub async fn purge(directory: &Path) -> Result<(), NetworkError> {
    if !directory.exists() {
        return Ok(());
    }
    let node = Namespace::current();
    for attachment in read_attachments(directory)?.values() {
        remove_link(&node, &attachment.node_interface).await.map_err(|e| failed("remove an interface", e))?;
    }
    Ok(())
}
