//! What is known of one plugin between reconciliations.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::{Condition, Loaded, Placement, PluginSpec, PluginStatus};
use crate::{Breaker, LoadError};

/// Digests kept for a rollback by hand.
const REMEMBERED: usize = 10;

/// A component that serves, or served.
#[derive(Clone)]
pub(super) struct Version {
    pub spec: PluginSpec,
    pub placement: Placement,
    pub loaded: Loaded,
    pub since: String,
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
            LoadError::Engine(_)
            | LoadError::Cache { .. }
            | LoadError::Compile(_)
            | LoadError::Link { .. }
            | LoadError::Describe { .. } => "LoadFailed",
        };
        Fault { reason, message: error.to_string() }
    }
}

#[derive(Default)]
pub(super) struct Running {
    pub generation: i64,
    pub serving: Option<Version>,
    /// What the breaker goes back to.
    pub previous: Option<Arc<Version>>,
    /// The spec that was last acted on, and what came of it.
    settled: Option<Value>,
    fault: Option<Fault>,
    digests: VecDeque<String>,
    faults_seen: u64,
    fault_times: VecDeque<Instant>,
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

    pub fn take_over(&mut self, version: Version) {
        let digest = version.loaded.digest().to_string();
        if let Some(before) = self.serving.replace(version) {
            let was = before.loaded.digest();
            if was != digest {
                self.digests.retain(|known| known != was && *known != digest);
                self.digests.push_front(was.into());
                self.digests.truncate(REMEMBERED);
            }
            if !self.is_same_instance(&before) {
                self.previous = Some(Arc::new(before));
            }
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

    fn forget_faults(&mut self) {
        self.fault_times.clear();
        self.faults_seen = self.total_faults();
    }

    fn total_faults(&self) -> u64 {
        let stats = self.serving.as_ref().map(|version| version.loaded.stats()).unwrap_or_default();
        stats.traps + stats.deadline_misses
    }

    /// How many calls failed within the breaker's window, when that is enough to go back.
    pub fn count_faults(&mut self, now: Instant, breaker: &Breaker) -> Option<usize> {
        let total = self.total_faults();
        let new = total.saturating_sub(self.faults_seen).min(breaker.failures as u64);
        self.faults_seen = total;
        self.fault_times.extend((0..new).map(|_| now));
        while self.fault_times.front().is_some_and(|first| now.duration_since(*first) > breaker.within) {
            self.fault_times.pop_front();
        }
        let tripped = self.previous.is_some() && self.fault_times.len() >= breaker.failures;
        tripped.then_some(self.fault_times.len())
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
        let stats = self.serving.as_ref().map(|version| version.loaded.stats()).unwrap_or_default();
        let serving = self.serving.as_ref();
        PluginStatus {
            observed_generation: self.generation,
            digest: serving.map(|version| version.loaded.digest().into()),
            abi_version: serving.map(|version| version.loaded.abi().into()),
            since: serving.map(|version| version.since.clone()),
            conditions: self.conditions.clone(),
            calls: stats.calls,
            traps: stats.traps,
            deadline_misses: stats.deadline_misses,
            last_error: self.fault.as_ref().map(|fault| fault.message.clone()).or(stats.last_error),
            previous_digests: self.digests.iter().cloned().collect(),
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
