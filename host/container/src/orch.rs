//! The runtime: images, sandboxes and containers of one data directory.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::container::client::{ShimConnection, is_gone};
use crate::container::create::{Surroundings, prepare, start_shim};
use crate::container::entry::{Entry, Status};
use crate::container::{adopt, containers_dir, remove, streams};
use crate::images::Images;
use crate::images::registry::RegistryConfig;
use crate::runtime::{
    Changed, Container, ContainerConfig, Credentials, ExecRequest, Image, Resources, Runtime, RuntimeError,
    Sandbox, SandboxConfig, State, Stats, phase,
};
use crate::sandbox::{self, Sandboxes, check_id};
use crate::shim::protocol::{Reply, Request};

/// A receiver that is further behind asks for all containers.
const CHANGES: usize = 1024;
/// How long a process that could not execute its command may take to end.
const FAILED_START: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct Config {
    pub data_dir: PathBuf,
    pub registries: RegistryConfig,
    /// Below the root of every cgroup hierarchy; `/orch/<8 hex>` of the data directory by default.
    pub cgroup_root: Option<String>,
    /// Executed as `PROGRAM shim DIR`; this very program by default.
    pub shim_program: PathBuf,
}

impl Config {
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            registries: RegistryConfig::default(),
            cgroup_root: None,
            shim_program: PathBuf::from("/proc/self/exe"),
        }
    }
}

/// The cgroup that holds everything of a data directory, so that two hosts can share a machine.
pub fn default_cgroup_root(data_dir: &Path) -> String {
    use sha2::{Digest, Sha256};
    use std::os::unix::ffi::OsStrExt;
    let hash = Sha256::digest(data_dir.as_os_str().as_bytes());
    format!("/orch/{}", hex::encode(&hash[..4]))
}

/// Cheap to clone; all clones are the same runtime.
#[derive(Clone)]
pub struct OrchRuntime {
    inner: Arc<Inner>,
}

struct Inner {
    images: Images,
    store: Sandboxes,
    containers_dir: PathBuf,
    shim_program: PathBuf,
    sandboxes: Mutex<HashMap<String, Sandbox>>,
    containers: Mutex<HashMap<String, Arc<Entry>>>,
    changes: broadcast::Sender<Changed>,
}

impl OrchRuntime {
    /// Takes over what is there: containers that still run, and those that ended meanwhile.
    pub async fn open(config: Config) -> Result<Self, RuntimeError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(RuntimeError::Other("running containers needs root".to_owned()));
        }
        let data_dir = absolute(&config.data_dir)?;
        let fail = |source| RuntimeError::Io { what: format!("open {}", data_dir.display()), source };
        let cgroup_root = config.cgroup_root.unwrap_or_else(|| default_cgroup_root(&data_dir));
        let (changes, _) = broadcast::channel(CHANGES);
        let store = Sandboxes::open(&data_dir, &cgroup_root).map_err(fail)?;
        let entries = adopt::adopt_all(&data_dir, &changes).await.map_err(fail)?;
        let loading = store.clone();
        let sandboxes = crate::blocking_io(move || loading.load()).await.map_err(fail)?;
        let open = (data_dir.clone(), config.registries);
        let images = crate::blocking(move || Images::open(&open.0, open.1)).await?;
        let named = |entry: Arc<Entry>| (entry.record().config.id.clone(), entry);
        let inner = Inner {
            images,
            store,
            containers_dir: containers_dir(&data_dir),
            shim_program: config.shim_program,
            sandboxes: Mutex::new(sandboxes.into_iter().map(|s| (s.config.id.clone(), s)).collect()),
            containers: Mutex::new(entries.into_iter().map(named).collect()),
            changes,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Does the work even when the caller stops waiting for it: half of it must not stay.
    async fn wholly<T, W, F>(&self, work: W) -> Result<T, RuntimeError>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Inner>) -> F,
        F: Future<Output = Result<T, RuntimeError>> + Send + 'static,
    {
        let task = tokio::spawn(work(self.inner.clone()));
        task.await.unwrap_or_else(|e| Err(RuntimeError::Other(e.to_string())))
    }
}

impl Inner {
    fn sandbox(&self, id: &str) -> Result<Sandbox, RuntimeError> {
        let found = self.sandboxes.lock().get(id).cloned();
        found.ok_or_else(|| RuntimeError::NotFound { what: "sandbox", id: id.to_owned() })
    }

    fn entry(&self, id: &str) -> Result<Arc<Entry>, RuntimeError> {
        let found = self.containers.lock().get(id).cloned();
        found.ok_or_else(|| RuntimeError::NotFound { what: "container", id: id.to_owned() })
    }

    fn in_sandbox(&self, id: &str) -> Vec<String> {
        let containers = self.containers.lock();
        containers
            .values()
            .filter(|entry| entry.record().config.sandbox_id == id)
            .map(|entry| entry.record().config.id.clone())
            .collect()
    }

