//! A node that plays a few commands, and an API server just large enough for kubectl.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use orch_client::node::{Duplex, ExitCode, LogOptions, NodeConnection, PodRef, Stdio};
use orch_object::Status;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::encode::{full, status_response};
use crate::streams::{
    ExecOptions, PortForwardOptions, answer_log, log_options, serve_attach, serve_exec, serve_port_forward,
};

/// What the pod on the other side answers with on this port; every other port refuses.
pub const ECHO_PORT: u16 = 7;
/// Written by the command `big`.
pub const BIG: usize = 3 * 1024 * 1024 + 17;

pub struct FakeNode {
    /// Set when something that waits forever is dropped.
    pub dropped: CancellationToken,
    /// Set when it waits.
    pub waiting: watch::Sender<bool>,
}

pub struct Server {
    pub address: SocketAddr,
    pub node: Arc<FakeNode>,
    _stop: DropGuard,
}

impl Server {
    pub async fn start() -> Self {
        let node =
            Arc::new(FakeNode { dropped: CancellationToken::new(), waiting: watch::Sender::new(false) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let router = router(node.clone());
        tokio::spawn(async move {
            tokio::select! {
                result = axum::serve(listener, router) => result.unwrap(),
                () = stopped => {}
            }
        });
        Server { address, node, _stop: stop.drop_guard() }
    }

    pub async fn is_waiting(&self) {
        self.node.waiting.subscribe().wait_for(|waiting| *waiting).await.unwrap();
    }
}

type Node = Arc<dyn NodeConnection>;

fn router(node: Arc<FakeNode>) -> Router {
    let pod = "/api/v1/namespaces/default/pods/web";
    Router::new()
        .route("/api", get(async || answer(json!({"kind": "APIVersions", "versions": ["v1"]}))))
        .route(
            "/apis",
            get(async || answer(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}))),
        )
        .route("/api/v1", get(async || answer(resources())))
        .route(pod, get(async || answer(web())))
        .route(&format!("{pod}/exec"), any(exec))
        .route(&format!("{pod}/attach"), any(attach))
        .route(&format!("{pod}/portforward"), any(port_forward))
        .route(&format!("{pod}/log"), get(log))
        .with_state(node as Node)
}

fn answer(body: Value) -> Response {
    full(200, "application/json", body.to_string())
}

fn resources() -> Value {
    let resource = |name: &str, kind: &str, verbs: &[&str]| json!({"name": name, "singularName": "pod", "namespaced": true, "kind": kind, "verbs": verbs});
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1", "resources": [
        resource("pods", "Pod", &["get", "list"]),
        resource("pods/exec", "PodExecOptions", &["create", "get"]),
        resource("pods/attach", "PodAttachOptions", &["create", "get"]),
        resource("pods/portforward", "PodPortForwardOptions", &["create", "get"]),
        resource("pods/log", "Pod", &["get"]),
    ]})
}

fn web() -> Value {
    let container = json!({"name": "web", "image": "x", "stdin": true, "tty": false});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "uid": "u"},
        "spec": {"containers": [container]},
        "status": {"phase": "Running"},
    })
}

fn pod() -> PodRef {
    PodRef { namespace: "default".into(), name: "web".into(), uid: "u".into() }
}

async fn exec(State(node): State<Node>, RawQuery(query): RawQuery, request: Request) -> Response {
    match ExecOptions::exec(&query.unwrap_or_default()) {
        Ok(options) => serve_exec(request, node, pod(), options).await,
        Err(status) => status_response(&status),
    }
}

async fn attach(State(node): State<Node>, RawQuery(query): RawQuery, request: Request) -> Response {
    match ExecOptions::attach(&query.unwrap_or_default()) {
        Ok(options) => serve_attach(request, node, pod(), options).await,
        Err(status) => status_response(&status),
    }
}

async fn port_forward(State(node): State<Node>, RawQuery(query): RawQuery, request: Request) -> Response {
    match PortForwardOptions::parse(&query.unwrap_or_default()) {
        Ok(options) => serve_port_forward(request, node, pod(), options).await,
        Err(status) => status_response(&status),
    }
}

