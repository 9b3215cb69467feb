//! What is known of a pod on this node: the observed half of every decision.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use orch_container::runtime::{Container, Exit, Resources, State};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::labels;
use super::spec::ResourceRequirements;

/// The pod's sandbox and its network.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Sandbox {
    /// None has been made: leads to `Ready`.
    #[default]
    Missing,
    /// Found after a restart of the agent, its network not yet asked for: leads to `Ready`.
    Found(SandboxHandle),
    /// Containers may be started; leads to `Removed`.
    Ready(SandboxHandle),
    /// The pod has ended. Final.
    Removed,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SandboxHandle {
    pub id: String,
    /// Its limits as they are set.
    pub resources: Resources,
    pub network_namespace: Option<PathBuf>,
}

impl Sandbox {
    pub fn handle(&self) -> Option<&SandboxHandle> {
        match self {
            Sandbox::Found(handle) | Sandbox::Ready(handle) => Some(handle),
            Sandbox::Missing | Sandbox::Removed => None,
        }
    }
}

/// The pod's volumes.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Volumes {
    #[default]
    Unmounted,
    /// `refresh_at`: when a projected token wants to be renewed.
    Mounted { refresh_at: Option<Instant> },
    /// Final.
    Removed,
}

/// The one thing being done to the pod beside stopping containers.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    SetUp,
    Start {
        container: String,
    },
    /// Volumes' contents are written again.
    Refresh,
    /// Limits are set anew.
    Resize,
    TearDown,
    Delete,
}

/// Why a pod has ended or has to end although nobody deleted it. Never taken back.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Every container is done and none is to be started again.
    Completed,
    /// Ended by the node: `status.reason` and `status.message` say why (`DeadlineExceeded`).
    Failed { reason: String, message: String },
    /// The API already says `Succeeded` or `Failed`.
    Known,
}

#[derive(Debug, Clone, Default)]
pub struct Record {
    pub sandbox: Sandbox,
    /// Kept when the sandbox is gone: a completed pod still shows where it was.
    pub ips: Vec<IpAddr>,
    pub volumes: Volumes,
    pub containers: BTreeMap<String, ContainerRecord>,
    pub operation: Option<Operation>,
    pub end: Option<End>,
    /// A failed set-up, refresh or deletion is not tried again before.
    pub retry_at: Option<Instant>,
    pub failures: u32,
    /// Why the resources of the spec are not (yet) those of the containers.
    pub resize: Option<Waiting>,
    /// Of which generation the resize has begun that is not over.
    pub resizing: Option<i64>,
    /// The node has no room for the spec's resources: nothing is tried before some is given back.
    pub lacks_room: bool,
    /// A step of a resize that failed is not tried again before.
    pub resize_at: Option<Instant>,
    /// A ConfigMap or Secret in a volume has changed.
    pub stale_content: bool,
    /// Every init container has been passed once in this sandbox.
    pub initialized: bool,
    /// A sandbox was taken over; nothing is told until its addresses are known.
    pub adopting: bool,
    pub deleted_from_api: bool,
}

impl Record {
    pub fn is_set_up(&self) -> bool {
        matches!(self.sandbox, Sandbox::Ready(_)) && matches!(self.volumes, Volumes::Mounted { .. })
    }
    pub fn is_torn_down(&self) -> bool {
        self.sandbox == Sandbox::Removed && self.volumes == Volumes::Removed
    }
    pub fn container(&self, name: &str) -> Option<&ContainerRecord> {
        self.containers.get(name)
    }
    pub fn any_running(&self) -> bool {
        self.containers.values().any(ContainerRecord::is_running)
    }
}

/// Why a container is not running (`state.waiting`).
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub reason: String,
    pub message: String,
}

#[derive(Debug, Clone, Default)]
pub struct ContainerRecord {
    /// Oldest first; the last is the current one.
    pub attempts: Vec<Attempt>,
    pub waiting: Option<Waiting>,
    /// Between restarts of a process that ended.
    pub crash: Backoff,
    /// Between tries to pull.
    pub pull: Backoff,
    /// Between tries of what failed before there was a process.
    pub retry_at: Option<Instant>,
    pub failures: u32,
    /// The startup probe has passed, or there is none and the process runs.
    pub started: bool,
    pub ready: bool,
    /// A liveness or startup probe has given up on the current attempt.
    pub failed_probe: Option<FailedProbe>,
    /// The current attempt is being stopped.
    pub stopping: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FailedProbe {
    /// `liveness` or `startup`.
    pub kind: &'static str,
    pub grace_seconds: Option<i64>,
}

/// One run of a container.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub id: String,
    pub restart_count: u32,
    pub state: State,
    /// As the spec named it.
    pub image: String,
    pub image_id: String,
    /// In force; `None` in containers of daemons before resizes.
    pub resources: Option<ResourceRequirements>,
    pub log_path: PathBuf,
    pub stop_signal: Option<String>,
    pub message: Option<String>,
    /// When this agent saw it exit.
    pub exited_at: Option<Instant>,
}

impl Attempt {
    pub fn of(container: &Container) -> Self {
        let label = |name: &str| container.config.labels.get(name).cloned().unwrap_or_default();
        Attempt {
            id: container.config.id.clone(),
            restart_count: label(labels::RESTART_COUNT).parse().unwrap_or_default(),
            state: container.state.clone(),
            image: label(labels::IMAGE),
            image_id: label(labels::IMAGE_ID),
            resources: serde_json::from_str(&label(labels::RESOURCES)).ok(),
            log_path: container.config.log_path.clone(),
            stop_signal: container.config.labels.get(labels::STOP_SIGNAL).cloned(),
            message: None,
            exited_at: None,
        }
    }

    pub fn exit(&self) -> Option<&Exit> {
        match &self.state {
            State::Exited(exit) => Some(exit),
            State::Created | State::Running { .. } => None,
        }
    }
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }
}

impl ContainerRecord {
    pub fn current(&self) -> Option<&Attempt> {
        self.attempts.last()
    }
    pub fn previous(&self) -> Option<&Attempt> {
        self.attempts.iter().rev().nth(1)
    }
    pub fn is_running(&self) -> bool {
        self.current().is_some_and(Attempt::is_running)
    }

    /// Takes in what the runtime says; true when the current attempt's state has changed.
    pub fn observe(&mut self, container: &Container, now: Instant) -> bool {
        let fresh = Attempt::of(container);
        let Some(known) = self.attempts.iter_mut().find(|a| a.id == fresh.id) else {
            self.attempts.push(Attempt {
                exited_at: fresh.exit().map(|exit| instant_of(exit.finished_at_ms, now)),
                ..fresh
            });
            self.attempts.sort_by_key(|a| a.restart_count);
            self.reset_probes();
            return true;
        };
        if known.state == fresh.state || known.exit().is_some() {
            return false;
        }
        known.state = fresh.state;
        if known.exit().is_some() {
            known.exited_at = Some(now);
            self.ready = false;
            self.started = false;
            self.failed_probe = None;
        }
        true
    }

    fn reset_probes(&mut self) {
        self.ready = false;
        self.started = false;
        self.failed_probe = None;
        self.waiting = None;
        self.failures = 0;
        self.retry_at = None;
    }
}

/// The instant of a wall-clock time that has passed.
fn instant_of(wall_ms: i64, now: Instant) -> Instant {
    let ago = jiff::Timestamp::now().as_millisecond().saturating_sub(wall_ms).max(0);
    now.checked_sub(std::time::Duration::from_millis(ago as u64)).unwrap_or(now)
}
