//! What the API asks of a node on behalf of a user: logs, exec, attach, port-forward.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use orch_object::Status;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

pub type Reader = Box<dyn AsyncRead + Send + Unpin>;
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// One connection carried both ways (port-forward).
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRef {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    pub columns: u16,
    pub rows: u16,
}

/// The streams of an exec or attach; `None`: not asked for. With `tty`, stderr is `None` and all
/// output goes to stdout. The callee shuts the writers down before it returns.
pub struct Stdio {
    pub stdin: Option<Reader>,
    pub stdout: Option<Writer>,
    pub stderr: Option<Writer>,
    pub tty: bool,
    pub resize: mpsc::Receiver<TerminalSize>,
}

/// `PodLogOptions`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Empty: the only container, or the `kubectl.kubernetes.io/default-container`.
    pub container: String,
    pub follow: bool,
    pub previous: bool,
    pub timestamps: bool,
    pub tail_lines: Option<usize>,
    pub limit_bytes: Option<usize>,
    /// Milliseconds since the epoch: `sinceTime`, or now less `sinceSeconds`.
    pub since_ms: Option<i64>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode(pub i32);

/// A node, reached in process or over its HTTPS port.
#[async_trait]
pub trait NodeConnection: Send + Sync + 'static {
    /// 400 with upstream's words when the container waits to start or does not exist.
    async fn logs(
        &self,
        pod: &PodRef,
        options: &LogOptions,
    ) -> Result<BoxStream<'static, std::io::Result<Bytes>>, Status>;
    async fn exec(
        &self,
        pod: &PodRef,
        container: &str,
        command: Vec<String>,
        stdio: Stdio,
    ) -> Result<ExitCode, Status>;
    /// Ends when the container does or the client leaves.
    async fn attach(&self, pod: &PodRef, container: &str, stdio: Stdio) -> Result<(), Status>;
    /// Connects to `port` on the loopback of the pod's network namespace and copies both ways.
    async fn port_forward(&self, pod: &PodRef, port: u16, connection: Box<dyn Duplex>) -> Result<(), Status>;
}

/// Finds the node a pod is on.
pub trait Nodes: Send + Sync + 'static {
    /// `None`: no such node, or it is out of reach.
    fn connection(&self, node_name: &str) -> Option<std::sync::Arc<dyn NodeConnection>>;
}
