//! What a worker learns from its inputs.

use std::sync::Arc;
use std::time::Duration;

use orch_client::Status;
use orch_container::runtime::{Container, State};
use serde_json::Value;
use tokio::time::Instant;

use super::env::SourceKind;
use super::inbox::{FailureKind, Input, SetUpOutcome, StartFailure};
use super::labels;
use super::message;
use super::record::{FailedProbe, Operation, Sandbox, Volumes, Waiting};
use super::resize::{self, Step};
use super::spec::Pod;
use super::start::POST_START_FAILED;
use super::worker::{RESIZE_AGAIN, Worker};
use crate::events::About;
use crate::probe::{ProbeKind, Probes, Subject};
use crate::volume::{self, MountError, Mounted};

impl Worker {
    pub(super) fn take(&mut self, input: Input) {
        match input {
            Input::Pod(object) => self.take_pod(object),
            Input::Gone => self.take_gone(),
            Input::Container(container) => self.take_container(&container),
            Input::ObjectChanged { kind, name, version } => self.take_object(kind, name, version),
            Input::Probed { container_id, kind, healthy } => self.take_probe(&container_id, kind, healthy),
            Input::Stopped { container, id } => self.take_stopped(&container, &id),
            Input::SetUp(outcome) => self.take_set_up(outcome),
            Input::Started { container, outcome } => self.take_started(&container, outcome),
            Input::Refreshed(outcome) => self.take_refreshed(outcome),
            Input::Resized(step, outcome) => self.take_resized(step, outcome),
            Input::Room => self.record.lacks_room = false,
            Input::TornDown(outcome) => self.take_torn_down(outcome),
            Input::Deleted(outcome) => self.take_deleted(outcome),
            Input::StatusWritten(outcome) => self.take_told(outcome),
        }
    }

    fn take_pod(&mut self, object: Arc<Value>) {
        let before = self.pod.clone();
        match Pod::read(object) {
            Ok(pod) => self.pod = Arc::new(pod),
            Err(error) => {
                tracing::warn!(%error, "an update was not understood; the pod goes on as before");
                return;
            }
        }
        if before.metadata.generation != self.pod.metadata.generation {
            self.record.resize = None;
            self.record.lacks_room = false;
            self.record.resize_at = None;
        }
        if self.pod.is_deleted() {
            self.record.retry_at = self.record.retry_at.filter(|_| self.record.is_torn_down());
            self.hasten();
        }
        if before.spec.ephemeral_containers.len() != self.pod.spec.ephemeral_containers.len() {
            self.watch_references();
        }
        // Labels and annotations may stand in a downward API volume.
        let (old, new) = (&before.metadata, &self.pod.metadata);
        let has_changed = old.labels != new.labels || old.annotations != new.annotations;
        self.record.stale_content |=
            has_changed && self.record.is_set_up() && self.pod.spec.volumes.iter().any(reads_metadata);
    }

    fn hasten(&mut self) {
        let grace = Duration::from_secs(self.pod.grace_seconds().unsigned_abs());
        self.stops.values().for_each(|stop| stop.shorten(grace));
        self.probes.values_mut().for_each(Probes::only_readiness);
    }

    fn take_gone(&mut self) {
        self.record.deleted_from_api = true;
        self.record.retry_at = None;
        self.hasten();
    }

    fn take_container(&mut self, container: &Container) {
        let name = container.config.labels.get(labels::CONTAINER_NAME).cloned().unwrap_or_default();
        let known = self.record.containers.entry(name.clone()).or_default();
        if !known.observe(container, Instant::now()) {
            return;
        }
        let id = &container.config.id;
        match container.state {
            State::Created => {}
            State::Running { .. } => self.begin_probes(&name),
            State::Exited(_) => {
                self.probes.remove(id);
                if let Some(stop) = self.stops.get(id) {
                    stop.exited.cancel();
                }
                self.read_message(&name, container);
            }
        }
    }

    fn read_message(&mut self, name: &str, container: &Container) {
        let State::Exited(exit) = &container.state else { return };
        let Some(attempt) = self
            .record
            .containers
            .get_mut(name)
            .and_then(|known| known.attempts.iter_mut().find(|a| a.id == container.config.id))
        else {
            return;
        };
        let policy = container.config.labels.get(labels::MESSAGE_POLICY).map(String::as_str);
        let fall_back = policy == Some("FallbackToLogsOnError") && exit.code != 0;
        let file = self.agent.paths.termination_log(&self.pod.metadata.uid, name, attempt.restart_count);
        attempt.message = message::read(&file, &attempt.log_path, fall_back);
    }

