use serde::{Deserialize, Serialize};

/// `status` of a Plugin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginStatus {
    /// The spec that this status answers.
    pub observed_generation: i64,
    /// Of the component that serves calls; none does when it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abi_version: Option<String>,
    /// When it took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    pub conditions: Vec<Condition>,
    pub calls: u64,
    pub traps: u64,
    pub deadline_misses: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Latest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub previous_digests: Vec<String>,
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