async fn log(State(node): State<Node>, RawQuery(query): RawQuery, request: Request) -> Response {
    match log_options(&query.unwrap_or_default(), "web", Timestamp::now()) {
        Ok(options) => answer_log(request, node, pod(), options).await,
        Err(status) => status_response(&status),
    }
}

impl FakeNode {
    async fn wait_forever(&self) -> ! {
        let _dropped = self.dropped.clone().drop_guard();
        self.waiting.send_replace(true);
        std::future::pending().await
    }

    async fn play(&self, command: &[&str], stdio: &mut Stdio) -> Result<ExitCode, Status> {
        match command {
            ["echo", words @ ..] => print(stdio, &format!("{}\n", words.join(" "))).await,
            ["cat"] => {
                let (Some(input), Some(output)) = (&mut stdio.stdin, &mut stdio.stdout) else {
                    return Ok(ExitCode(2));
                };
                tokio::io::copy(input, output).await.map_err(|e| Status::internal(e.to_string()))?;
            }
            ["fail", code] => {
                if let Some(stderr) = &mut stdio.stderr {
                    stderr.write_all(b"oops\n").await.unwrap();
                }
                return Ok(ExitCode(code.parse().unwrap()));
            }
            ["big"] => {
                let stdout = stdio.stdout.as_mut().unwrap();
                stdout.write_all(&vec![b'x'; BIG]).await.map_err(|e| Status::internal(e.to_string()))?;
            }
            ["size"] => {
                let size = stdio.resize.recv().await.unwrap();
                print(stdio, &format!("{}x{}\n", size.columns, size.rows)).await;
            }
            ["hang"] => {
                print(stdio, "started\n").await;
                self.wait_forever().await;
            }
            _ => return Err(Status::internal("no such command")),
        }
        Ok(ExitCode(0))
    }
}

async fn print(stdio: &mut Stdio, text: &str) {
    if let Some(stdout) = &mut stdio.stdout {
        stdout.write_all(text.as_bytes()).await.unwrap();
    }
}

#[async_trait]
impl NodeConnection for FakeNode {
    async fn logs(
        &self,
        _: &PodRef,
        options: &LogOptions,
    ) -> Result<BoxStream<'static, std::io::Result<Bytes>>, Status> {
        if options.previous {
            return Err(Status::bad_request(
                "previous terminated container \"web\" in pod \"web\" not found",
            ));
        }
        let lines = (1..=5).map(|n| Ok(Bytes::from(format!("line {n}\n")))).collect::<Vec<_>>();
        let lines = futures::stream::iter(lines.into_iter().skip(5 - options.tail_lines.unwrap_or(5)));
        if !options.follow {
            return Ok(lines.boxed());
        }
        let dropped = self.dropped.clone().drop_guard();
        self.waiting.send_replace(true);
        Ok(lines.chain(futures::stream::pending()).map(move |line| (&dropped, line).1).boxed())
    }

    async fn exec(
        &self,
        _: &PodRef,
        container: &str,
        command: Vec<String>,
        mut stdio: Stdio,
    ) -> Result<ExitCode, Status> {
        if !matches!(container, "" | "web") {
            return Err(Status::bad_request(format!("container not found ({container:?})")));
        }
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let outcome = self.play(&command, &mut stdio).await;
        for output in [&mut stdio.stdout, &mut stdio.stderr].into_iter().flatten() {
            let _ = output.shutdown().await;
        }
        outcome
    }

    async fn attach(&self, _: &PodRef, _: &str, mut stdio: Stdio) -> Result<(), Status> {
        print(&mut stdio, "attached\n").await;
        if stdio.stdin.is_some() {
            self.play(&["cat"], &mut stdio).await?;
        }
        Ok(())
    }

    async fn port_forward(&self, _: &PodRef, port: u16, connection: Box<dyn Duplex>) -> Result<(), Status> {
        if port != ECHO_PORT {
            return Err(Status::internal("connection refused"));
        }
        let (mut read, mut write) = tokio::io::split(connection);
        let mut buffer = vec![0; 8192];
        loop {
            match read.read(&mut buffer).await {
                Ok(0) => break,
                Ok(n) => write.write_all(&buffer[..n]).await.map_err(|e| Status::internal(e.to_string()))?,
                Err(error) => return Err(Status::internal(error.to_string())),
            }
        }
        let _ = write.shutdown().await;
        Ok(())
    }
}
