//! One pod's worker: plans, performs, tells the API, listens.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use orch_client::{Patch, PatchType, Resource, Target, WriteOptions};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::adopt::Adopted;
use super::env::{self, SourceKind};
use super::inbox::{Inbox, Input};
use super::plan::{Action, plan};
use super::record::{End, Operation, Record, Sandbox, Waiting};
use super::resize;
use super::sandbox;
use super::spec::{Container, Pod, ResourceRequirements};
use super::start::Starting;
use super::status::{self, Facts};
use super::stop::{Stop, Stopping};
use super::view::View;
use crate::agent::Agent;
use crate::events::About;
use crate::probe::Probes;
use crate::references;
use crate::time;
use crate::volume;

/// Between tries of a step of a resize that failed.
pub(super) const RESIZE_AGAIN: Duration = Duration::from_secs(5);

pub struct Worker {
    pub(super) agent: Arc<Agent>,
    pub(super) pod: Arc<Pod>,
    pub(super) record: Record,
    pub(super) inbox: Inbox,
    inputs: mpsc::UnboundedReceiver<Input>,
    view: View,
    /// Ends the operation under way, where it may be ended.
    cancel: CancellationToken,
    /// By container id.
    pub(super) stops: HashMap<String, Stop>,
    pub(super) probes: HashMap<String, Probes>,
    /// `resourceVersion`s of what the volumes hold.
    pub(super) versions: HashMap<(SourceKind, String), u64>,
    /// The newest `resourceVersion`s heard of.
    pub(super) heard: HashMap<(SourceKind, String), u64>,
    /// When the node first saw the pod, as `status.startTime`.
    start_time: String,
    /// `activeDeadlineSeconds`, and when that is.
    deadline: Option<(i64, Instant)>,
    /// What the pod held of the node when others last saw it.
    held: [i128; 2],
    pub(super) telling: Telling,
    stale: Option<Adopted>,
    /// Nothing of the pod is left.
    pub(super) finished: bool,
}

/// The state of what the API has been told.
#[derive(Default)]
pub(super) struct Telling {
    /// What it was told last; null: nothing by this worker.
    pub told: Value,
    /// The pod's `resourceVersion` since then.
    pub version: u64,
    pub in_flight: bool,
    pub retry_at: Option<Instant>,
    pub failures: u32,
}

impl Worker {
    pub fn new(agent: Arc<Agent>, pod: Arc<Pod>, mut adopted: Adopted) -> Self {
        let (inbox, inputs) = Inbox::new();
        let start_time = pod.status()["startTime"].as_str().map_or_else(time::now, str::to_string);
        Worker {
            agent,
            held: resize::requests(&pod, None),
            view: View::new(pod.clone()),
            record: std::mem::take(&mut adopted.record),
            pod,
            inbox,
            inputs,
            cancel: CancellationToken::new(),
            stops: HashMap::new(),
            probes: HashMap::new(),
            versions: HashMap::new(),
            heard: HashMap::new(),
            start_time,
            deadline: None,
            telling: Telling::default(),
            stale: Some(adopted),
            finished: false,
        }
    }

    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// Runs until nothing of the pod is left.
    pub async fn run(mut self) {
        self.remove_stale().await;
        self.refuse_unsupported();
        self.watch_references();
        while let Some(wake_at) = self.step() {
            let input = match wake_at {
                None => self.inputs.recv().await,
                Some(at) => tokio::select! {
                    input = self.inputs.recv() => input,
                    _ = sleep_until(at) => continue,
                },
            };
            let Some(input) = input else { break };
            self.take(input);
            while let Ok(more) = self.inputs.try_recv() {
                self.take(more);
            }
        }
        self.agent.references.release(&self.pod.metadata.uid);
    }

    /// Decides and acts until there is nothing left to decide; `None`: the pod is gone.
    fn step(&mut self) -> Option<Option<Instant>> {
        if self.finished {
            return None;
        }
        let mut wake_at;
        loop {
            let deadline = self.deadline();
            let plan = plan(&self.pod, &self.record, deadline, Instant::now());
            wake_at = plan.wake_at;
            let mut again = false;
            for action in plan.actions {
                again |= matches!(action, Action::End(_) | Action::Initialized);
                self.perform(action);
            }
            if !again {
                break;
            }
        }
        self.tell();
        self.view.show(&self.pod, &self.record);
        self.give_back();
        Some([wake_at, self.telling.retry_at].into_iter().flatten().min())
    }

    /// Others' resizes may have waited for what this pod no longer holds.
    fn give_back(&mut self) {
        let held = resize::held(&self.pod, &self.record);
        let before = std::mem::replace(&mut self.held, held);
        if held.iter().zip(before).any(|(now, before)| *now < before) {
            self.agent.pods.tell_of_room();
        }
    }

