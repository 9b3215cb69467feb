//! What users ask of running pods: logs, exec, attach, port-forward.

mod line;
mod logs;
mod target;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use orch_client::Status;
use orch_client::node::{
    Duplex, ExitCode, LogOptions, NodeConnection, PodRef, Reader, Stdio, TerminalSize, Writer,
};
use orch_container::runtime::{ExecRequest, RuntimeError};
use tokio::io::{AsyncWriteExt, DuplexStream, copy, copy_bidirectional, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::agent::NodeAgent;

/// Between the runtime and the client's stream.
const BUFFER: usize = 32 * 1024;

#[async_trait]
impl NodeConnection for NodeAgent {
    async fn logs(
        &self,
        pod: &PodRef,
        options: &LogOptions,
    ) -> Result<BoxStream<'static, std::io::Result<Bytes>>, Status> {
        let (spec, record) = self.see(pod)?;
        let container = target::container(&spec, &options.container)?;
        let attempt = target::logged(&spec, &record, container, options.previous)?;
        let (pods, uid, id) = (self.agent.pods.clone(), spec.metadata.uid.clone(), attempt.id.clone());
        let runs = move || {
            let view = pods.view(&uid).map(|view| view.see());
            view.is_some_and(|(_, record)| target::runs(&record, &id))
        };
        logs::read(attempt.log_path.clone(), options.clone(), Box::new(runs)).await
    }

    async fn exec(
        &self,
        pod: &PodRef,
        container: &str,
        command: Vec<String>,
        stdio: Stdio,
    ) -> Result<ExitCode, Status> {
        let id = self.running(pod, container)?;
        let (request, outputs) = request(command, stdio);
        let result = self.agent.runtime.exec(&id, request).await;
        outputs.join_all().await;
        result.map(ExitCode).map_err(|e| failed("exec", &e))
    }

    async fn attach(&self, pod: &PodRef, container: &str, stdio: Stdio) -> Result<(), Status> {
        let id = self.running(pod, container)?;
        let (request, outputs) = request(vec![], stdio);
        let result = self.agent.runtime.attach(&id, request).await;
        outputs.join_all().await;
        result.map_err(|e| failed("attach", &e))
    }

    async fn port_forward(
        &self,
        pod: &PodRef,
        port: u16,
        mut connection: Box<dyn Duplex>,
    ) -> Result<(), Status> {
        let (spec, record) = self.see(pod)?;
        let sandbox = record.sandbox.handle().ok_or_else(|| {
            Status::bad_request(format!("unable to forward port because pod is not running: {}", spec.key()))
        })?;
        let mut inside = self.connect(&sandbox.id, port).await?;
        // A broken pipe is how either side says that it has had enough.
        if let Err(error) = copy_bidirectional(&mut inside, &mut connection).await {
            tracing::debug!(pod = spec.key(), port, %error, "port-forward ended");
        }
        Ok(())
    }
}

impl NodeAgent {
    fn running(&self, pod: &PodRef, container: &str) -> Result<String, Status> {
        let (spec, record) = self.see(pod)?;
        target::running(&spec, &record, target::container(&spec, container)?)
    }

    async fn connect(&self, sandbox_id: &str, port: u16) -> Result<tokio::net::TcpStream, Status> {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let mut refused = String::new();
        for ip in loopback {
            match self.agent.runtime.connect(sandbox_id, ip, port).await {
                Ok(stream) => return Ok(stream),
                Err(error) => refused.push_str(&format!(" {ip}: {error};")),
            }
        }
        Err(Status::internal(format!(
            "failed to connect to localhost:{port} inside the pod's network:{refused}"
        )))
    }
}

fn failed(what: &str, error: &RuntimeError) -> Status {
    match error {
        RuntimeError::NotFound { id, .. } => {
            Status::new(404, "NotFound", format!("container not found ({id:?})"))
        }
        RuntimeError::InvalidImage { .. }
        | RuntimeError::Pull { .. }
        | RuntimeError::Start { .. }
        | RuntimeError::Io { .. }
        | RuntimeError::Other(_) => Status::internal(format!("{what}: {error}")),
    }
}

/// The runtime's request, and the tasks that carry its output; they end with the runtime's side, and
/// shut the client's writers down.
fn request(command: Vec<String>, stdio: Stdio) -> (ExecRequest, JoinSet<()>) {
    let mut outputs = JoinSet::new();
    let Stdio { stdin, stdout, stderr, tty, resize } = stdio;
    let request = ExecRequest {
        command,
        tty,
        stdin: stdin.map(|reader: Reader| -> Box<dyn tokio::io::AsyncRead + Send + Unpin> { reader }),
        stdout: stdout.map(|writer| carried(writer, &mut outputs)),
        stderr: stderr.map(|writer| carried(writer, &mut outputs)),
        resize: sizes(resize),
    };
    (request, outputs)
}

fn carried(mut writer: Writer, outputs: &mut JoinSet<()>) -> Box<dyn tokio::io::AsyncWrite + Send + Unpin> {
    let (near, mut far): (DuplexStream, DuplexStream) = duplex(BUFFER);
    outputs.spawn(async move {
        // The client may leave at any time.
        let _ = copy(&mut far, &mut writer).await;
        let _ = writer.shutdown().await;
    });
    Box::new(near)
}

fn sizes(mut from: mpsc::Receiver<TerminalSize>) -> mpsc::Receiver<(u16, u16)> {
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        while let Some(TerminalSize { columns, rows }) = from.recv().await {
            if sender.send((columns, rows)).await.is_err() {
                return;
            }
        }
    });
    receiver
}
