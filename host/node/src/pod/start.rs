//! One start of a container: image, configuration, process, postStart hook.

use std::net::IpAddr;
use std::sync::Arc;

use orch_container::runtime::{RuntimeError, State};
use tokio_util::sync::CancellationToken;

use super::config;
use super::env;
use super::fields::Downward;
use super::hooks;
use super::inbox::{FailureKind, Inbox, Input, StartFailure};
use super::record::{SandboxHandle, Waiting};
use super::service_env;
use super::spec::{Container, Pod};
use crate::agent::Agent;
use crate::events::About;
use crate::image;

pub const POST_START_FAILED: &str = "PostStartHookError";

pub struct Starting {
    pub agent: Arc<Agent>,
    pub pod: Arc<Pod>,
    pub container: Container,
    /// The container whose processes this one is to see, if it runs.
    pub target: Option<String>,
    pub sandbox: SandboxHandle,
    pub ips: Vec<IpAddr>,
    pub restart_count: u32,
    pub inbox: Inbox,
    pub cancel: CancellationToken,
}

impl Starting {
    pub async fn run(self) {
        let outcome = self.start().await;
        self.inbox.put(Input::Started { container: self.container.name.clone(), outcome });
    }

    async fn start(&self) -> Result<(), StartFailure> {
        let Starting { agent, pod, container, .. } = self;
        let image = image::ensure(agent, pod, container, &self.cancel).await?;
        let env = self.environment().await?;
        if self.cancel.is_cancelled() {
            return Err(image::cancelled());
        }
        let wanted = &container.target_container_name;
        if !wanted.is_empty() && self.target.is_none() {
            return Err(self.config_error(format!("unable to find target container {wanted}")));
        }
        let start = config::Start {
            pod,
            container,
            image: &image,
            sandbox_id: &self.sandbox.id,
            target: self.target.clone(),
            restart_count: self.restart_count,
            env,
        };
        let config = config::build(agent, start).map_err(|e| self.config_error(e.to_string()))?;
        let id = config.id.clone();
        self.make_log_dir(&config.log_path)?;
        agent.runtime.create_container(config).await.map_err(|e| self.create_error(&e))?;
        let about = About::container(pod, &container.name);
        agent.events.normal(&about, "Created", format!("Created container: {}", container.name));
        if let Err(error) = agent.runtime.start_container(&id).await {
            return Err(self.start_error(&id, &error).await);
        }
        agent.events.normal(&about, "Started", format!("Started container {}", container.name));
        self.report(&id).await;
        self.post_start(&id, &about).await
    }

    async fn environment(&self) -> Result<Vec<(String, String)>, StartFailure> {
        let Starting { agent, pod, container, .. } = self;
        let names = env::references(container);
        let sources = agent
            .references
            .fetch(&pod.metadata.namespace, names)
            .await
            .map_err(|status| self.config_error(status.message))?;
        let services = tokio::select! {
            _ = self.cancel.cancelled() => return Err(image::cancelled()),
            services = agent.services() => service_env::variables(pod, &services),
        };
        let from = Downward {
            pod,
            pod_ips: &self.ips,
            host_ips: &agent.config.addresses,
            node: &agent.machine.allocatable,
        };
        env::resolve(from, container, &sources, services).map_err(|e| self.config_error(e.to_string()))
    }

    fn make_log_dir(&self, log: &std::path::Path) -> Result<(), StartFailure> {
        let Some(parent) = log.parent() else { return Ok(()) };
        std::fs::create_dir_all(parent).map_err(|e| {
            self.failed("CreateContainerError", format!("log directory: {e}"), FailureKind::Configuration)
        })
    }

    fn config_error(&self, message: String) -> StartFailure {
        self.failed("CreateContainerConfigError", message, FailureKind::Configuration)
    }

    fn create_error(&self, error: &RuntimeError) -> StartFailure {
        self.failed("CreateContainerError", error.to_string(), FailureKind::Configuration)
    }

    fn failed(&self, reason: &str, message: String, kind: FailureKind) -> StartFailure {
        let about = About::container(&self.pod, &self.container.name);
        self.agent.events.warning(&about, "Failed", format!("Error: {message}"));
        StartFailure { waiting: Waiting { reason: reason.into(), message }, kind }
    }

    /// The dead container, if there is one, tells the exit code; else nothing of it may stay.
    async fn start_error(&self, id: &str, error: &RuntimeError) -> StartFailure {
        let dead =
            self.agent.runtime.container(id).await.ok().filter(|c| matches!(c.state, State::Exited(_)));
        let kind = if dead.is_some() { FailureKind::Crash } else { FailureKind::Configuration };
        let failure = self.failed("RunContainerError", error.to_string(), kind);
        match dead {
            Some(container) => self.inbox.put(Input::Container(Box::new(container))),
            None => {
                if let Err(error) = self.agent.runtime.remove_container(id).await {
                    tracing::warn!(container = id, %error, "a container that did not start could not be removed");
                }
            }
        }
        failure
    }

    async fn report(&self, id: &str) {
        match self.agent.runtime.container(id).await {
            Ok(container) => self.inbox.put(Input::Container(Box::new(container))),
            Err(error) => tracing::warn!(container = id, %error, "a started container has no state"),
        }
    }

    async fn post_start(&self, id: &str, about: &About) -> Result<(), StartFailure> {
        let Some(handler) = &self.container.lifecycle.post_start else { return Ok(()) };
        let place = hooks::Place { agent: &self.agent, container: &self.container, id, ips: &self.ips };
        let result = tokio::select! {
            _ = self.cancel.cancelled() => return Err(image::cancelled()),
            result = hooks::run(place, handler) => result,
        };
        result.map_err(|message| {
            tracing::debug!(pod = self.pod.key(), container = self.container.name, message, "postStart hook");
            self.agent.events.warning(about, "FailedPostStartHook", "PostStartHook failed");
            let waiting = Waiting { reason: POST_START_FAILED.into(), message };
            StartFailure { waiting, kind: FailureKind::Crash }
        })
    }
}
