//! The client commands: a thin layer over the same API that kubectl uses, for machines without it.

mod apply;
mod delete;
mod describe;
mod exec;
mod get;
mod image;
mod logs;
pub mod plugin;
mod resources;
mod sim;

use std::process::ExitCode;

use anyhow::Context;
use serde_json::Value;

use crate::arguments::{ClientCommand, Connection, SimCommand};

/// A connected client with the namespace to use.
pub struct Session {
    pub client: kube::Client,
    pub namespace: String,
}

pub fn run(command: ClientCommand) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(dispatch(command))
}

async fn dispatch(command: ClientCommand) -> anyhow::Result<ExitCode> {
    match command {
        ClientCommand::Apply { filename, connection } => {
            apply::apply(&connect(&connection).await?, &filename).await
        }
        ClientCommand::Get { what, output, all_namespaces, selector, connection } => {
            let options = get::Options { output, all_namespaces, selector };
            get::get(&connect(&connection).await?, &what, &options).await
        }
        ClientCommand::Describe { what, connection } => {
            describe::describe(&connect(&connection).await?, &what).await
        }
        ClientCommand::Logs { pod, container, follow, previous, tail, connection } => {
            let parameters = kube::api::LogParams {
                container: Some(container).filter(|c| !c.is_empty()),
                follow,
                previous,
                tail_lines: tail,
                ..Default::default()
            };
            logs::logs(connect(&connection).await?, &pod, &parameters).await
        }
        ClientCommand::Exec { pod, container, stdin, tty, command, connection } => {
            let options = exec::Options { container, stdin, tty };
            return exec::exec(connect(&connection).await?, &pod, command, options).await;
        }
        ClientCommand::Delete { what, filename, connection } => {
            delete::delete(&connect(&connection).await?, &what, &filename).await
        }
        ClientCommand::Plugin { command, connection } => plugin::run(&connection, *command).await,
        ClientCommand::Sim { command: SimCommand::Nodes(nodes), connection } => {
            sim::nodes(&kubeconfig(&connection), &nodes).await
        }
        ClientCommand::Image { command, connection } => image::run(&connection, command).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

fn kubeconfig(connection: &Connection) -> std::path::PathBuf {
    connection.kubeconfig.clone().unwrap_or_else(|| connection.data_dir.join("kubeconfig"))
}

async fn connect(connection: &Connection) -> anyhow::Result<Session> {
    let path = kubeconfig(connection);
    let kubeconfig = kube::config::Kubeconfig::read_from(&path).with_context(|| {
        format!(
            "cannot read the kubeconfig {}; is `orch up` running? (--kubeconfig names another)",
            path.display()
        )
    })?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default())
        .await
        .with_context(|| format!("the kubeconfig {} is not usable", path.display()))?;
    let namespace = connection.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    Ok(Session { client: kube::Client::try_from(config)?, namespace })
}

impl Session {
    /// One request; a refused one is the Status message alone, as kubectl prints it.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        accept: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Value> {
        self.send(method, path, accept, "application/json", body).await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        accept: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Value> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("Accept", accept)
            .header("Content-Type", content_type)
            .body(body)?;
        self.client.request::<Value>(request).await.map_err(plain)
    }
}

/// `Error from server (NotFound): pods "x" not found`, as kubectl words it.
pub fn plain(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => {
            anyhow::anyhow!("error from server ({}): {}", status.reason, status.message)
        }
        other => anyhow::Error::new(other).context("cannot reach the API; is `orch up` running?"),
    }
}

pub const JSON: &str = "application/json";