    async fn remove_stale(&mut self) {
        let Some(stale) = self.stale.take() else { return };
        for id in stale.stale_containers {
            if let Err(error) = self.agent.runtime.remove_container(&id).await {
                tracing::warn!(container = id, %error, "a stale container could not be removed");
            }
        }
        for handle in stale.stale_sandboxes {
            let id = handle.id.clone();
            if let Err(error) = sandbox::remove(&self.agent, &handle).await {
                tracing::warn!(sandbox = id, error, "a stale sandbox could not be removed");
            }
        }
    }

    fn refuse_unsupported(&mut self) {
        if self.record.end.is_some() || self.record.deleted_from_api {
            return;
        }
        if let Some(message) = sandbox::unsupported(&self.pod) {
            self.agent.events.warning(&About::pod(&self.pod), "Failed", &message);
            self.record.end = Some(End::Failed { reason: "UnsupportedPodFeature".into(), message });
        }
    }

    pub(super) fn watch_references(&self) {
        if self.record.end.is_some() || self.pod.is_deleted() || self.record.deleted_from_api {
            return;
        }
        let mut names = volume::referenced_objects(&self.pod);
        names.extend(self.pod.all_containers().flat_map(env::references));
        let meta = &self.pod.metadata;
        self.agent.references.watch(&meta.namespace, names, &meta.uid, &self.inbox);
    }

