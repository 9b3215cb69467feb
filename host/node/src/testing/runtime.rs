use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use orch_container::runtime::{
    Changed, Container, ContainerConfig, Credentials, ExecRequest, Exit, Image, Resources, Runtime,
    RuntimeError, Sandbox, SandboxConfig, State, Stats,
};
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::sync::broadcast;

use crate::pod::labels;

/// What a container does once started. The last of a script is repeated.
#[derive(Debug, Clone)]
pub enum Behaviour {
    Run,
    /// Runs on after SIGTERM.
    Stubborn,
    Exit {
        after: Duration,
        code: i32,
    },
    FailToStart(&'static str),
}

#[derive(Default)]
struct Inner {
    sandboxes: BTreeMap<String, Sandbox>,
    containers: BTreeMap<String, Container>,
    images: HashSet<String>,
    pullable: HashSet<String>,
    scripts: HashMap<String, VecDeque<Behaviour>>,
    running: HashMap<String, Behaviour>,
    execs: HashMap<String, (i32, String)>,
    calls: Vec<String>,
    /// Why the kernel does not take a container's limits.
    refusals: HashMap<String, String>,
}

pub struct FakeRuntime {
    inner: Arc<Mutex<Inner>>,
    changes: broadcast::Sender<Changed>,
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl FakeRuntime {
    pub fn new() -> Self {
        FakeRuntime { inner: Arc::default(), changes: broadcast::channel(1024).0 }
    }
    pub fn add_image(&self, name: &str) {
        self.inner.lock().images.insert(name.into());
    }
    pub fn make_pullable(&self, name: &str) {
        self.inner.lock().pullable.insert(name.into());
    }
    /// What the container of this name does at its first, second, … start.
    pub fn script(&self, container: &str, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.inner.lock().scripts.insert(container.into(), behaviours.into_iter().collect());
    }
    /// How a command ends.
    pub fn answer(&self, command: &str, code: i32, output: &str) {
        self.inner.lock().execs.insert(command.into(), (code, output.into()));
    }
    pub fn refuse_resizes(&self, container: &str, why: &str) {
        self.inner.lock().refusals.insert(container.into(), why.into());
    }
    pub fn take_resizes(&self, container: &str) {
        self.inner.lock().refusals.remove(container);
    }
    pub fn calls(&self) -> Vec<String> {
        self.inner.lock().calls.clone()
    }
    pub fn count(&self, prefix: &str) -> usize {
        self.inner.lock().calls.iter().filter(|call| call.starts_with(prefix)).count()
    }
    pub fn is_empty(&self) -> bool {
        let inner = self.inner.lock();
        inner.sandboxes.is_empty() && inner.containers.is_empty()
    }
    pub fn ids(&self) -> Vec<String> {
        self.inner.lock().containers.keys().cloned().collect()
    }
    pub fn config_of(&self, container: &str) -> ContainerConfig {
        let inner = self.inner.lock();
        let found = inner.containers.values().rev().find(|c| name(&c.config) == container);
        found.unwrap().config.clone()
    }
    /// The container of this name ends by itself.
    pub fn exit(&self, container: &str, code: i32) {
        let id = {
            let inner = self.inner.lock();
            let running =
                inner.containers.values().find(|c| name(&c.config) == container && is_running(c)).unwrap();
            running.config.id.clone()
        };
        end(&self.inner, &self.changes, &id, code, None);
    }

    fn call(&self, what: String) {
        self.inner.lock().calls.push(what);
    }
}

fn name(config: &ContainerConfig) -> &str {
    &config.labels[labels::CONTAINER_NAME]
}

fn is_running(container: &Container) -> bool {
    matches!(container.state, State::Running { .. })
}

fn end(
    inner: &Arc<Mutex<Inner>>,
    changes: &broadcast::Sender<Changed>,
    id: &str,
    code: i32,
    start_error: Option<String>,
) {
    let mut locked = inner.lock();
    locked.running.remove(id);
    let Some(container) = locked.containers.get_mut(id) else { return };
    let started_at_ms = match container.state {
        State::Running { started_at_ms } => started_at_ms,
        State::Created => 0,
        State::Exited(_) => return,
    };
    container.state = State::Exited(Exit {
        code,
        signal: None,
        oom_killed: false,
        started_at_ms,
        finished_at_ms: now_ms(),
        start_error,
    });
    let _ = changes.send(Changed { container_id: id.into() });
}

fn image_of(reference: &str) -> Image {
    Image {
        id: format!("sha256:{reference}"),
        tags: vec![reference.into()],
        digests: vec![],
        size_bytes: 1,
        user: String::new(),
        stop_signal: None,
    }
}

fn not_found(id: &str) -> RuntimeError {
    RuntimeError::NotFound { what: "container", id: id.into() }
}

#[async_trait]
impl Runtime for FakeRuntime {
    async fn create_sandbox(&self, config: SandboxConfig) -> Result<Sandbox, RuntimeError> {
        self.call("create_sandbox".into());
        let network_namespace = (!config.host_network).then(|| format!("/fake/{}", config.id).into());
        let sandbox = Sandbox { config, network_namespace, created_at_ms: now_ms() };
        self.inner.lock().sandboxes.insert(sandbox.config.id.clone(), sandbox.clone());
        Ok(sandbox)
    }
    async fn remove_sandbox(&self, id: &str) -> Result<(), RuntimeError> {
        self.call("remove_sandbox".into());
        self.inner.lock().sandboxes.remove(id);
        Ok(())
    }
    async fn update_sandbox(&self, id: &str, resources: Resources) -> Result<(), RuntimeError> {
        self.call("resize pod".into());
        let mut inner = self.inner.lock();
        let sandbox = inner.sandboxes.get_mut(id).ok_or_else(|| not_found(id))?;
        sandbox.config.resources = resources;
        Ok(())
    }
    async fn update_container(
        &self,
        id: &str,
        resources: Resources,
        labels: BTreeMap<String, String>,
    ) -> Result<(), RuntimeError> {
        let mut inner = self.inner.lock();
        let name_of = name(&inner.containers.get(id).ok_or_else(|| not_found(id))?.config).to_string();
        if let Some(why) = inner.refusals.get(&name_of) {
            let what = format!("resize {name_of}");
            return Err(RuntimeError::Io { what, source: std::io::Error::other(why.clone()) });
        }
        let container = inner.containers.get_mut(id).ok_or_else(|| not_found(id))?;
        container.config.resources = resources;
        container.config.labels.extend(labels);
        let call = format!("resize {}", name(&container.config));
        inner.calls.push(call);
        Ok(())
    }
    async fn sandboxes(&self) -> Result<Vec<Sandbox>, RuntimeError> {
        Ok(self.inner.lock().sandboxes.values().cloned().collect())
    }

