//! What plugins do, as their objects' status and as events.

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_client::events::Recorder;
use orch_client::informer;
use orch_client::{Client, Patch, PatchType, Target, WriteOptions};
use orch_plugin::lifecycle::PluginStatus;
use serde_json::{Value, json};

use super::PLUGINS;

pub struct Reporter {
    client: Arc<dyn Client>,
    events: Recorder,
    /// The status last written, by name.
    written: BTreeMap<String, PluginStatus>,
}

impl Reporter {
    pub fn new(client: Arc<dyn Client>, events: Recorder) -> Self {
        Reporter { client, events, written: BTreeMap::new() }
    }

    /// Writes a status that says something new; mere counts only `with_counts`.
    pub async fn report(&mut self, plugin: &Value, status: PluginStatus, with_counts: bool) {
        let name = informer::key(plugin);
        let before = self.written.get(&name);
        let news = before.is_none_or(|before| differs(before, &status));
        let counted = with_counts && before != Some(&status);
        if !(news || counted) {
            return;
        }
        if news {
            self.record(plugin, before.and_then(|before| before.digest.as_deref()), &status);
        }
        let target = Target::cluster(&PLUGINS, &name).subresource("status");
        // The whole status: a merge would keep what a new source or configuration no longer has.
        let body = json!([{ "op": "add", "path": "/status", "value": status }]);
        let patch = Patch { patch_type: PatchType::Json, body };
        match self.client.patch(&target, patch, &WriteOptions::default()).await {
            Ok(_) => drop(self.written.insert(name, status)),
            Err(error) if error.is_not_found() => {}
            Err(error) => tracing::warn!(plugin = name, %error, "the plugin's status was not written"),
        }
    }

    pub fn forget(&mut self, name: &str) {
        self.written.remove(name);
    }

    /// Swaps, failures and rollbacks are events; that all the built-in ones serve at a start is no news.
    fn record(&self, plugin: &Value, before: Option<&str>, status: &PluginStatus) {
        let name = informer::key(plugin);
        match status.condition("Loaded") {
            Some(loaded) if loaded.status == "False" => {
                tracing::warn!(plugin = name, reason = loaded.reason, "{}", loaded.message);
                self.events.event(plugin, "Warning", &loaded.reason, &loaded.message);
            }
            _ => {
                let digest = status.digest.as_deref().unwrap_or_default();
                let message = match before {
                    Some(before) if before != digest => format!("{digest} serves in place of {before}"),
                    _ => format!("{digest} serves"),
                };
                tracing::info!(plugin = name, "{message}");
                if before.is_some() || !builtin(plugin) {
                    self.events.event(plugin, "Normal", "Serving", &message);
                }
            }
        }
    }
}

/// Whether the object runs a component that came with the host.
fn builtin(plugin: &Value) -> bool {
    plugin["spec"]["source"].get("builtin").is_some()
}

/// Whether more than counts has changed.
fn differs(before: &PluginStatus, now: &PluginStatus) -> bool {
    before.observed_generation != now.observed_generation
        || before.digest != now.digest
        || before.source != now.source
        || trial_of(before) != trial_of(now)
        || before.conditions != now.conditions
}

fn trial_of(status: &PluginStatus) -> Option<(&str, &str, u64)> {
    let trial = status.trial.as_ref()?;
    let differing = trial.report.as_ref().map_or(0, |report| report.differing);
    Some((&trial.strategy, &trial.digest, differing))
}
