//! What the node agent asks of containers. Two implementations: the real one here, and the node
//! agent's scripted fake.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, mpsc};

#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("no such {what}: {id}")]
    NotFound { what: &'static str, id: String },
    /// The reference is not one (`InvalidImageName`).
    #[error("couldn't parse image name \"{reference}\": {message}")]
    InvalidImage { reference: String, message: String },
    /// The registry answered no, or not at all (`ErrImagePull`).
    #[error("failed to pull image \"{reference}\": {message}")]
    Pull { reference: String, message: String },
    /// The container could not be made (`CreateContainerError`) or started (`RunContainerError`, `StartError`).
    #[error("{phase}: {message}")]
    Start { phase: &'static str, message: String },
    #[error("{what}: {source}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{0}")]
    Other(String),
}

/// What [`RuntimeError::Start`] was about, in the words of a container's waiting or terminated reason.
pub mod phase {
    pub const CONFIG: &str = "CreateContainerConfigError";
    pub const CREATE: &str = "CreateContainerError";
    /// The command could not be executed; the container has exited with code 128.
    pub const START: &str = "StartError";
    /// A command in a running container could not be executed.
    pub const EXEC: &str = "ExecError";
}

/// The namespaces and cgroup that a pod's containers share. Pinned files, no process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxConfig {
    /// Unique; the pod's uid with an attempt number.
    pub id: String,
    pub hostname: String,
    pub host_network: bool,
    pub host_ipc: bool,
    pub host_pid: bool,
    /// Namespaced sysctls of the pod.
    pub sysctls: BTreeMap<String, String>,
    /// Below orch's own cgroup root: `burstable/pod<uid>`.
    pub cgroup_parent: String,
    pub resources: Resources,
    /// Kept and given back, so that the agent finds its own again after a restart.
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sandbox {
    pub config: SandboxConfig,
    /// The pinned network namespace; `None` with host network.
    pub network_namespace: Option<PathBuf>,
    pub created_at_ms: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// Relative weight, as cgroup v1 `cpu.shares` (2 to 262144).
    pub cpu_shares: Option<u64>,
    /// Microseconds of CPU per period.
    pub cpu_quota_us: Option<i64>,
    pub cpu_period_us: Option<u64>,
    pub memory_limit_bytes: Option<i64>,
    pub pids_limit: Option<i64>,
    pub oom_score_adj: Option<i32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    pub source: PathBuf,
    pub destination: PathBuf,
    pub read_only: bool,
    pub recursive_read_only: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Security {
    pub privileged: bool,
    pub read_only_root: bool,
    pub no_new_privileges: bool,
    /// `None`: the image's user.
    pub user: Option<u32>,
    pub group: Option<u32>,
    pub supplementary_groups: Vec<u32>,
    /// Names without `CAP_`; `ALL` is allowed.
    pub add_capabilities: Vec<String>,
    pub drop_capabilities: Vec<String>,
    pub seccomp: Seccomp,
    /// Fail unless the container's user is known not to be 0 (`runAsNonRoot`).
    pub must_be_non_root: bool,
    /// `procMount: Unmasked`
    pub unmasked_proc: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Seccomp {
    #[default]
    RuntimeDefault,
    Unconfined,
    /// A profile in the OCI/Docker JSON format.
    Localhost(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerConfig {
    /// Unique; also the container ID users see (64 hex digits).
    pub id: String,
    pub sandbox_id: String,
    /// A container of the same sandbox whose processes this one sees and signals; `None`: its own alone.
    #[serde(default)]
    pub process_namespace_of: Option<String>,
    /// What [`Runtime::pull`] or [`Runtime::image`] returned.
    pub image_id: String,
    /// Overrides the image's entrypoint when not empty.
    pub command: Vec<String>,
    /// Overrides the image's command when not empty, or when `command` is set.
    pub args: Vec<String>,
    pub working_dir: String,
    /// Over the image's own environment, in order.
    pub env: Vec<(String, String)>,
    pub mounts: Vec<Mount>,
    pub devices: Vec<PathBuf>,
    pub resources: Resources,
    pub security: Security,
    pub stdin: bool,
    pub stdin_once: bool,
    pub tty: bool,
    /// Written in the CRI log format: `TIME stdout|stderr F|P LINE`.
    pub log_path: PathBuf,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum State {
    Created,
    Running { started_at_ms: i64 },
    Exited(Exit),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// 128 + signal when killed by one.
    pub code: i32,
    pub signal: Option<i32>,
    pub oom_killed: bool,
    pub started_at_ms: i64,
    pub finished_at_ms: i64,
    /// Why the process never ran (`exec: "/nope": no such file or directory`); the code is then 127 or 128.
    pub start_error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Container {
    pub config: ContainerConfig,
    pub state: State,
    pub pid: Option<i32>,
    pub created_at_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// `sha256:…` of the image's configuration.
    pub id: String,
    /// Normalised: `docker.io/library/busybox:1.37`.
    pub tags: Vec<String>,
    /// `repository@sha256:…`
    pub digests: Vec<String>,
    pub size_bytes: u64,
    /// The configured user as the image says it (`1000`, `nobody`, `1:2`), or empty.
    pub user: String,
    pub stop_signal: Option<String>,
}

/// Registry credentials for one pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    Anonymous,
    Basic { username: String, password: String },
    Bearer(String),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    pub cpu_usage_ns: u64,
    pub memory_working_set_bytes: u64,
    pub memory_usage_bytes: u64,
    pub pids: u64,
}

/// Something happened to a container; ask for its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub container_id: String,
}

pub struct ExecRequest {
    pub command: Vec<String>,
    pub tty: bool,
    pub stdin: Option<Box<dyn AsyncRead + Send + Unpin>>,
    pub stdout: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    pub stderr: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// (columns, rows)
    pub resize: mpsc::Receiver<(u16, u16)>,
}

/// Containers, sandboxes and images on this machine. Containers live on when the daemon stops; a
/// new one finds them by [`Runtime::sandboxes`] and [`Runtime::containers`].
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    async fn create_sandbox(&self, config: SandboxConfig) -> Result<Sandbox, RuntimeError>;
    /// Kills what is left in it, removes namespaces and cgroup; no error when it is gone.
    async fn remove_sandbox(&self, id: &str) -> Result<(), RuntimeError>;
    async fn sandboxes(&self) -> Result<Vec<Sandbox>, RuntimeError>;
    /// Other limits for all its containers together.
    async fn update_sandbox(&self, id: &str, resources: Resources) -> Result<(), RuntimeError>;

    async fn create_container(&self, config: ContainerConfig) -> Result<(), RuntimeError>;
    /// Returns when the process runs, or with the reason why it cannot.
    async fn start_container(&self, id: &str) -> Result<(), RuntimeError>;
    /// Sends a signal (`SIGTERM`) to the container's first process; no error when it has exited.
    async fn signal_container(&self, id: &str, signal: i32) -> Result<(), RuntimeError>;
    /// Other limits for a container while it runs (not its OOM score); the labels are added to its own.
    async fn update_container(
        &self,
        id: &str,
        resources: Resources,
        labels: BTreeMap<String, String>,
    ) -> Result<(), RuntimeError>;
    /// Kills what still runs, unmounts, removes all but the log; no error when it is gone.
    async fn remove_container(&self, id: &str) -> Result<(), RuntimeError>;
    async fn containers(&self) -> Result<Vec<Container>, RuntimeError>;
    async fn container(&self, id: &str) -> Result<Container, RuntimeError>;
    /// Starts and exits, as they happen. A lagging receiver asks for [`Runtime::containers`].
    fn changes(&self) -> broadcast::Receiver<Changed>;
    async fn stats(&self, id: &str) -> Result<Stats, RuntimeError>;

    /// Runs a command inside, under the container's own confinement; the exit code. The future's
    /// drop kills the command.
    async fn exec(&self, id: &str, request: ExecRequest) -> Result<i32, RuntimeError>;
    /// Streams of the running container; ends when it exits or the client leaves.
    async fn attach(&self, id: &str, request: ExecRequest) -> Result<(), RuntimeError>;
    /// A TCP connection to an address as seen from the sandbox's network namespace.
    async fn connect(
        &self,
        sandbox_id: &str,
        ip: IpAddr,
        port: u16,
    ) -> Result<tokio::net::TcpStream, RuntimeError>;

    /// The image a reference names, when it is here.
    async fn image(&self, reference: &str) -> Result<Option<Image>, RuntimeError>;
    async fn pull(&self, reference: &str, credentials: Credentials) -> Result<Image, RuntimeError>;
    /// A docker or OCI archive; every image in it.
    async fn import(
        &self,
        archive: BoxStream<'static, std::io::Result<Bytes>>,
    ) -> Result<Vec<Image>, RuntimeError>;
    async fn images(&self) -> Result<Vec<Image>, RuntimeError>;
    async fn remove_image(&self, id: &str) -> Result<(), RuntimeError>;
}