    async fn create_container(&self, config: ContainerConfig) -> Result<(), RuntimeError> {
        self.call(format!("create {}", name(&config)));
        let id = config.id.clone();
        let container = Container { config, state: State::Created, pid: None, created_at_ms: now_ms() };
        self.inner.lock().containers.insert(id, container);
        Ok(())
    }
    async fn start_container(&self, id: &str) -> Result<(), RuntimeError> {
        let behaviour = {
            let mut inner = self.inner.lock();
            let container = inner.containers.get_mut(id).ok_or_else(|| not_found(id))?;
            let name = name(&container.config).to_string();
            container.state = State::Running { started_at_ms: now_ms() };
            inner.calls.push(format!("start {name}"));
            let script = inner.scripts.entry(name).or_default();
            let behaviour = if script.len() > 1 { script.pop_front() } else { script.front().cloned() };
            let behaviour = behaviour.unwrap_or(Behaviour::Run);
            inner.running.insert(id.to_string(), behaviour.clone());
            behaviour
        };
        match behaviour {
            Behaviour::Run | Behaviour::Stubborn => {}
            Behaviour::FailToStart(why) => {
                end(&self.inner, &self.changes, id, 127, Some(why.into()));
                return Err(RuntimeError::Start { phase: "start", message: why.into() });
            }
            Behaviour::Exit { after, code } => {
                let (inner, changes, id) = (self.inner.clone(), self.changes.clone(), id.to_string());
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    end(&inner, &changes, &id, code, None);
                });
            }
        }
        let _ = self.changes.send(Changed { container_id: id.into() });
        Ok(())
    }
    async fn signal_container(&self, id: &str, signal: i32) -> Result<(), RuntimeError> {
        let stubborn = {
            let mut inner = self.inner.lock();
            let Some(container) = inner.containers.get(id) else { return Ok(()) };
            let call = format!("signal {} {signal}", name(&container.config));
            inner.calls.push(call);
            matches!(inner.running.get(id), Some(Behaviour::Stubborn))
        };
        if signal == 9 || !stubborn {
            end(&self.inner, &self.changes, id, 128 + signal, None);
        }
        Ok(())
    }
    async fn remove_container(&self, id: &str) -> Result<(), RuntimeError> {
        if let Some(container) = self.inner.lock().containers.remove(id) {
            drop(container);
        }
        Ok(())
    }
    async fn containers(&self) -> Result<Vec<Container>, RuntimeError> {
        Ok(self.inner.lock().containers.values().cloned().collect())
    }
    async fn container(&self, id: &str) -> Result<Container, RuntimeError> {
        self.inner.lock().containers.get(id).cloned().ok_or_else(|| not_found(id))
    }
    fn changes(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }
    async fn stats(&self, _id: &str) -> Result<Stats, RuntimeError> {
        Ok(Stats::default())
    }

