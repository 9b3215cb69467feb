//! The scheduler's state and how inputs change it. Nothing here waits: what must be done at the API
//! comes out as [`Effect`]s.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orch_client::Client;
use orch_object::Status;

use crate::cluster::{Change, Cluster};
use crate::cycle::{Cycle, Decision};
use crate::diagnosis::Diagnosis;
use crate::flight::Flight;
use crate::lineup::{self, Lineup};
use crate::metrics::{Metrics, Outcome};
use crate::pod::{self, DEFAULT_SCHEDULER, PodInfo, Standing};
use crate::preempt::{Nominated, Preempted};
use crate::queue::{Delays, Queue, Queued};
use crate::resident::Resident;
use crate::trace::{Answer, Recording};

mod install;
mod message;

use install::Journal;
pub(crate) use message::{Effect, Failed, Failure, Input, Snapshot};

pub(crate) struct Core {
    pub(crate) cluster: Cluster,
    queue: Queue,
    /// In the order filters are asked.
    pub(crate) residents: Vec<Resident>,
    journals: Vec<Journal>,
    /// On their way to a node.
    pub(crate) flights: HashMap<Arc<str>, Flight>,
    pub(crate) nominated: HashMap<Arc<str>, Nominated>,
    /// Want a node under a profile that does not exist, or not yet.
    unclaimed: HashMap<Arc<str>, Arc<PodInfo>>,
    /// Not to be tried before their gates are gone.
    gated: HashSet<Arc<str>>,
    pub(crate) metrics: Metrics,
    /// Plugins that were told something since flights were last looked at.
    pub(crate) stirred: BTreeSet<String>,
    /// Informers (nodes, pods) that have not told everything yet: no cycle before they have.
    unsynced: u32,
    recordings: Vec<Recording>,
}

impl Core {
    pub fn new(delays: Delays) -> Self {
        Core {
            cluster: Cluster::default(),
            queue: Queue::new(delays),
            residents: Vec::new(),
            journals: Vec::new(),
            flights: HashMap::new(),
            nominated: HashMap::new(),
            unclaimed: HashMap::new(),
            gated: HashSet::new(),
            metrics: Metrics::default(),
            stirred: BTreeSet::new(),
            unsynced: 2,
            recordings: Vec::new(),
        }
    }

