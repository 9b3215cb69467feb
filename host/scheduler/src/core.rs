//! The scheduler's state and how inputs change it. Nothing here waits: what must be done at the API
//! comes out as [`Effect`]s.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Instant;

use orch_object::Status;
use orch_plugin::calls::CallError;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::cluster::{Change, Cluster};
use crate::cycle::{self, Decision};
use crate::diagnosis::{Diagnosis, Preemption};
use crate::nodeset;
use crate::pod::{self, PodInfo, Standing};
use crate::queue::{Delays, Queue, Queued};
use crate::resident::Resident;

/// What wakes the scheduler's thread.
pub(crate) enum Input {
    Node(Arc<Value>),
    NodeGone(String),
    /// Prepared outside the thread; finds its place by what it says now.
    Pod(Arc<PodInfo>),
    PodGone(Arc<str>),
    /// One of the informers has told all there was.
    Synced,
    Bound(Arc<str>, Result<(), Status>),
    Snapshot(oneshot::Sender<Snapshot>),
    Install(Box<Resident>, Arc<()>, oneshot::Sender<Result<(), CallError>>),
    Remove(String, oneshot::Sender<bool>),
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
    Bind { pod: Arc<PodInfo>, node: Arc<str> },
    Report { pod: Arc<PodInfo>, failure: Failure },
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

struct Journal {
    lease: Weak<()>,
    changes: Vec<Change>,
}

pub(crate) struct Core {
    scheduler_name: String,
    cluster: Cluster,
    queue: Queue,
    /// In the order filters are asked.
    residents: Vec<Resident>,
    journals: Vec<Journal>,
    /// Being bound, with what their queue entry knew.
    binding: HashMap<Arc<str>, Queued>,
    /// Informers (nodes, pods) that have not told everything yet: no cycle before they have.
    unsynced: u32,
}

impl Core {
    pub fn new(scheduler_name: &str, delays: Delays) -> Self {
        Core {
            scheduler_name: scheduler_name.into(),
            cluster: Cluster::default(),
            queue: Queue::new(delays),
            residents: Vec::new(),
            journals: Vec::new(),
            binding: HashMap::new(),
            unsynced: 2,
        }
    }

    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Node(node) => {
                let first = self.cluster.len() == 0;
                let changes = self.cluster.upsert_node(node);
                self.pass_on(changes, now);
                if first {
                    // With no node at all nobody rejected the pods that wait: no interest wakes them.
                    self.queue.wake_all(now);
                }
            }
            Input::NodeGone(name) => {
                let changes = self.cluster.remove_node(&name);
                self.pass_on(changes, now);
            }
            Input::Pod(info) => self.pod(info, now),
            Input::PodGone(uid) => self.pod_gone(&uid, now),
            Input::Synced => self.unsynced = self.unsynced.saturating_sub(1),
            Input::Bound(uid, result) => self.bound(&uid, result, now),
            Input::Snapshot(reply) => self.snapshot(reply),
            Input::Install(resident, lease, reply) => {
                let _ = reply.send(self.install(*resident, &lease, now));
            }
            Input::Remove(name, reply) => {
                let _ = reply.send(self.remove(&name, now));
            }
            Input::Due | Input::Stop => {}
        }
    }

    /// When the next thing is due though no input comes; `None`: never.
    pub fn next_due(&self) -> Option<Instant> {
        self.queue.next_due()
    }

    /// One cycle; `None` when no pod is ready to be tried.
    pub fn step(&mut self, now: Instant) -> Option<Effect> {
        if self.unsynced > 0 {
            return None;
        }
        self.queue.tick(now);
        let queued = self.queue.pop()?;
        let pod = queued.info.clone();
        Some(match cycle::decide(&mut self.residents, &self.cluster, &pod, now) {
            Decision::Place(index) => match self.cluster.node_name(index).cloned() {
                Some(node) => self.assume(queued, node, now),
                None => self.fail(queued, "a plugin chose a node that does not exist".into(), now),
            },
            Decision::Rejected(diagnosis) => self.park(queued, diagnosis, now),
            Decision::NoFilters => {
                let message = "no filter plugin is loaded: pods wait until one is (see: kubectl get plugins)";
                self.unschedulable(queued, BTreeSet::new(), message.into(), now)
            }
            Decision::Failed(error) => self.fail(queued, error.to_string(), now),
        })
    }

    /// Passes on what plugins have not been told yet, while no pod waits for it.
    pub fn settle(&mut self, now: Instant) {
        for resident in &mut self.residents {
            if let Err(error) = resident.bring_up_to_date(&self.cluster, now) {
                tracing::debug!(plugin = resident.name, %error, "not brought up to date");
            }
        }
    }

    /// The pod takes its room at once, so that the next cycle sees it.
    fn assume(&mut self, queued: Queued, node: Arc<str>, now: Instant) -> Effect {
        let pod = queued.info.clone();
        let changes = self.cluster.place(&pod.uid, &node, Arc::new(pod.assigned(&node)), true);
        self.binding.insert(pod.uid.clone(), queued);
        self.pass_on(changes, now);
        Effect::Bind { pod, node }
    }

    fn park(&mut self, queued: Queued, diagnosis: Diagnosis, now: Instant) -> Effect {
        let pod = &queued.info.object;
        let preemption = if pod["spec"]["preemptionPolicy"] == "Never" {
            Preemption::Never
        } else {
            let mut candidates = self.cluster.with_lower_priority(queued.info.priority);
            nodeset::subtract(&mut candidates, &diagnosis.unresolvable);
            Preemption::Candidates(nodeset::count(&candidates))
        };
        let message = diagnosis.message(preemption);
        self.unschedulable(queued, diagnosis.rejected_by, message, now)
    }

    fn unschedulable(
        &mut self,
        mut queued: Queued,
        rejected_by: BTreeSet<String>,
        message: String,
        now: Instant,
    ) -> Effect {
        let effect = report(&mut queued, "Unschedulable", message);
        queued.rejected_by = rejected_by;
        self.queue.park(queued, now);
        effect
    }

    fn fail(&mut self, mut queued: Queued, message: String, now: Instant) -> Effect {
        let effect = report(&mut queued, "SchedulerError", message);
        self.queue.back_off(queued, now);
        effect
    }

    fn pod(&mut self, info: Arc<PodInfo>, now: Instant) {
        match pod::standing(&info.object, &self.scheduler_name) {
            Standing::Assigned(node) => {
                self.queue.remove(&info.uid);
                self.binding.remove(&info.uid);
                let changes = self.cluster.place(&info.uid, node, info.object.clone(), false);
                self.pass_on(changes, now);
            }
            Standing::Foreign => self.pod_gone(&info.uid, now),
            Standing::Waiting => match self.binding.get_mut(&info.uid) {
                Some(queued) => queued.info = info,
                // Bound by us, and the event that says so is still on its way.
                None if self.cluster.is_assumed(&info.uid) => {}
                None => {
                    let retry = self.queue.get(&info.uid).is_some_and(|queued| self.differs(queued, &info));
                    self.queue.upsert(info, retry, now);
                }
            },
        }
    }

    /// Has something changed that a plugin which rejected the pod reads of it?
    fn differs(&self, queued: &Queued, info: &PodInfo) -> bool {
        self.residents
            .iter()
            .filter(|resident| queued.rejected_by.contains(&resident.name))
            .any(|resident| resident.tells_apart(&queued.info, info))
    }

    fn pod_gone(&mut self, uid: &Arc<str>, now: Instant) {
        self.queue.remove(uid);
        self.binding.remove(uid);
        let changes = self.cluster.remove_pod(uid);
        self.pass_on(changes, now);
    }

    fn bound(&mut self, uid: &Arc<str>, result: Result<(), Status>, now: Instant) {
        // Not there: the informer told the outcome (bound, or deleted) before the answer came.
        let Some(queued) = self.binding.remove(uid) else { return };
        if result.is_ok() {
            return;
        }
        let changes = self.cluster.remove_pod(uid);
        self.pass_on(changes, now);
        self.queue.back_off(queued, now);
    }

    /// Tells everyone, and wakes the pods for which it may matter.
    fn pass_on(&mut self, changes: Vec<Change>, now: Instant) {
        if changes.is_empty() {
            return;
        }
        let mut woken = BTreeSet::new();
        for resident in &mut self.residents {
            let matters = changes.iter().fold(false, |matters, change| resident.apply(change) | matters);
            if matters {
                woken.insert(resident.name.clone());
            }
        }
        if !woken.is_empty() {
            self.queue.wake(&woken, now);
        }
        self.journals.retain(|journal| journal.lease.strong_count() > 0);
        for journal in &mut self.journals {
            journal.changes.extend_from_slice(&changes);
        }
    }

    fn snapshot(&mut self, reply: oneshot::Sender<Snapshot>) {
        let lease = Arc::new(());
        let snapshot = Snapshot { changes: self.cluster.everything(), lease: lease.clone() };
        if reply.send(snapshot).is_ok() {
            self.journals.push(Journal { lease: Arc::downgrade(&lease), changes: Vec::new() });
        }
    }

    /// Brings the prepared plugin up to this moment, then lets it take the place of its namesake.
    fn install(&mut self, mut resident: Resident, lease: &Arc<()>, now: Instant) -> Result<(), CallError> {
        let lease = Arc::downgrade(lease);
        if let Some(position) = self.journals.iter().position(|journal| journal.lease.ptr_eq(&lease)) {
            for change in self.journals.swap_remove(position).changes {
                resident.apply(&change);
            }
        }
        resident.flush()?;
        self.residents.retain(|other| other.name != resident.name);
        self.residents.push(resident);
        self.residents.sort_by(|a, b| (a.settings.order, &a.name).cmp(&(b.settings.order, &b.name)));
        self.queue.wake_all(now);
        Ok(())
    }

    fn remove(&mut self, name: &str, now: Instant) -> bool {
        let before = self.residents.len();
        self.residents.retain(|resident| resident.name != name);
        self.queue.wake_all(now);
        self.residents.len() < before
    }
}

fn report(queued: &mut Queued, reason: &'static str, message: String) -> Effect {
    let new = queued.reported.as_deref() != Some(&message);
    queued.reported = Some(message.clone());
    Effect::Report { pod: queued.info.clone(), failure: Failure { reason, message, new } }
}