    async fn exec(&self, id: &str, request: ExecRequest) -> Result<i32, RuntimeError> {
        let command = request.command.join(" ");
        let (code, output) = {
            let mut inner = self.inner.lock();
            let name = inner.containers.get(id).map(|c| name(&c.config).to_string()).unwrap_or_default();
            inner.calls.push(format!("exec {name} {command}"));
            inner.execs.get(&command).cloned().unwrap_or((0, String::new()))
        };
        if let Some(mut stdout) = request.stdout {
            stdout.write_all(output.as_bytes()).await.unwrap();
        }
        Ok(code)
    }
    async fn attach(&self, _id: &str, _request: ExecRequest) -> Result<(), RuntimeError> {
        Ok(())
    }
    async fn connect(&self, _: &str, ip: IpAddr, port: u16) -> Result<tokio::net::TcpStream, RuntimeError> {
        let connect = tokio::net::TcpStream::connect((ip, port)).await;
        connect.map_err(|source| RuntimeError::Io { what: "connect".into(), source })
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, RuntimeError> {
        if reference.chars().any(char::is_uppercase) {
            let message = "invalid reference format".into();
            return Err(RuntimeError::InvalidImage { reference: reference.into(), message });
        }
        Ok(self.inner.lock().images.contains(reference).then(|| image_of(reference)))
    }
    async fn pull(&self, reference: &str, _: Credentials) -> Result<Image, RuntimeError> {
        self.call(format!("pull {reference}"));
        let mut inner = self.inner.lock();
        if !inner.pullable.contains(reference) {
            return Err(RuntimeError::Pull { reference: reference.into(), message: "not found".into() });
        }
        inner.images.insert(reference.into());
        Ok(image_of(reference))
    }
    async fn import(
        &self,
        _: BoxStream<'static, std::io::Result<Bytes>>,
    ) -> Result<Vec<Image>, RuntimeError> {
        Ok(vec![])
    }
    async fn images(&self) -> Result<Vec<Image>, RuntimeError> {
        Ok(self.inner.lock().images.iter().map(|name| image_of(name)).collect())
    }
    async fn remove_image(&self, _: &str) -> Result<(), RuntimeError> {
        Ok(())
    }
}
