//! What reaches the scheduler's thread, and what it wants done.

use std::sync::Arc;

use orch_client::Client;
use orch_object::Status;
use orch_plugin::calls::CallError;
use orch_plugin::calls::scheduler::Patch;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::cluster::Change;
use crate::pod::PodInfo;
use crate::resident::Resident;

/// What wakes the scheduler's thread.
pub(crate) enum Input {
    Node(Arc<Value>),
    NodeGone(String),
    /// Prepared outside the thread; finds its place by what it says now.
    Pod(Arc<PodInfo>),
    PodGone(Arc<str>),
    /// An object of another kind that some plugin reads.
    Object(Arc<Value>),
    ObjectGone(Arc<Value>),
    /// One of the informers of nodes and pods has told all there was.
    Synced,
    Bound(Arc<str>, Result<(), Status>),
    /// The patches of `Effect::Write` have been made, or not.
    Written(Arc<str>, Result<(), String>),
    Snapshot(oneshot::Sender<Snapshot>),
    /// Begins a trace.
    Record(oneshot::Sender<mpsc::Receiver<String>>),
    Install(Box<Resident>, Arc<()>, oneshot::Sender<Result<(), CallError>>),
    /// With the last argument only a version on trial.
    Remove(String, oneshot::Sender<bool>, bool),
    /// The time came that `next_due` named.
    Due,
    Stop,
}

/// The whole state for a plugin that is being installed. Changes after it are kept until the plugin
/// is installed, or its installer gone.
pub(crate) struct Snapshot {
    pub changes: Vec<Change>,
    pub lease: Arc<()>,
}

pub(crate) enum Effect {
    Bind {
        pod: Arc<PodInfo>,
        node: Arc<str>,
    },
    Report {
        pod: Arc<PodInfo>,
        failure: Failure,
    },
    /// Make these patches for the plugin, in order.
    Write {
        pod: Arc<PodInfo>,
        plugin: String,
        client: Option<Arc<dyn Client>>,
        patches: Vec<Patch>,
    },
    /// Evict these pods from the node and say that the pod has it in view.
    Preempt {
        pod: Arc<PodInfo>,
        node: Arc<str>,
        victims: Vec<Arc<PodInfo>>,
    },
    /// The pod has no node in view any more.
    Withdraw {
        pod: Arc<PodInfo>,
    },
}

/// Why a pod waits on, for its condition and event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// `Unschedulable` or `SchedulerError`.
    pub reason: &'static str,
    pub message: String,
    /// False: its condition says so already.
    pub new: bool,
}

/// Why a pod did not reach the node that was chosen, or none could be.
#[derive(Debug)]
pub(crate) enum Failed {
    Call(CallError),
    /// A plugin does not permit it.
    Refused {
        plugin: String,
        message: String,
    },
    /// It waited for this plugin.
    TimedOut(String),
    Write {
        plugin: String,
        message: String,
    },
    NoSuchNode,
}
