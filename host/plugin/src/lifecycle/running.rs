//! What is known of one plugin between reconciliations.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::{
    Condition, Latency, Loaded, Placement, PluginSpec, PluginStatus, PreviousVersion, RolloutStage,
    SourceSpec, TrialStatus,
};
use crate::trial::ShadowLog;
use crate::{Breaker, LoadError, Snapshot, World};

/// Versions kept for a rollback by hand.
const REMEMBERED: usize = 10;

/// A component that serves, or served.
#[derive(Clone)]
pub(super) struct Version {
    pub spec: PluginSpec,
    /// Where it came from, by digest.
    pub pinned: SourceSpec,
    pub placement: Placement,
    pub loaded: Loaded,
    pub since: String,
}

impl Version {
    fn to_previous(&self) -> PreviousVersion {
        PreviousVersion {
            digest: self.loaded.digest().into(),
            source: self.pinned.clone(),
            config: self.spec.config.clone(),
        }
    }
}

/// Why what is declared does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// CamelCase, for the condition.
    pub reason: &'static str,
    pub message: String,
}

impl Fault {
    pub fn load(error: &LoadError) -> Self {
        let reason = match error {
            LoadError::Spec { .. } => "InvalidSpec",
            LoadError::Configure { .. } => "ConfigurationRefused",
            LoadError::WrongWorld { .. } | LoadError::NoWorld { .. } => "WrongWorld",
            LoadError::NewerAbi { .. } => "NewerAbi",
            LoadError::NotWasm { .. } | LoadError::CoreModule => "NotAComponent",
            LoadError::ForbiddenImport { .. } => "ForbiddenImport",
            LoadError::Read { .. } | LoadError::NoBuiltin { .. } => "NotFound",
            LoadError::Fetch(fetch) => fetch.reason,
            LoadError::Engine(_)
            | LoadError::Cache { .. }
            | LoadError::Compile(_)
            | LoadError::Link { .. }
            | LoadError::Describe { .. } => "LoadFailed",
        };
        Fault { reason, message: error.to_string() }
    }
}

impl Fault {
    pub fn nothing_beside(spec: &PluginSpec) -> Self {
        let message = format!(
            "spec.rollout.strategy: {:?} needs a version that serves: set Immediate first, then change the source",
            spec.rollout.strategy
        );
        Fault { reason: "InvalidSpec", message }
    }

    pub fn other_world(serving: World) -> Self {
        let message = format!("spec.world: a version on trial must be of {serving} like the one that serves");
        Fault { reason: "InvalidSpec", message }
    }
}

/// Failed calls within a while.
#[derive(Default)]
struct Faults {
    seen: u64,
    times: VecDeque<Instant>,
}

impl Faults {
    /// From now on; what was before does not count.
    fn from(stats: &Snapshot) -> Self {
        Faults { seen: total(stats), times: VecDeque::new() }
    }

    /// How many there were within the breaker's window.
    fn count(&mut self, stats: &Snapshot, now: Instant, breaker: &Breaker) -> usize {
        let new = total(stats).saturating_sub(self.seen).min(breaker.failures as u64);
        self.seen = total(stats);
        self.times.extend((0..new).map(|_| now));
        while self.times.front().is_some_and(|first| now.duration_since(*first) > breaker.within) {
            self.times.pop_front();
        }
        self.times.len()
    }
}

fn total(stats: &Snapshot) -> u64 {
    stats.traps + stats.deadline_misses
}

/// A version beside the one that serves.
pub(super) struct Trial {
    pub version: Version,
    faults: Faults,
}

impl Trial {
    pub fn new(version: Version) -> Self {
        Trial { faults: Faults::from(&version.loaded.stats()), version }
    }

    pub fn log(&self) -> Option<Arc<ShadowLog>> {
        match &self.version.placement.rollout {
            RolloutStage::Shadow(log) => Some(log.clone()),
            RolloutStage::Serves | RolloutStage::Canary(_) => None,
        }
    }

    fn status(&self) -> TrialStatus {
        let stats = self.version.loaded.stats();
        let (strategy, report) = match &self.version.placement.rollout {
            RolloutStage::Serves => ("Immediate", None),
            RolloutStage::Canary(_) => ("Canary", None),
            RolloutStage::Shadow(log) => ("Shadow", Some(log.report())),
        };
        TrialStatus {
            strategy: strategy.into(),
            digest: self.version.loaded.digest().into(),
            since: self.version.since.clone(),
            calls: stats.calls,
            latency: Latency::from(&stats),
            traps: stats.traps,
            deadline_misses: stats.deadline_misses,
            report,
        }
    }
}

#[derive(Default)]
pub(super) struct Running {
    pub generation: i64,
    pub serving: Option<Version>,
    pub trial: Option<Trial>,
    /// What the breaker goes back to.
    pub previous: Option<Arc<Version>>,
    /// The spec that was last acted on, and what came of it.
    settled: Option<Value>,
    fault: Option<Fault>,
    previous_versions: VecDeque<PreviousVersion>,
    /// What served when the host was stopped.
    served_before_start: Option<PreviousVersion>,
    faults: Faults,
    conditions: Vec<Condition>,
}

impl Running {
    /// Nothing to do for this spec: it serves, or was taken out for failing.
    pub fn is_settled(&self, spec: &Value) -> bool {
        let failed_to_load = self.fault.as_ref().is_some_and(|fault| fault.reason != "RolledBack");
        self.settled.as_ref() == Some(spec) && !failed_to_load
    }

    pub fn settle(&mut self, spec: Value, outcome: Result<(), Fault>) {
        self.settled = Some(spec);
        self.fault = outcome.err();
    }