    /// The first process of a running container in the sandbox.
    fn process_of(&self, id: &str, sandbox: &Sandbox) -> Result<i32, RuntimeError> {
        let entry = self.entry(id)?;
        let container = entry.container();
        let pid = container.pid.filter(|_| container.config.sandbox_id == sandbox.config.id);
        pid.ok_or_else(|| RuntimeError::NotFound { what: "running container", id: id.to_owned() })
    }

    async fn make(&self, config: ContainerConfig, sandbox: Sandbox) -> Result<Arc<Entry>, RuntimeError> {
        let dir = self.containers_dir.join(&config.id);
        let (images, store, place) = (self.images.clone(), self.store.clone(), dir.clone());
        let target = config.process_namespace_of.as_deref().map(|id| self.process_of(id, &sandbox));
        let target = target.transpose()?;
        let record = crate::blocking(move || {
            let surroundings = Surroundings { images: &images, sandboxes: &store, sandbox: &sandbox, target };
            prepare(&config, &place, &surroundings)
        })
        .await?;
        match start_shim(&self.shim_program, &dir).await {
            Ok((shim, pid)) => {
                let status = Status { state: State::Created, pid: Some(pid) };
                let entry = Entry::new(record, dir, status, self.changes.clone());
                entry.follow(shim);
                Ok(entry)
            }
            Err(e) => {
                let cleaned = crate::blocking_io(move || remove::clean_up(&dir, Some(&record.cgroup))).await;
                if let Err(e) = cleaned {
                    tracing::warn!(error = %e, "a container that could not be created is not removed");
                }
                Err(e)
            }
        }
    }

    async fn create_sandbox(&self, config: SandboxConfig) -> Result<Sandbox, RuntimeError> {
        let store = self.store.clone();
        let sandbox = crate::blocking(move || store.create(config)).await?;
        self.sandboxes.lock().insert(sandbox.config.id.clone(), sandbox.clone());
        Ok(sandbox)
    }

    async fn remove_sandbox(&self, id: &str) -> Result<(), RuntimeError> {
        let Ok(sandbox) = self.sandbox(id) else { return Ok(()) };
        for container in self.in_sandbox(id) {
            self.remove_container(&container).await?;
        }
        let store = self.store.clone();
        crate::blocking(move || store.remove(&sandbox.config)).await?;
        self.sandboxes.lock().remove(id);
        Ok(())
    }

    async fn create_container(&self, config: ContainerConfig) -> Result<(), RuntimeError> {
        check_id(&config.id)?;
        let id = config.id.clone();
        let sandbox = self.sandbox(&config.sandbox_id)?;
        if self.containers.lock().contains_key(&id) || self.containers_dir.join(&id).exists() {
            return Err(RuntimeError::Other(format!("container {id} exists already")));
        }
        let entry = self.make(config, sandbox).await?;
        self.containers.lock().insert(id, entry);
        Ok(())
    }

    async fn start_container(&self, id: &str) -> Result<(), RuntimeError> {
        let entry = self.entry(id)?;
        let failed = |message| RuntimeError::Start { phase: phase::START, message };
        let answer = match ShimConnection::open(&entry.dir) {
            Ok(shim) => shim.ask(&Request::Start, &[]).await,
            Err(e) => Err(e),
        };
        match answer {
            Ok((Reply::Started { at_ms }, _)) => {
                entry.advance(State::Running { started_at_ms: at_ms });
                Ok(())
            }
            Ok((Reply::StartFailed { message }, _)) => {
                // The caller finds the exit recorded.
                let _ = tokio::time::timeout(FAILED_START, entry.exited()).await;
                Err(failed(message))
            }
            Ok((other, _)) => Err(failed(format!("the shim answered {other:?}"))),
            Err(e) if is_gone(&e) => Err(failed("the container has exited before it was started".to_owned())),
            Err(e) => Err(shim_error(id, e)),
        }
    }

    async fn update_container(
        &self,
        id: &str,
        resources: Resources,
        labels: BTreeMap<String, String>,
    ) -> Result<(), RuntimeError> {
        let entry = self.entry(id)?;
        let fail = |source| RuntimeError::Io { what: format!("set limits of container {id}"), source };
        crate::blocking_io(move || entry.update(resources, labels)).await.map_err(fail)
    }

    async fn update_sandbox(&self, id: &str, resources: Resources) -> Result<(), RuntimeError> {
        let mut sandbox = self.sandbox(id)?;
        sandbox.config.resources = resources;
        let (store, updated) = (self.store.clone(), sandbox.clone());
        let fail = |source| RuntimeError::Io { what: format!("set limits of sandbox {id}"), source };
        crate::blocking_io(move || store.update(&updated)).await.map_err(fail)?;
        self.sandboxes.lock().insert(id.to_owned(), sandbox);
        Ok(())
    }

    async fn remove_container(&self, id: &str) -> Result<(), RuntimeError> {
        let Ok(entry) = self.entry(id) else { return Ok(()) };
        let fail = |source| RuntimeError::Io { what: format!("remove container {id}"), source };
        remove::remove(&entry).await.map_err(fail)?;
        self.containers.lock().remove(id);
        Ok(())
    }
}