    pub fn handle(&mut self, input: Input, now: Instant, effects: &mut Vec<Effect>) {
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
                self.recordings.retain_mut(|recording| recording.node_gone(&name));
                let changes = self.cluster.remove_node(&name);
                self.pass_on(changes, now);
            }
            Input::Object(object) => {
                let changes = self.cluster.upsert_object(object);
                self.pass_on(changes, now);
            }
            Input::ObjectGone(object) => {
                let changes = self.cluster.remove_object(object);
                self.pass_on(changes, now);
            }
            Input::Pod(info) => self.pod(info, now),
            Input::PodGone(uid) => self.pod_gone(&uid, now),
            Input::Synced => self.unsynced = self.unsynced.saturating_sub(1),
            Input::Bound(uid, result) => self.bound(&uid, result, now),
            Input::Written(uid, result) => self.written(&uid, result, now, effects),
            Input::Snapshot(reply) => self.snapshot(reply),
            Input::Record(reply) => {
                let (recording, lines) = Recording::start(&self.residents, &self.cluster);
                if reply.send(lines).is_ok() {
                    self.recordings.push(recording);
                }
            }
            Input::Install(resident, lease, reply) => {
                let _ = reply.send(self.install(*resident, &lease, now));
            }
            Input::Remove(name, reply, trial) => {
                let _ = reply.send(self.remove(&name, trial, now));
            }
            Input::Due | Input::Stop => {}
        }
    }

    /// When the next thing is due though no input comes; `None`: never.
    pub fn next_due(&self) -> Option<Instant> {
        let flights = self.flights.values().filter_map(Flight::due).min();
        self.queue.next_due().into_iter().chain(flights).min()
    }

    /// One cycle; false when no pod is ready to be tried.
    pub fn step(&mut self, now: Instant, effects: &mut Vec<Effect>) -> bool {
        if self.unsynced > 0 {
            return false;
        }
        self.advance_waiting(now, effects);
        self.queue.tick(now);
        let Some(mut queued) = self.queue.pop() else { return false };
        queued.tried = now;
        let pod = queued.info.clone();
        let lineup = self.lineup(&pod);
        self.show_nominated(&pod);
        let nominated = self.nominated.get(&pod.uid).map(|nominated| nominated.node);
        let cycle =
            Cycle { cluster: &self.cluster, lineup: &lineup, pod: &pod, nominated: &self.nominated, now };
        let started = Instant::now();
        let decision = cycle.decide(&mut self.residents, nominated);
        let took = started.elapsed();
        self.metrics.chose(took);
        self.compare_shadows(&lineup, &pod, &decision, now);
        match decision {
            Decision::Place(index) => match self.cluster.node_name(index).cloned() {
                Some(node) => {
                    self.record(&pod, took, || Answer { node: Some(node.to_string()), ..Answer::default() });
                    self.assume(queued, node, index, &lineup, now, effects)
                }
                None => self.fail(queued, Failed::NoSuchNode, now, effects),
            },
            Decision::Rejected(diagnosis) => self.park(queued, diagnosis, &lineup, took, now, effects),
            Decision::NoFilters => {
                let message = "no filter plugin is loaded: pods wait until one is (see: kubectl get plugins)";
                self.unschedulable(queued, BTreeSet::new(), message.into(), now, effects)
            }
            Decision::Failed(error) => {
                let message = || Answer { message: Some(error.to_string()), ..Answer::default() };
                self.record(&pod, took, message);
                self.fail(queued, Failed::Call(error), now, effects)
            }
        }
        true
    }

    fn record(&mut self, pod: &PodInfo, took: Duration, answer: impl FnOnce() -> Answer) {
        if self.recordings.is_empty() {
            return;
        }
        let (answer, nanos) = (answer(), took.as_nanos() as u64);
        self.recordings.retain_mut(|recording| recording.asked(pod, &answer, nanos));
    }

    /// How many pods want a node and have none.
    pub fn unplaced(&self) -> usize {
        self.queue.pods().len()
    }

    /// Lets the metrics know who waits.
    pub fn count_waiting(&self) {
        self.metrics.wait(&self.queue.lengths(), self.gated.len());
    }

    /// Passes on what plugins have not been told yet, while no pod waits for it.
    pub fn settle(&mut self, now: Instant) {
        for resident in &mut self.residents {
            if let Err(error) = resident.bring_up_to_date(&self.cluster, now) {
                tracing::debug!(plugin = resident.name, %error, "not brought up to date");
            }
        }
    }

    pub(crate) fn lineup(&self, pod: &PodInfo) -> Lineup {
        lineup::lineup(&self.residents, pod)
    }

    pub(crate) fn writer(&self, plugin: &str) -> Option<Arc<dyn Client>> {
        let resident = self.residents.iter().find(|resident| resident.name == plugin)?;
        resident.settings.writer.clone()
    }

    /// The pod takes its room at once, so that the next cycle sees it.
    fn assume(
        &mut self,
        queued: Queued,
        node: Arc<str>,
        index: u32,
        lineup: &[usize],
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let pod = queued.info.clone();
        let changes = self.cluster.place(pod.clone(), &node, true);
        self.withdraw(&pod.uid, now);
        self.pass_on(changes, now);
        self.take_off(Flight::new(queued, node, index), lineup, now, effects);
    }

    fn park(
        &mut self,
        queued: Queued,
        diagnosis: Diagnosis,
        lineup: &[usize],
        took: Duration,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let preempted = match diagnosis.nodes {
            0 => Preempted::NotTried,
            _ => self.preempt(lineup, &queued.info, &diagnosis, now, effects),
        };
        let (message, preemption) = match preempted {
            Preempted::NotTried => (diagnosis.message(None), None),
            Preempted::Evicts(preemption) => (diagnosis.message(None), Some(preemption)),
            Preempted::No(why) => (diagnosis.message(Some(&why)), None),
        };
        let told = || Answer { node: None, message: Some(message.clone()), preemption };
        self.record(&queued.info.clone(), took, told);
        self.unschedulable(queued, diagnosis.rejected_by, message, now, effects);
    }

    fn unschedulable(
        &mut self,
        mut queued: Queued,
        rejected_by: BTreeSet<String>,
        message: String,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        self.metrics.attempted(&queued, Outcome::Unschedulable, Instant::now());
        effects.push(report(&mut queued, "Unschedulable", message));
        queued.rejected_by = rejected_by;
        self.queue.park(queued, now);
    }

    pub(crate) fn fail(
        &mut self,
        mut queued: Queued,
        failed: Failed,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let message = match failed {
            Failed::Refused { plugin, message } => {
                return self.unschedulable(queued, BTreeSet::from([plugin]), message, now, effects);
            }
            Failed::TimedOut(plugin) => format!("{plugin}: the pod waited too long to be let go"),
            Failed::Write { plugin, message } => format!("{plugin}: {message}"),
            Failed::Call(error) => error.to_string(),
            Failed::NoSuchNode => "a plugin chose a node that does not exist".into(),
        };
        self.metrics.attempted(&queued, Outcome::Error, Instant::now());
        effects.push(report(&mut queued, "SchedulerError", message));
        self.queue.back_off(queued, now);
    }

    fn pod(&mut self, info: Arc<PodInfo>, now: Instant) {
        match pod::standing(&info.object()) {
            Standing::Assigned(node) => {
                self.unclaimed.remove(&info.uid);
                self.gated.remove(&info.uid);
                self.queue.remove(&info.uid);
                if let Some(flight) = self.flights.remove(&info.uid) {
                    self.metrics.attempted(&flight.queued, Outcome::Scheduled, now);
                }
                self.withdraw(&info.uid, now);
                let changes = self.cluster.place(info.clone(), node, false);
                self.pass_on(changes, now);
            }
            Standing::Waiting if self.is_served(&info.scheduler_name) => self.waiting(info, now),
            Standing::Waiting => {
                self.pod_gone(&info.uid, now);
                self.unclaimed.insert(info.uid.clone(), info);
            }
            Standing::Gated => {
                self.pod_gone(&info.uid, now);
                self.gated.insert(info.uid.clone());
            }
            Standing::Foreign => self.pod_gone(&info.uid, now),
        }
    }

    fn waiting(&mut self, info: Arc<PodInfo>, now: Instant) {
        if let Some(flight) = self.flights.get_mut(&info.uid) {
            flight.queued.info = info;
            return;
        }
        // Bound by us, and the event that says so is still on its way.
        if self.cluster.is_assumed(&info.uid) {
            return;
        }
        self.unclaimed.remove(&info.uid);
        self.gated.remove(&info.uid);
        let node = info.nominated_node().and_then(|node| self.cluster.index_of(node));
        if let Some(node) = node.filter(|_| !self.nominated.contains_key(&info.uid)) {
            // Made room for before this host began.
            self.nominate(info.clone(), node);
        }
        let retry = self.queue.get(&info.uid).is_some_and(|queued| self.differs(queued, &info));
        let rank = self.rank(&info, now);
        self.queue.upsert(info, rank, retry, now);
    }

    /// The profiles there are: the default one, and those that plugins name.
    fn is_served(&self, scheduler_name: &str) -> bool {
        scheduler_name == DEFAULT_SCHEDULER
            || self.residents.iter().any(|r| r.settings.profiles.iter().any(|p| p == scheduler_name))
    }

    /// Its place in the queue, by the plugin that orders it; without one all are equal.
    fn rank(&mut self, pod: &PodInfo, now: Instant) -> i64 {
        let lineup = self.lineup(pod);
        let Some(position) = lineup.into_iter().find(|p| self.residents[*p].description().points.queue)
        else {
            return 0;
        };
        let resident = &mut self.residents[position];
        let rank = resident
            .bring_up_to_date(&self.cluster, now)
            .and_then(|()| resident.plugin.rank(&resident.cut(pod)));
        rank.unwrap_or_else(|error| {
            tracing::warn!(plugin = resident.name, %error, "no place in the queue; the pod goes with the others");
            0
        })
    }

    /// Has something changed that a plugin which rejected the pod reads of it?
    fn differs(&self, queued: &Queued, info: &PodInfo) -> bool {
        self.residents
            .iter()
            .filter(|resident| queued.rejected_by.contains(&resident.name))
            .any(|resident| resident.tells_apart(&queued.info, info))
    }

    fn pod_gone(&mut self, uid: &Arc<str>, now: Instant) {
        self.unclaimed.remove(uid);
        self.gated.remove(uid);
        self.queue.remove(uid);
        self.withdraw(uid, now);
        if let Some(flight) = self.flights.remove(uid) {
            self.let_go(&flight, now);
        }
        let changes = self.cluster.remove_pod(uid);
        self.pass_on(changes, now);
    }

    fn bound(&mut self, uid: &Arc<str>, result: Result<(), Status>, now: Instant) {
        // Not there: the informer told the outcome (bound, or deleted) before the answer came.
        let Some(flight) = self.flights.remove(uid) else { return };
        if result.is_ok() {
            return self.metrics.attempted(&flight.queued, Outcome::Scheduled, now);
        }
        self.metrics.attempted(&flight.queued, Outcome::Error, now);
        self.let_go(&flight, now);
        self.queue.back_off(flight.queued, now);
    }

    /// Tells everyone, and wakes the pods for which it may matter.
    pub(crate) fn pass_on(&mut self, changes: Vec<Change>, now: Instant) {
        if changes.is_empty() {
            return;
        }
        self.pass_on_to_plugins(&changes, now);
        let cluster = &self.cluster;
        self.recordings
            .retain_mut(|recording| changes.iter().all(|change| recording.change(change, cluster)));
        self.journals.retain(|journal| journal.lease.strong_count() > 0);
        for journal in &mut self.journals {
            journal.changes.extend_from_slice(&changes);
        }
    }

    pub(crate) fn pass_on_to_plugins(&mut self, changes: &[Change], now: Instant) {
        let mut woken = BTreeSet::new();
        for resident in &mut self.residents {
            for change in changes {
                let heard = resident.apply(change);
                if heard.told && !self.flights.is_empty() && !self.stirred.contains(&resident.name) {
                    self.stirred.insert(resident.name.clone());
                }
                if heard.may_help && !woken.contains(&resident.name) {
                    woken.insert(resident.name.clone());
                }
            }
        }
        if !woken.is_empty() {
            self.queue.wake(&woken, now);
        }
    }
}

fn report(queued: &mut Queued, reason: &'static str, message: String) -> Effect {
    let new = queued.reported.as_deref() != Some(&message);
    queued.reported = Some(message.clone());
    Effect::Report { pod: queued.info.clone(), failure: Failure { reason, message, new } }
}
