//! `exec` and `attach`: a command's streams over either transport.

mod spdy;
mod websocket;

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use orch_client::node::{ExitCode, NodeConnection, PodRef, Stdio};
use orch_object::Status;

use super::options::ExecOptions;
use super::upgrade::Upgrade;

/// `pods/NAME/exec`
pub async fn serve_exec(
    request: Request,
    connection: Arc<dyn NodeConnection>,
    pod: PodRef,
    options: ExecOptions,
) -> Response {
    serve(request, Command { connection, pod, options, verb: Verb::Exec }).await
}

/// `pods/NAME/attach`
pub async fn serve_attach(
    request: Request,
    connection: Arc<dyn NodeConnection>,
    pod: PodRef,
    options: ExecOptions,
) -> Response {
    serve(request, Command { connection, pod, options, verb: Verb::Attach }).await
}

async fn serve(request: Request, command: Command) -> Response {
    match Upgrade::of(request).await {
        Ok(Upgrade::WebSocket(upgrade)) => websocket::serve(upgrade, command),
        Ok(Upgrade::Spdy(upgrade)) => spdy::serve(upgrade, command),
        Err(refused) => refused,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Exec,
    Attach,
}

/// What is to be run, and where.
struct Command {
    connection: Arc<dyn NodeConnection>,
    pod: PodRef,
    options: ExecOptions,
    verb: Verb,
}

impl Command {
    /// Dropping the future is how the node learns that the client is gone.
    async fn run(&self, stdio: Stdio) -> Result<ExitCode, Status> {
        let ExecOptions { container, command, .. } = &self.options;
        match self.verb {
            Verb::Exec => self.connection.exec(&self.pod, container, command.clone(), stdio).await,
            Verb::Attach => self.connection.attach(&self.pod, container, stdio).await.map(|()| ExitCode(0)),
        }
    }
}