    /// When `activeDeadlineSeconds` runs out.
    fn deadline(&mut self) -> Option<Instant> {
        let seconds = self.pod.spec.active_deadline_seconds?;
        if self.deadline.is_none_or(|(known, _)| known != seconds) {
            let started: jiff::Timestamp = self.start_time.parse().ok()?;
            let passed = jiff::Timestamp::now().duration_since(started).as_secs();
            let left = Duration::from_secs(u64::try_from(seconds - passed).unwrap_or(0));
            self.deadline = Some((seconds, Instant::now() + left));
        }
        self.deadline.map(|(_, at)| at)
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::SetUp => self.set_up(),
            Action::Start { container, restart_count } => self.start(container, restart_count),
            Action::BackOff { container, delay } => self.back_off(&container, delay),
            Action::PullBackOff { container } => self.pull_back_off(&container),
            Action::Stop { container, why, grace_seconds } => {
                let grace = Duration::from_secs(grace_seconds.unsigned_abs());
                self.stop(&container, why, grace);
            }
            Action::Remove { container, id } => self.remove(container, id),
            Action::Cancel => self.cancel.cancel(),
            Action::Refresh => self.refresh(),
            Action::Resize => self.resize(),
            Action::End(end) => self.end(end),
            Action::Initialized => self.record.initialized = true,
            Action::TearDown => self.tear_down(),
            Action::Delete if self.record.deleted_from_api || self.is_told() => self.delete(),
            Action::Delete => {}
        }
    }

    /// Marks the operation as under way and runs it beside the worker.
    fn operate(&mut self, operation: Operation) -> CancellationToken {
        self.cancel = CancellationToken::new();
        self.record.operation = Some(operation);
        self.cancel.clone()
    }

    fn set_up(&mut self) {
        self.operate(Operation::SetUp);
        let (agent, pod, inbox) = (self.agent.clone(), self.pod.clone(), self.inbox.clone());
        let (known, keep) = (self.record.sandbox.clone(), self.record.any_running());
        self.agent.spawn(async move {
            let outcome = sandbox::set_up(&agent, &pod, known, keep).await;
            inbox.put(Input::SetUp(outcome));
        });
    }

    fn start(&mut self, name: String, restart_count: u32) {
        let Sandbox::Ready(handle) = self.record.sandbox.clone() else { return };
        let Some(container) = self.pod.container(&name).cloned() else { return };
        let known = self.record.containers.entry(name.clone()).or_default();
        if known.current().is_some_and(|a| a.exit().is_some()) && known.failures == 0 {
            known.crash.step(Instant::now());
        }
        let mut container = container;
        if let Some(has) = self.resources_without_room(&container.name) {
            container.resources = has;
        }
        let target = self.record.container(&container.target_container_name);
        let target = target.and_then(|known| known.current()).filter(|attempt| attempt.is_running());
        let target = target.map(|attempt| attempt.id.clone());
        let cancel = self.operate(Operation::Start { container: name });
        let starting = Starting {
            agent: self.agent.clone(),
            pod: self.pod.clone(),
            container,
            target,
            sandbox: handle,
            ips: self.record.ips.clone(),
            restart_count,
            inbox: self.inbox.clone(),
            cancel,
        };
        self.agent.spawn(starting.run());
    }

    /// While there is no room for what the spec asks for, a container starts again with what it had.
    fn resources_without_room(&self, name: &str) -> Option<ResourceRequirements> {
        self.record.resize.as_ref().filter(|waiting| waiting.reason != "Error")?;
        self.record.container(name)?.current()?.resources.clone()
    }

    fn back_off(&mut self, name: &str, delay: Duration) {
        let full_name = self.pod.full_name();
        let message = format!("back-off {} restarting failed container={name} pod={full_name}", shown(delay));
        if let Some(known) = self.record.containers.get_mut(name) {
            known.waiting = Some(Waiting { reason: "CrashLoopBackOff".into(), message });
        }
        let message = format!("Back-off restarting failed container {name} in pod {full_name}");
        self.agent.events.warning(&About::container(&self.pod, name), "BackOff", message);
    }

    fn pull_back_off(&mut self, name: &str) {
        let Some(image) = self.pod.container(name).map(|c| c.image.clone()) else { return };
        let Some(known) = self.record.containers.get_mut(name) else { return };
        let cause = known.waiting.take().map(|w| w.message).unwrap_or_default();
        let message = format!("Back-off pulling image \"{image}\"");
        let about = About::container(&self.pod, name);
        self.agent.events.normal(&about, "BackOff", &message);
        self.agent.events.warning(&about, "Failed", "Error: ImagePullBackOff");
        let message = format!("{message}: ErrImagePull: {cause}");
        known.waiting = Some(Waiting { reason: "ImagePullBackOff".into(), message });
    }

    fn stop(&mut self, name: &str, why: super::plan::StopReason, grace: Duration) {
        let Some(known) = self.record.containers.get_mut(name) else { return };
        let Some(attempt) = known.current().cloned() else { return };
        known.stopping = true;
        let stop = Stopping {
            agent: self.agent.clone(),
            pod: self.pod.clone(),
            container: name.to_string(),
            id: attempt.id.clone(),
            ips: self.record.ips.clone(),
            signal: attempt.stop_signal.clone(),
            why,
            grace,
            inbox: self.inbox.clone(),
        };
        self.stops.insert(attempt.id, stop.begin());
    }

    fn remove(&mut self, container: String, id: String) {
        if let Some(known) = self.record.containers.get_mut(&container) {
            // Out of sight at once, so that it is removed once.
            known.attempts.retain(|a| a.id != id);
        }
        let agent = self.agent.clone();
        self.agent.spawn(async move {
            if let Err(error) = agent.runtime.remove_container(&id).await {
                tracing::warn!(container = id, %error, "a dead container could not be removed");
            }
        });
    }

    fn refresh(&mut self) {
        self.operate(Operation::Refresh);
        self.record.stale_content = false;
        let (agent, pod, inbox) = (self.agent.clone(), self.pod.clone(), self.inbox.clone());
        let ips = self.record.ips.clone();
        self.agent.spawn(async move {
            let from = super::fields::Downward {
                pod: &pod,
                pod_ips: &ips,
                host_ips: &agent.config.addresses,
                node: &agent.machine.allocatable,
            };
            let outcome = volume::set_up(&agent, from).await;
            inbox.put(Input::Refreshed(outcome));
        });
    }

    fn resize(&mut self) {
        // Before it is looked for: it may come at any moment.
        self.agent.pods.wait_for_room(&self.pod.metadata.uid);
        if let Some(refusal) = resize::refusal(&self.agent, &self.pod) {
            self.record.lacks_room = true;
            if self.record.resize.as_ref() != Some(&refusal) {
                let reason = if refusal.reason == "Deferred" { "ResizeDeferred" } else { "ResizeInfeasible" };
                self.tell_resize(reason, &refusal.reason, &refusal.message);
                self.record.resize = Some(refusal);
            }
            return;
        }
        let Some(sandbox) = self.record.sandbox.handle().map(|handle| handle.id.clone()) else { return };
        let Some(step) = resize::step(&self.pod, &self.record, self.agent.machine.memory_bytes) else {
            return;
        };
        // What failed stands until it succeeds.
        self.record.resize = self.record.resize.take().filter(|waiting| waiting.reason == "Error");
        let generation = self.pod.metadata.generation.unwrap_or(0);
        if self.record.resizing != Some(generation) && !step.containers.is_empty() {
            self.record.resizing = Some(generation);
            self.tell_resize("ResizeStarted", "started", "");
        }
        self.operate(Operation::Resize);
        let (agent, inbox) = (self.agent.clone(), self.inbox.clone());
        self.agent.spawn(async move {
            let outcome = resize::carry_out(&agent, &sandbox, &step).await;
            inbox.put(Input::Resized(step, outcome));
        });
    }

    /// An event with what the spec asks for, in upstream's form; `error`: why that is not so.
    pub(super) fn tell_resize(&self, reason: &'static str, what: &str, error: &str) {
        let message = format!("Pod resize {what}: {}", resize::summary(&self.pod, error));
        match error.is_empty() {
            true => self.agent.events.normal(&About::pod(&self.pod), reason, message),
            false => self.agent.events.warning(&About::pod(&self.pod), reason, message),
        }
    }

    fn end(&mut self, end: End) {
        if let End::Failed { reason, message } = &end {
            let about = About::pod(&self.pod);
            if reason == "DeadlineExceeded" {
                self.agent.events.normal(&about, "DeadlineExceeded", message);
            }
        }
        self.record.end = Some(end);
        self.record.retry_at = None;
        self.probes.values_mut().for_each(Probes::only_readiness);
    }

    fn tear_down(&mut self) {
        self.operate(Operation::TearDown);
        let (agent, inbox) = (self.agent.clone(), self.inbox.clone());
        let (uid, handle) = (self.pod.metadata.uid.clone(), self.record.sandbox.handle().cloned());
        self.agent.spawn(async move {
            let outcome = sandbox::tear_down(&agent, &uid, handle).await;
            inbox.put(Input::TornDown(outcome));
        });
    }

    fn delete(&mut self) {
        self.operate(Operation::Delete);
        let (agent, pod, inbox) = (self.agent.clone(), self.pod.clone(), self.inbox.clone());
        let ids = self.record.containers.values().flat_map(|c| &c.attempts).map(|a| a.id.clone()).collect();
        let in_api = !self.record.deleted_from_api;
        self.agent.spawn(async move {
            let outcome = sandbox::delete(&agent, &pod, ids, in_api).await;
            inbox.put(Input::Deleted(outcome));
        });
    }

    fn current_status(&self) -> Value {
        let before = if self.telling.told.is_null() { self.pod.status() } else { &self.telling.told };
        status::build(Facts {
            pod: &self.pod,
            record: &self.record,
            host_ips: &self.agent.config.addresses,
            before,
            start_time: &self.start_time,
            now: &time::now(),
        })
    }

    /// A final status is never rewritten, a half-known one never told.
    fn has_nothing_to_tell(&self) -> bool {
        self.record.adopting || self.record.deleted_from_api || self.record.end == Some(End::Known)
    }

    fn is_told(&self) -> bool {
        if self.has_nothing_to_tell() {
            return true;
        }
        let status = self.current_status();
        let shown = if self.telling.told.is_null() { self.pod.status() } else { &self.telling.told };
        !self.telling.in_flight && status::is_reflected(&status, shown)
    }

    /// After what was told somebody else said the contrary.
    fn is_contradicted(&self) -> bool {
        let Telling { told, version, in_flight, .. } = &self.telling;
        !in_flight && self.pod.version() > *version && status::is_contradicted(told, self.pod.status())
    }

    /// Between two images of a container nothing is told, as by the kubelet, unless the new one cannot be
    /// had: whoever changed the image sees one restart, not a pod that failed.
    fn is_replacing(&self) -> bool {
        let is_between = |container: &Container| {
            self.record.container(&container.name).is_some_and(|known| {
                let current = known.current();
                let is_over = current.is_some_and(|a| a.exit().is_some() && a.image != container.image);
                is_over && known.waiting.is_none()
            })
        };
        let goes_on = self.record.end.is_none() && !self.pod.is_deleted() && !self.record.deleted_from_api;
        goes_on && self.pod.spec.containers.iter().any(is_between)
    }

    fn tell(&mut self) {
        if self.is_contradicted() {
            self.telling.told = Value::Null;
        }
        let is_early = self.telling.retry_at.is_some_and(|at| at > Instant::now());
        if self.telling.in_flight || is_early || self.is_replacing() || self.is_told() {
            return;
        }
        let status = self.current_status();
        let before = std::mem::replace(&mut self.telling.told, status);
        let before = if before.is_null() { self.pod.status().clone() } else { before };
        let body = status::patch(&self.pod, &before, &self.telling.told);
        self.telling.in_flight = true;
        self.telling.retry_at = None;
        let meta = &self.pod.metadata;
        let target =
            Target::named(&Resource::core("pods"), &meta.namespace, &meta.name).subresource("status");
        let (agent, inbox) = (self.agent.clone(), self.inbox.clone());
        self.agent.spawn(async move {
            let patch = Patch { patch_type: PatchType::Strategic, body };
            let options = WriteOptions { field_manager: "kubelet".into(), ..WriteOptions::default() };
            let written = agent.client.patch(&target, patch, &options).await;
            inbox.put(Input::StatusWritten(written.map(|pod| references::version(&pod))));
        });
    }
}

/// `10s`, `1m20s`, as Go prints durations.
fn shown(delay: Duration) -> String {
    let seconds = delay.as_secs();
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_read_as_in_go() {
        assert_eq!(shown(Duration::from_secs(10)), "10s");
        assert_eq!(shown(Duration::from_secs(80)), "1m20s");
        assert_eq!(shown(Duration::from_secs(300)), "5m0s");
    }
}
