//! The wiring: informers in, one thread for the cycles, tasks out.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use orch_client::events::Recorder;
use orch_client::informer::{self, Event};
use orch_client::{Client, ListOptions, Resource, Target};
use orch_object::Kind;
use orch_plugin::calls::scheduler::{Description, SchedulerPlugin};
use orch_plugin::calls::{CallError, Interest};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::core::{Core, Effect, Input};
use crate::metrics::Metrics;
use crate::pod::{self, DEFAULT_SCHEDULER, PodInfo};
use crate::queue::Delays;
use crate::resident::{Resident, other_kinds};
use crate::settings::Settings;

const NODES: Resource = Resource::core("nodes");
const PODS: Resource = Resource::core("pods");
/// How long a plugin waits to be told of the objects it reads beside nodes and pods.
const FIRST_LIST: Duration = Duration::from_secs(10);
/// How often it is looked whether a kind is served that a plugin reads and that is not served yet.
const NOT_SERVED: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct Options {
    pub initial_backoff: Duration,
    pub max_backoff: Duration,
    /// An unschedulable pod is tried again after this long though nothing it waits for changed.
    pub unschedulable_flush: Duration,
    /// Bindings and status writes under way at once.
    pub parallel_writes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(10),
            unschedulable_flush: Duration::from_secs(300),
            parallel_writes: 64,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// The plugin did not take the state; what was installed before goes on.
    #[error("cannot bring the plugin {name} up to date: {source}")]
    Sync {
        name: String,
        #[source]
        source: CallError,
    },
    #[error("the scheduler has stopped")]
    Stopped,
}

/// A running scheduler. Cheap to clone; it stops with the token given to [`Scheduler::start`].
#[derive(Clone)]
pub struct Scheduler {
    inputs: mpsc::Sender<Input>,
    client: Arc<dyn Client>,
    /// Kinds beside nodes and pods that are followed because a plugin reads them.
    followed: Arc<Mutex<HashSet<(String, String)>>>,
    metrics: Metrics,
    stop: CancellationToken,
}

impl Scheduler {
    /// Starts informers and the scheduling thread on the current runtime. Pods wait until a plugin
    /// that filters is installed.
    pub fn start(client: Arc<dyn Client>, options: Options, stop: CancellationToken) -> Self {
        let (inputs, received) = mpsc::channel();
        let delays = Delays {
            initial_backoff: options.initial_backoff,
            max_backoff: options.max_backoff,
            flush: options.unschedulable_flush,
        };
        let core = Core::new(delays);
        let scheduler = Scheduler {
            inputs,
            client: client.clone(),
            followed: Arc::default(),
            metrics: core.metrics.clone(),
            stop: stop.clone(),
        };
        scheduler.follow_nodes(client.clone(), stop.clone());
        scheduler.follow_pods(client.clone(), stop.clone());
        let api = Api {
            recorder: Recorder::start(client.clone(), DEFAULT_SCHEDULER, ""),
            client,
            permits: Arc::new(Semaphore::new(options.parallel_writes)),
        };
        let worker = Worker {
            core,
            inputs: scheduler.inputs.clone(),
            api,
            runtime: tokio::runtime::Handle::current(),
            reports: HashMap::new(),
        };
        std::thread::Builder::new()
            .name("scheduler".into())
            .spawn(move || worker.run(&received))
            .expect("a thread can be started: without one there is no scheduler");
        let inputs = scheduler.inputs.clone();
        tokio::spawn(async move {
            stop.cancelled().await;
            let _ = inputs.send(Input::Stop);
        });
        scheduler
    }

    /// Adds a plugin, or swaps the one of the same name: the new one is given the whole state beside
    /// the running cycles, then takes its place between two of them. A version on trial stands beside
    /// the one that serves.
    pub async fn install(
        &self,
        name: &str,
        plugin: Arc<dyn SchedulerPlugin>,
        settings: Settings,
    ) -> Result<(), SchedulerError> {
        let failed = |source| SchedulerError::Sync { name: name.into(), source };
        self.follow_others(plugin.description()).await;
        let (reply, snapshot) = oneshot::channel();
        self.send(Input::Snapshot(reply))?;
        let snapshot = snapshot.await.map_err(|_| SchedulerError::Stopped)?;
        let mut resident = Resident::new(name, plugin, settings);
        let prepared = tokio::task::spawn_blocking(move || {
            for change in &snapshot.changes {
                resident.apply(change);
            }
            resident.flush().map(|()| (resident, snapshot.lease))
        });
        let (resident, lease) = prepared.await.map_err(|_| SchedulerError::Stopped)?.map_err(failed)?;
        let (reply, installed) = oneshot::channel();
        self.send(Input::Install(Box::new(resident), lease, reply))?;
        installed.await.map_err(|_| SchedulerError::Stopped)?.map_err(failed)
    }