    /// For a container that has just been seen running.
    pub(super) fn begin_probes(&mut self, name: &str) {
        let Some(container) = self.pod.container(name).cloned() else { return };
        let is_ending = self.pod.is_deleted() || self.record.end.is_some() || self.record.deleted_from_api;
        let Some(known) = self.record.containers.get_mut(name) else { return };
        let Some(attempt) = known.current().cloned() else { return };
        let State::Running { started_at_ms } = attempt.state else { return };
        known.started |= container.startup_probe.is_none();
        known.ready |= container.readiness_probe.is_none() && known.started;
        let since = jiff::Timestamp::now().as_millisecond().saturating_sub(started_at_ms).max(0);
        let now = Instant::now();
        let subject = Subject {
            agent: self.agent.clone(),
            pod: self.pod.clone(),
            container,
            id: attempt.id.clone(),
            ips: self.record.ips.clone(),
            started_at: now.checked_sub(Duration::from_millis(since.unsigned_abs())).unwrap_or(now),
            inbox: self.inbox.clone(),
        };
        let mut probes = Probes::begin(subject, known.started, known.ready);
        if is_ending {
            probes.only_readiness();
        }
        self.probes.insert(attempt.id, probes);
    }

    fn take_object(&mut self, kind: SourceKind, name: String, version: u64) {
        let key = (kind, name);
        let written = self.versions.get(&key).copied().unwrap_or_default();
        let is_in_volume = volume::referenced_objects(&self.pod).contains(&key);
        self.record.stale_content |= is_in_volume && self.record.is_set_up() && written < version;
        self.heard.insert(key, version);
        // Whatever waited for the object need not wait longer.
        self.record.retry_at = None;
        for known in self.record.containers.values_mut() {
            let waits = known.waiting.as_ref().is_some_and(|w| w.reason == "CreateContainerConfigError");
            if waits {
                known.retry_at = known.retry_at.map(|_| Instant::now());
            }
        }
    }

    fn take_probe(&mut self, id: &str, kind: ProbeKind, healthy: bool) {
        let pod = self.pod.clone();
        let found = self.record.containers.iter_mut().find(|(_, c)| c.current().is_some_and(|a| a.id == id));
        let Some((name, known)) = found.filter(|(_, c)| c.is_running()) else { return };
        let spec = pod.container(name);
        match (kind, healthy) {
            (ProbeKind::Readiness, ready) => known.ready = ready,
            (ProbeKind::Startup, true) => {
                known.started = true;
                known.ready |= spec.is_some_and(|c| c.readiness_probe.is_none());
                if let Some(probes) = self.probes.get(id) {
                    probes.started();
                }
            }
            (ProbeKind::Liveness, true) => {}
            (ProbeKind::Startup | ProbeKind::Liveness, false) => {
                let probe = spec.and_then(|c| match kind {
                    ProbeKind::Startup => c.startup_probe.as_ref(),
                    ProbeKind::Liveness | ProbeKind::Readiness => c.liveness_probe.as_ref(),
                });
                let grace_seconds = probe.and_then(|p| p.termination_grace_period_seconds);
                known.failed_probe = Some(FailedProbe { kind: kind.name(), grace_seconds });
            }
        }
    }

    fn take_stopped(&mut self, container: &str, id: &str) {
        self.stops.remove(id);
        if let Some(known) = self.record.containers.get_mut(container) {
            known.stopping = false;
        }
    }

    fn take_set_up(&mut self, outcome: SetUpOutcome) {
        self.record.operation = None;
        let about = About::pod(&self.pod);
        let mut failed = false;
        match outcome.sandbox {
            Ok((handle, ips)) => {
                self.record.sandbox = Sandbox::Ready(handle);
                self.record.ips = ips;
            }
            Err(failure) => {
                failed = true;
                self.record.sandbox = failure.handle.map_or(Sandbox::Missing, Sandbox::Found);
                let message = format!("Failed to create pod sandbox: {}", failure.message);
                self.agent.events.warning(&about, "FailedCreatePodSandBox", message);
            }
        }
        match outcome.volumes {
            Ok(mounted) => self.remember_volumes(mounted),
            Err(error) => {
                failed = true;
                self.agent.events.warning(&about, "FailedMount", error.to_string());
            }
        }
        if failed {
            self.retry_later();
            return;
        }
        self.settle();
        if std::mem::take(&mut self.record.adopting) {
            let running: Vec<String> = self
                .record
                .containers
                .iter()
                .filter(|(_, known)| known.is_running())
                .map(|(name, _)| name.clone())
                .collect();
            running.iter().for_each(|name| self.begin_probes(name));
        }
    }

    fn remember_volumes(&mut self, mounted: Mounted) {
        self.record.volumes = Volumes::Mounted { refresh_at: mounted.refresh_at };
        self.versions = mounted.versions.into_iter().collect();
        // It may have changed while its older content was being written.
        let in_volumes = volume::referenced_objects(&self.pod);
        let is_old = |(key, heard): (&(SourceKind, String), &u64)| {
            in_volumes.contains(key) && self.versions.get(key).copied().unwrap_or_default() < *heard
        };
        self.record.stale_content |= self.heard.iter().any(is_old);
    }

