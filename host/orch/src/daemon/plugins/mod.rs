//! `Plugin` objects made true: the API's side of `orch_plugin::lifecycle`. What is declared goes in,
//! what serves is written to each object's status.

mod worlds;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use orch_client::events::Recorder;
use orch_client::informer::{self, Event, Objects};
use orch_client::{Client, ListOptions, Patch, PatchType, Resource, Target, WriteOptions};
use orch_plugin::lifecycle::{Lifecycle, PluginStatus};
use orch_plugin::{Breaker, PluginEngine, Source};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use worlds::Callers;

const PLUGINS: Resource = Resource::new("plugins.orch.dev", "v1alpha1", "plugins");
/// How often it is looked at whether a component keeps failing.
const OBSERVE: Duration = Duration::from_secs(5);
/// How often mere counts are written to status, in looks.
const COUNTS_EVERY: u64 = 12;

/// What a built-in needs to know of this host, beneath its `spec.config`.
pub struct Defaults {
    /// The CA certificate, PEM.
    pub root_ca: String,
}

/// Puts every declared plugin in place, the built-in ones declared if they are not yet; then follows
/// changes until stopped.
pub async fn start(
    callers: Callers,
    cache: &Path,
    defaults: Defaults,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let client = callers.client.clone();
    let engine = Arc::new(PluginEngine::new(Some(cache), orch_builtin::BUILTINS).context("plugins")?);
    declare_builtins(&*client, &engine).await?;
    let (objects, mut changes) =
        informer::start(client.clone(), Target::all(&PLUGINS), ListOptions::default(), stop.clone());
    while !matches!(changes.recv().await.context("stopped")?, Event::Synced) {}
    let mut follower = Follower {
        events: Recorder::start(client.clone(), "orch", ""),
        lifecycle: Lifecycle::new(engine, callers, Breaker::default()),
        client,
        defaults,
        objects: objects.clone(),
        written: BTreeMap::new(),
    };
    for plugin in objects.all() {
        follower.reconcile(&plugin).await;
    }
    tasks.spawn(async move { follower.follow(changes, stop).await });
    Ok(())
}

/// A `Plugin` object for each built-in that has none. Those that exist are the user's.
async fn declare_builtins(client: &dyn Client, engine: &PluginEngine) -> anyhow::Result<()> {
    let list = client.list(&Target::all(&PLUGINS), &ListOptions::default()).await?;
    let exists = |name: &str| list.items.iter().any(|p| p["metadata"]["name"] == name);
    if engine.builtins().next().is_none() {
        tracing::warn!("this orch was built without its components and has no policies: run `make build`");
    }
    for name in engine.builtins().filter(|name| !exists(name)) {
        let world = engine.artifact(&Source::Builtin(name.into()))?.world;
        let plugin = json!({
            "apiVersion": PLUGINS.api_version(), "kind": "Plugin",
            "metadata": { "name": name, "labels": { "plugins.orch.dev/builtin": "true" } },
            "spec": { "world": world, "source": { "builtin": name } },
        });
        match client.create(&Target::all(&PLUGINS), plugin, &WriteOptions::default()).await {
            Err(error) if !error.is_already_exists() => return Err(error).context(format!("Plugin {name}")),
            _ => {}
        }
    }
    Ok(())
}

impl Defaults {
    /// The spec with what the host adds to a built-in's configuration.
    fn complete(&self, spec: &Value) -> Value {
        let mut spec = spec.clone();
        if spec["source"]["builtin"] == "service-account" && spec["config"]["rootCA"].is_null() {
            spec["config"]["rootCA"] = self.root_ca.clone().into();
        }
        spec
    }
}

struct Follower {
    client: Arc<dyn Client>,
    events: Recorder,
    lifecycle: Lifecycle<Callers>,
    defaults: Defaults,
    objects: Objects,
    /// The status last written, by name.
    written: BTreeMap<String, PluginStatus>,
}