    /// Takes a plugin out, versions on trial too; no cycle asks it any more when this returns. False:
    /// there was none.
    pub async fn remove(&self, name: &str) -> Result<bool, SchedulerError> {
        self.take_out(name, false).await
    }

    /// Takes out what stands on trial beside the plugin that serves.
    pub async fn remove_trial(&self, name: &str) -> Result<bool, SchedulerError> {
        self.take_out(name, true).await
    }

    /// Returns when its thread has answered.
    pub async fn answers(&self) -> Result<(), SchedulerError> {
        self.take_out("", true).await.map(drop)
    }

    async fn take_out(&self, name: &str, only_trial: bool) -> Result<bool, SchedulerError> {
        let (reply, removed) = oneshot::channel();
        self.send(Input::Remove(name.into(), reply, only_trial))?;
        removed.await.map_err(|_| SchedulerError::Stopped)
    }

    /// Follows the kinds that the plugin reads and nobody read before; returns when the scheduler
    /// has been told what there is of them, or of some kind there is nothing to be had.
    async fn follow_others(&self, description: &Description) {
        for interest in other_kinds(description) {
            let key = (interest.api_version.clone(), interest.kind.clone());
            if !self.followed.lock().insert(key) {
                continue;
            }
            let (told, first_list) = oneshot::channel();
            let (this, interest) = (self.clone(), interest.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = this.follow_kind(&interest, told) => {}
                    () = this.stop.cancelled() => {}
                }
            });
            if tokio::time::timeout(FIRST_LIST, first_list).await.is_err() {
                tracing::warn!("some objects that a scheduling plugin reads are not listed yet");
            }
        }
    }

    async fn follow_kind(&self, interest: &Interest, told: oneshot::Sender<()>) {
        let mut told = Some(told);
        let kind = loop {
            match self.served(interest) {
                Some(kind) => break kind,
                // Nothing to wait for: the plugin works without until the kind is served.
                None => drop(told.take()),
            }
            tokio::time::sleep(NOT_SERVED).await;
        };
        let resource = Resource {
            group: kind.group.clone().into(),
            version: kind.version.clone().into(),
            plural: kind.plural.clone().into(),
        };
        let target = Target::all(&resource);
        let (_, mut events) =
            informer::start(self.client.clone(), target, ListOptions::default(), self.stop.clone());
        while let Some(event) = events.recv().await {
            let input = match event {
                Event::Added(object) | Event::Modified { now: object, .. } => Input::Object(object),
                Event::Deleted(object) => Input::ObjectGone(object),
                Event::Synced => {
                    if let Some(told) = told.take() {
                        let _ = told.send(());
                    }
                    continue;
                }
            };
            if self.send(input).is_err() {
                return;
            }
        }
    }

    fn served(&self, interest: &Interest) -> Option<Arc<Kind>> {
        self.client.kinds().borrow().by_kind(&interest.api_version, &interest.kind).cloned()
    }

    /// A trace from now on, a line each (see [`crate::trace`]), beginning with the whole state. It
    /// ends when the receiver is dropped, or when it falls too far behind.
    pub async fn record(&self) -> Result<tokio::sync::mpsc::Receiver<String>, SchedulerError> {
        let (reply, lines) = oneshot::channel();
        self.send(Input::Record(reply))?;
        lines.await.map_err(|_| SchedulerError::Stopped)
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn send(&self, input: Input) -> Result<(), SchedulerError> {
        self.inputs.send(input).map_err(|_| SchedulerError::Stopped)
    }

    fn follow_nodes(&self, client: Arc<dyn Client>, stop: CancellationToken) {
        let inputs = self.inputs.clone();
        let (_, mut events) = informer::start(client, Target::all(&NODES), ListOptions::default(), stop);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let input = match event {
                    Event::Added(node) | Event::Modified { now: node, .. } => Input::Node(node),
                    Event::Deleted(node) => {
                        Input::NodeGone(node["metadata"]["name"].as_str().unwrap_or_default().into())
                    }
                    Event::Synced => Input::Synced,
                };
                if inputs.send(input).is_err() {
                    return;
                }
            }
        });
    }

    fn follow_pods(&self, client: Arc<dyn Client>, stop: CancellationToken) {
        let inputs = self.inputs.clone();
        let mut events = informer::follow(client, Target::all(&PODS), ListOptions::default(), stop);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let input = match event {
                    Event::Added(pod) | Event::Modified { now: pod, .. } => {
                        Input::Pod(Arc::new(PodInfo::new(pod)))
                    }
                    Event::Deleted(pod) => Input::PodGone(pod::uid(&pod.value()).into()),
                    Event::Synced => Input::Synced,
                };
                if inputs.send(input).is_err() {
                    return;
                }
            }
        });
    }
}