    /// 0.5 s doubling to one minute.
    fn retry_later(&mut self) {
        let delay = Duration::from_millis(500 << self.record.failures.min(7)).min(Duration::from_secs(60));
        self.record.failures += 1;
        self.record.retry_at = Some(Instant::now() + delay);
    }

    fn settle(&mut self) {
        self.record.failures = 0;
        self.record.retry_at = None;
    }

    fn take_started(&mut self, name: &str, outcome: Result<(), StartFailure>) {
        if matches!(&self.record.operation, Some(Operation::Start { container }) if container == name) {
            self.record.operation = None;
        }
        let known = self.record.containers.entry(name.to_string()).or_default();
        let now = Instant::now();
        let Err(failure) = outcome else {
            known.waiting = None;
            known.failures = 0;
            known.retry_at = None;
            return;
        };
        match failure.kind {
            FailureKind::Cancelled => return,
            FailureKind::Crash => {
                known.retry_at = None;
                if failure.waiting.reason == POST_START_FAILED && known.is_running() {
                    known.failed_probe = Some(FailedProbe { kind: "postStart", grace_seconds: None });
                }
            }
            FailureKind::Pull => {
                known.pull.step(now);
                known.failures += 1;
                known.retry_at = Some(now + known.pull.delay());
            }
            FailureKind::Configuration => {
                let delay = Duration::from_secs(1 << known.failures.min(6)).min(Duration::from_secs(60));
                known.failures += 1;
                known.retry_at = Some(now + delay);
            }
        }
        known.waiting = Some(failure.waiting);
    }

    fn take_refreshed(&mut self, outcome: Result<Mounted, MountError>) {
        self.record.operation = None;
        match outcome {
            Ok(mounted) => {
                self.remember_volumes(mounted);
                self.settle();
            }
            Err(error) => {
                self.agent.events.warning(&About::pod(&self.pod), "FailedMount", error.to_string());
                self.record.stale_content = true;
                self.retry_later();
            }
        }
    }

    fn take_resized(&mut self, step: Step, outcome: Result<(), String>) {
        self.record.operation = None;
        if let Err(message) = outcome {
            self.record.resize_at = Some(Instant::now() + RESIZE_AGAIN);
            let failure = Waiting { reason: "Error".into(), message };
            if self.record.resize.as_ref() != Some(&failure) {
                self.tell_resize("ResizeError", "error", &failure.message);
                self.record.resize = Some(failure);
            }
            return;
        }
        self.record.resize = None;
        if let Sandbox::Ready(handle) = &mut self.record.sandbox {
            handle.resources = step.sandbox;
        }
        for container in step.containers {
            let Some(known) = self.record.containers.get_mut(&container.name) else { continue };
            if let Some(attempt) = known.attempts.iter_mut().find(|attempt| attempt.id == container.id) {
                attempt.resources = Some(container.wanted);
            }
        }
        if self.record.resizing.is_some() && resize::is_over(&self.pod, &self.record) {
            self.record.resizing = None;
            self.tell_resize("ResizeCompleted", "completed", "");
        }
    }

    fn take_torn_down(&mut self, outcome: Result<(), String>) {
        self.record.operation = None;
        match outcome {
            Ok(()) => {
                self.record.sandbox = Sandbox::Removed;
                self.record.volumes = Volumes::Removed;
                self.record.adopting = false;
                self.probes.clear();
                self.settle();
            }
            Err(error) => {
                tracing::warn!(pod = self.pod.key(), error, "the pod's surroundings could not be removed");
                let message = format!("error killing pod: {error}");
                self.agent.events.warning(&About::pod(&self.pod), "FailedKillPod", message);
                self.retry_later();
            }
        }
    }

    fn take_deleted(&mut self, outcome: Result<(), String>) {
        match outcome {
            // The operation stays marked: nothing may follow.
            Ok(()) => self.finished = true,
            Err(error) => {
                self.record.operation = None;
                tracing::warn!(pod = self.pod.key(), error, "the pod could not be deleted; trying again");
                self.retry_later();
            }
        }
    }

    fn take_told(&mut self, outcome: Result<u64, Status>) {
        self.telling.in_flight = false;
        match outcome {
            Ok(version) => {
                self.telling.failures = 0;
                self.telling.version = version;
            }
            // The informer will say so too; there is nobody to tell.
            Err(status) if status.is_not_found() => {}
            Err(status) => {
                tracing::warn!(pod = self.pod.key(), %status, "the pod's status could not be written");
                self.telling.told = Value::Null;
                let delay = Duration::from_millis(100 << self.telling.failures.min(7));
                self.telling.failures += 1;
                self.telling.retry_at = Some(Instant::now() + delay);
            }
        }
    }
}

fn reads_metadata(volume: &Value) -> bool {
    let has_items = |source: &Value| source["downwardAPI"]["items"].as_array().is_some_and(|i| !i.is_empty());
    has_items(volume) || volume["projected"]["sources"].as_array().is_some_and(|s| s.iter().any(has_items))
}
