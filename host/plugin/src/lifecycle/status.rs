use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SourceSpec;
use crate::Snapshot;
use crate::trial::ShadowReport;

/// `status` of a Plugin.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginStatus {
    /// The spec that this status answers.
    pub observed_generation: i64,
    /// Of the component that serves calls; none does when it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where that came from, by digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceSpec>,
    /// What it was configured with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abi_version: Option<String>,
    /// When it took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    pub conditions: Vec<Condition>,
    pub calls: u64,
    pub latency: Latency,
    /// Linear memory of its instances, the largest there was.
    pub memory_bytes: u64,
    pub traps: u64,
    pub deadline_misses: u64,
    pub dropped_log_lines: u64,
    /// Values of metrics of its own that could not be taken.
    pub dropped_metrics: u64,
    /// The version beside the one that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Latest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub previous_digests: Vec<String>,
    /// The same, with what it takes to go back to one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous_versions: Vec<PreviousVersion>,
}

/// A component that served before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviousVersion {
    pub digest: String,
    pub source: SourceSpec,
    pub config: Value,
}

/// How long calls take, in nanoseconds; to within 12 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    pub p50_nanoseconds: u64,
    pub p99_nanoseconds: u64,
}

impl From<&Snapshot> for Latency {
    fn from(stats: &Snapshot) -> Self {
        Latency { p50_nanoseconds: stats.p50.as_nanos() as u64, p99_nanoseconds: stats.p99.as_nanos() as u64 }
    }
}

/// `status.trial`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrialStatus {
    /// `Canary` or `Shadow`.
    pub strategy: String,
    pub digest: String,
    pub since: String,
    pub calls: u64,
    pub latency: Latency,
    pub traps: u64,
    pub deadline_misses: u64,
    /// Where a shadow would have decided otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<ShadowReport>,
}

/// `Loaded`: what is declared is what serves. `Ready`: something serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    /// `True` or `False`.
    pub status: String,
    pub reason: String,
    pub message: String,
    pub last_transition_time: String,
    pub observed_generation: i64,
}

impl PluginStatus {
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }
}