    pub fn remember(&mut self, previous: Vec<PreviousVersion>, served: Option<PreviousVersion>) {
        self.previous_versions = previous.into();
        self.served_before_start = served;
    }

    pub fn take_over(&mut self, version: Version) {
        let digest = version.loaded.digest().to_string();
        let before = self.serving.replace(version);
        let was = before.as_ref().map(Version::to_previous).or(self.served_before_start.take());
        if let Some(was) = was.filter(|was| was.digest != digest) {
            self.previous_versions.retain(|known| known.digest != was.digest && known.digest != digest);
            self.previous_versions.push_front(was);
            self.previous_versions.truncate(REMEMBERED);
        }
        if let Some(before) = before
            && !self.is_same_instance(&before)
        {
            self.previous = Some(Arc::new(before));
        }
        self.forget_faults();
    }

    fn is_same_instance(&self, before: &Version) -> bool {
        self.serving.as_ref().is_some_and(|now| now.spec.runs_as(&before.spec))
    }

    /// Back to the version before; the spec that failed is not tried again until it changes.
    pub fn go_back(&mut self, now: &str, fault: Fault) {
        if let Some(good) = self.previous.take() {
            self.take_over(Version { since: now.into(), ..(*good).clone() });
            self.previous = None;
        }
        self.fault = Some(fault);
    }

    /// Those that are loaded.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.serving.iter().chain(self.trial.iter().map(|trial| &trial.version))
    }

    fn stats(&self) -> Snapshot {
        self.serving.as_ref().map(|version| version.loaded.stats()).unwrap_or_default()
    }

    fn forget_faults(&mut self) {
        self.faults = Faults::from(&self.stats());
    }

    /// How many calls failed within the breaker's window, when that is enough to go back.
    pub fn count_faults(&mut self, now: Instant, breaker: &Breaker) -> Option<usize> {
        let stats = self.stats();
        let faults = self.faults.count(&stats, now, breaker);
        (self.previous.is_some() && faults >= breaker.failures).then_some(faults)
    }

    /// Why the version on trial must go, when it keeps failing.
    pub fn failing_trial(&mut self, now: Instant, breaker: &Breaker) -> Option<Fault> {
        let trial = self.trial.as_mut()?;
        let stats = trial.version.loaded.stats();
        let faults = trial.faults.count(&stats, now, breaker);
        let message = format!(
            "{}, on trial, was taken out after {faults} failed calls within {} s; the last error: {}",
            trial.version.loaded.digest(),
            breaker.within.as_secs(),
            stats.last_error.unwrap_or_default()
        );
        (faults >= breaker.failures).then_some(Fault { reason: "RolledBack", message })
    }

    pub fn fail(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    pub fn rolled_back_message(&self, faults: usize, breaker: &Breaker, good: &Version) -> String {
        let failed = self.serving.as_ref();
        let (digest, last) =
            failed.map_or(("", None), |version| (version.loaded.digest(), version.loaded.stats().last_error));
        format!(
            "{digest} was taken out after {faults} failed calls within {} s, {} serves again; the last error: {}",
            breaker.within.as_secs(),
            good.loaded.digest(),
            last.unwrap_or_default()
        )
    }

    pub fn status(&mut self, now: &str) -> PluginStatus {
        self.update_conditions(now);
        let stats = self.stats();
        let serving = self.serving.as_ref();
        PluginStatus {
            observed_generation: self.generation,
            digest: serving.map(|version| version.loaded.digest().into()),
            source: serving.map(|version| version.pinned.clone()),
            config: serving.map(|version| version.spec.config.clone()),
            abi_version: serving.map(|version| version.loaded.abi().into()),
            since: serving.map(|version| version.since.clone()),
            conditions: self.conditions.clone(),
            calls: stats.calls,
            latency: Latency::from(&stats),
            memory_bytes: stats.memory,
            dropped_log_lines: stats.dropped_log_lines,
            dropped_metrics: stats.dropped_metrics,
            traps: stats.traps,
            deadline_misses: stats.deadline_misses,
            trial: self.trial.as_ref().map(Trial::status),
            last_error: self.fault.as_ref().map(|fault| fault.message.clone()).or(stats.last_error),
            previous_digests: self.previous_versions.iter().map(|version| version.digest.clone()).collect(),
            previous_versions: self.previous_versions.iter().cloned().collect(),
        }
    }

    fn update_conditions(&mut self, now: &str) {
        let (loaded, reason, message) = match &self.fault {
            None => ("True", "Loaded", String::new()),
            Some(fault) => ("False", fault.reason, fault.message.clone()),
        };
        self.set("Loaded", loaded, reason, message, now);
        match (&self.serving, &self.fault) {
            (Some(_), None) => self.set("Ready", "True", "Serving", String::new(), now),
            (Some(version), Some(_)) => {
                let message = format!("{} serves on", version.loaded.digest());
                self.set("Ready", "True", "PreviousServing", message, now);
            }
            (None, fault) => {
                let message = fault.as_ref().map(|fault| fault.message.clone()).unwrap_or_default();
                self.set("Ready", "False", "NothingServes", message, now);
            }
        }
    }

    fn set(&mut self, kind: &str, status: &str, reason: &str, message: String, now: &str) {
        let before = self.conditions.iter().position(|condition| condition.kind == kind);
        let since = before.map(|index| self.conditions.remove(index)).filter(|known| known.status == status);
        self.conditions.push(Condition {
            kind: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message,
            last_transition_time: since.map_or_else(|| now.into(), |known| known.last_transition_time),
            observed_generation: self.generation,
        });
    }
}