/// What the scheduling thread owns.
struct Worker {
    core: Core,
    inputs: mpsc::Sender<Input>,
    api: Api,
    runtime: tokio::runtime::Handle,
    /// Reports that may still be under way.
    reports: HashMap<Arc<str>, JoinHandle<()>>,
}

impl Worker {
    fn run(mut self, received: &mpsc::Receiver<Input>) {
        let mut effects = Vec::new();
        loop {
            // Everything known goes in before the next decision is made.
            while let Ok(input) = received.try_recv() {
                if matches!(input, Input::Stop) {
                    return;
                }
                self.core.handle(input, Instant::now(), &mut effects);
            }
            let decided = self.core.step(Instant::now(), &mut effects);
            effects.drain(..).for_each(|effect| self.perform(effect));
            self.core.count_waiting();
            if decided {
                continue;
            }
            self.core.settle(Instant::now());
            match self.wait(received) {
                None | Some(Input::Stop) => return,
                Some(input) => self.core.handle(input, Instant::now(), &mut effects),
            }
        }
    }

    /// The next input; `None` when there can be none.
    fn wait(&self, received: &mpsc::Receiver<Input>) -> Option<Input> {
        let Some(due) = self.core.next_due() else { return received.recv().ok() };
        match received.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(input) => Some(input),
            Err(mpsc::RecvTimeoutError::Timeout) => Some(Input::Due),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
        }
    }

    fn perform(&mut self, effect: Effect) {
        let api = self.api.clone();
        match effect {
            Effect::Bind { pod, node } => {
                let inputs = self.inputs.clone();
                let report = self.reports.remove(&pod.uid);
                self.runtime.spawn(async move {
                    // A late PodScheduled=False must not overwrite what the binding sets.
                    if let Some(report) = report {
                        let _ = report.await;
                    }
                    let result = api.bind(&pod, &node).await;
                    let _ = inputs.send(Input::Bound(pod.uid.clone(), result));
                });
            }
            Effect::Report { pod, failure } => {
                self.after_reports(&pod.uid.clone(), async move { api.report(&pod, &failure).await });
            }
            Effect::Write { pod, plugin, client, patches } => {
                let inputs = self.inputs.clone();
                self.runtime.spawn(async move {
                    let result = api.write(&plugin, client, &patches).await;
                    let _ = inputs.send(Input::Written(pod.uid.clone(), result));
                });
            }
            Effect::Preempt { pod, node, victims } => {
                self.after_reports(&pod.uid.clone(), async move {
                    api.nominate(&pod, Some(&node)).await;
                    for victim in victims {
                        api.evict(&pod, &node, &victim).await;
                    }
                });
            }
            Effect::Withdraw { pod } => {
                self.after_reports(&pod.uid.clone(), async move { api.nominate(&pod, None).await });
            }
        }
    }

    /// Writes to one pod's status come one after the other.
    fn after_reports(&mut self, uid: &Arc<str>, write: impl Future<Output = ()> + Send + 'static) {
        self.reports.retain(|_, report| !report.is_finished());
        let earlier = self.reports.remove(uid);
        let report = self.runtime.spawn(async move {
            if let Some(earlier) = earlier {
                let _ = earlier.await;
            }
            write.await;
        });
        self.reports.insert(uid.clone(), report);
    }
}