impl Follower {
    async fn follow(mut self, mut changes: UnboundedReceiver<Event>, stop: CancellationToken) {
        let mut observing = tokio::time::interval(OBSERVE);
        observing.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looks = 0;
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Some(Event::Added(plugin) | Event::Modified { now: plugin, .. }) => self.reconcile(&plugin).await,
                    Some(Event::Deleted(plugin)) => {
                        let name = informer::key(&plugin);
                        self.lifecycle.remove(&name).await;
                        self.written.remove(&name);
                    }
                    Some(Event::Synced) => {}
                    None => return,
                },
                _ = observing.tick() => {
                    looks += 1;
                    self.observe(looks % COUNTS_EVERY == 0).await;
                }
                _ = stop.cancelled() => return,
            }
        }
    }

    async fn reconcile(&mut self, plugin: &Value) {
        let name = informer::key(plugin);
        let generation = plugin["metadata"]["generation"].as_i64().unwrap_or(0);
        let spec = self.defaults.complete(&plugin["spec"]);
        let status = self.lifecycle.reconcile(&name, &spec, generation, &now()).await;
        if self.written.get(&name).is_none_or(|before| differs(before, &status)) {
            self.report(plugin, &name, status).await;
        }
    }

    /// Components that keep failing are taken out here.
    async fn observe(&mut self, with_counts: bool) {
        for (name, status) in self.lifecycle.observe(&now()).await {
            let before = self.written.get(&name);
            let changed = before.is_none_or(|b| differs(b, &status));
            let counted = with_counts && before.is_some_and(|b| *b != status);
            if let (true, Some(plugin)) = (changed || counted, self.objects.get(&name)) {
                self.report(&plugin, &name, status).await;
            }
        }
    }

    async fn report(&mut self, plugin: &Value, name: &str, status: PluginStatus) {
        let before = self.written.get(name);
        if before.is_none_or(|b| differs(b, &status)) {
            self.record(plugin, before.and_then(|b| b.digest.as_deref()), &status);
        }
        let body = json!({ "status": with_nulls(&status) });
        let target = Target::cluster(&PLUGINS, name).subresource("status");
        let patch = Patch { patch_type: PatchType::Merge, body };
        match self.client.patch(&target, patch, &WriteOptions::default()).await {
            Ok(_) => drop(self.written.insert(name.into(), status)),
            Err(error) if error.is_not_found() => {}
            Err(error) => tracing::warn!(plugin = name, %error, "the plugin's status was not written"),
        }
    }

    /// Swaps, failures and rollbacks are events.
    fn record(&self, plugin: &Value, before: Option<&str>, status: &PluginStatus) {
        let name = informer::key(plugin);
        match status.condition("Loaded") {
            Some(loaded) if loaded.status == "False" => {
                tracing::warn!(plugin = name, reason = loaded.reason, message = loaded.message, "plugin");
                self.events.event(plugin, "Warning", &loaded.reason, &loaded.message);
            }
            _ => {
                let digest = status.digest.as_deref().unwrap_or_default();
                let message = match before {
                    Some(before) if before != digest => format!("{digest} serves in place of {before}"),
                    _ => format!("{digest} serves"),
                };
                tracing::info!(plugin = name, message, "plugin");
                self.events.event(plugin, "Normal", "Serving", &message);
            }
        }
    }
}

/// Whether more than counts has changed.
fn differs(before: &PluginStatus, now: &PluginStatus) -> bool {
    before.observed_generation != now.observed_generation
        || before.digest != now.digest
        || trial_digest(before) != trial_digest(now)
        || before.conditions != now.conditions
}

fn trial_digest(status: &PluginStatus) -> Option<&str> {
    status.trial.as_ref().map(|trial| trial.digest.as_str())
}

/// For a merge patch: what is absent now takes away what was there.
fn with_nulls(status: &PluginStatus) -> Value {
    let mut body = json!({ "digest": null, "abiVersion": null, "since": null, "lastError": null, "previousDigests": null, "trial": null });
    let status = serde_json::to_value(status).unwrap_or_default();
    for (key, value) in status.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
