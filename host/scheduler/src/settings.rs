//! How a plugin takes part: what the rest of `Plugin.spec` says.

use std::sync::Arc;

use orch_client::Client;
use orch_plugin::trial::Role;

/// What happens to a pod when a plugin gives no answer (`spec.failurePolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailurePolicy {
    /// The pod goes back to the queue with the reason.
    #[default]
    Fail,
    /// As if the plugin had no objection and no preference.
    Ignore,
}

#[derive(Clone, Default)]
pub struct Settings {
    /// Its scores count so many times; by default as often as it says itself.
    pub weight: Option<i64>,
    /// Filters are asked in ascending order; of two that reject a node the first gives the reason.
    pub order: Option<i64>,
    pub failure_policy: FailurePolicy,
    /// The scheduler names it works under; empty: all.
    pub profiles: Vec<String>,
    /// The plugin that stays out of these profiles for it.
    pub replaces: Option<String>,
    pub role: Role,
    /// Makes the writes it advises before a binding; without one they are refused.
    pub writer: Option<Arc<dyn Client>>,
}

impl Settings {
    pub(crate) fn works_under(&self, scheduler_name: &str) -> bool {
        self.profiles.is_empty() || self.profiles.iter().any(|profile| profile == scheduler_name)
    }
}