fn absolute(path: &Path) -> Result<PathBuf, RuntimeError> {
    let fail = |source| RuntimeError::Io { what: format!("data directory {}", path.display()), source };
    std::fs::create_dir_all(path).map_err(fail)?;
    path.canonicalize().map_err(fail)
}

/// The shim could not be asked; what that means for the caller.
fn shim_error(id: &str, error: io::Error) -> RuntimeError {
    RuntimeError::Io { what: format!("ask the shim of container {id}"), source: error }
}

#[async_trait]
impl Runtime for OrchRuntime {
    async fn create_sandbox(&self, config: SandboxConfig) -> Result<Sandbox, RuntimeError> {
        self.wholly(|inner| async move { inner.create_sandbox(config).await }).await
    }

    async fn remove_sandbox(&self, id: &str) -> Result<(), RuntimeError> {
        let id = id.to_owned();
        self.wholly(|inner| async move { inner.remove_sandbox(&id).await }).await
    }

    async fn create_container(&self, config: ContainerConfig) -> Result<(), RuntimeError> {
        self.wholly(|inner| async move { inner.create_container(config).await }).await
    }

    async fn start_container(&self, id: &str) -> Result<(), RuntimeError> {
        let id = id.to_owned();
        self.wholly(|inner| async move { inner.start_container(&id).await }).await
    }

    async fn update_sandbox(&self, id: &str, resources: Resources) -> Result<(), RuntimeError> {
        let id = id.to_owned();
        self.wholly(|inner| async move { inner.update_sandbox(&id, resources).await }).await
    }

    async fn update_container(
        &self,
        id: &str,
        resources: Resources,
        labels: BTreeMap<String, String>,
    ) -> Result<(), RuntimeError> {
        let id = id.to_owned();
        self.wholly(|inner| async move { inner.update_container(&id, resources, labels).await }).await
    }

    async fn remove_container(&self, id: &str) -> Result<(), RuntimeError> {
        let id = id.to_owned();
        self.wholly(|inner| async move { inner.remove_container(&id).await }).await
    }

    async fn sandboxes(&self) -> Result<Vec<Sandbox>, RuntimeError> {
        Ok(self.inner.sandboxes.lock().values().cloned().collect())
    }

    async fn signal_container(&self, id: &str, signal: i32) -> Result<(), RuntimeError> {
        let entry = self.inner.entry(id)?;
        if matches!(entry.state(), State::Exited(_)) {
            return Ok(());
        }
        let answer = match ShimConnection::open(&entry.dir) {
            Ok(shim) => shim.ask(&Request::Signal { signal }, &[]).await,
            Err(e) => Err(e),
        };
        match answer {
            Ok((Reply::Failed { message }, _)) => Err(RuntimeError::Other(message)),
            Ok(_) => Ok(()),
            // It has exited just now.
            Err(e) if is_gone(&e) => Ok(()),
            Err(e) => Err(shim_error(id, e)),
        }
    }

    async fn containers(&self) -> Result<Vec<Container>, RuntimeError> {
        Ok(self.inner.containers.lock().values().map(|entry| entry.container()).collect())
    }

    async fn container(&self, id: &str) -> Result<Container, RuntimeError> {
        Ok(self.inner.entry(id)?.container())
    }

    fn changes(&self) -> broadcast::Receiver<Changed> {
        self.inner.changes.subscribe()
    }

    async fn stats(&self, id: &str) -> Result<Stats, RuntimeError> {
        let cgroup = self.inner.entry(id)?.cgroup();
        let id = id.to_owned();
        crate::blocking(move || {
            cgroup.stats().map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => RuntimeError::NotFound { what: "running container", id },
                _ => RuntimeError::Io { what: format!("read statistics of container {id}"), source },
            })
        })
        .await
    }

    async fn exec(&self, id: &str, request: ExecRequest) -> Result<i32, RuntimeError> {
        streams::exec(&self.inner.entry(id)?.dir, request).await
    }

    async fn attach(&self, id: &str, request: ExecRequest) -> Result<(), RuntimeError> {
        streams::attach(&self.inner.entry(id)?.dir, request).await
    }

    async fn connect(
        &self,
        sandbox_id: &str,
        ip: IpAddr,
        port: u16,
    ) -> Result<tokio::net::TcpStream, RuntimeError> {
        let sandbox = self.inner.sandbox(sandbox_id)?;
        let address = sandbox::address(ip, port);
        sandbox::connect(sandbox.network_namespace, address)
            .await
            .map_err(|source| RuntimeError::Io { what: format!("connect to {address}"), source })
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, RuntimeError> {
        self.inner.images.image(reference).await
    }

    async fn pull(&self, reference: &str, credentials: Credentials) -> Result<Image, RuntimeError> {
        self.inner.images.pull(reference, credentials).await
    }

    async fn import(
        &self,
        archive: BoxStream<'static, io::Result<Bytes>>,
    ) -> Result<Vec<Image>, RuntimeError> {
        self.inner.images.import(archive).await
    }

    async fn images(&self) -> Result<Vec<Image>, RuntimeError> {
        self.inner.images.images().await
    }

    async fn remove_image(&self, id: &str) -> Result<(), RuntimeError> {
        self.inner.images.remove(id).await
    }
}
