//! `Plugin` objects made true: the API's side of `orch_plugin::lifecycle`. What is declared goes in,
//! what serves is written to each object's status.

mod follower;
mod lines;
mod report;
mod retry;
mod sources;
mod worlds;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use orch_client::events::Recorder;
use orch_client::informer::{self, Event};
use orch_client::{Client, ListOptions, Resource, Target, WriteOptions};
use orch_container::RegistryConfig;
use orch_plugin::lifecycle::Lifecycle;
use orch_plugin::{Breaker, PluginEngine, Source};
use orch_request::Metrics;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use follower::Follower;
pub use lines::{PluginLines, is_about_a_plugin};
use report::Reporter;
use sources::Sources;
use worlds::Callers;
pub use worlds::Users;

const PLUGINS: Resource = Resource::new("plugins.orch.dev", "v1alpha1", "plugins");
const POLICIES: Resource = Resource::new("plugins.orch.dev", "v1alpha1", "pluginpolicies");

/// What the host lends to its plugins.
pub struct Surroundings<'s> {
    /// `<data-dir>/cache`
    pub cache: &'s Path,
    pub registries: RegistryConfig,
    pub defaults: Defaults,
    pub lines: PluginLines,
    pub metrics: Metrics,
}

/// What a built-in needs to know of this host, beneath its `spec.config`.
pub struct Defaults {
    /// The CA certificate, PEM.
    pub root_ca: String,
}

/// Puts every declared plugin in place, the built-in ones declared if they are not yet; then follows
/// changes until stopped.
pub async fn start(
    users: Users,
    surroundings: Surroundings<'_>,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Surroundings { cache, registries, defaults, lines, metrics } = surroundings;
    let client = users.client.clone();
    let engine = Arc::new(PluginEngine::new(Some(cache), orch_builtin::BUILTINS).context("plugins")?);
    declare_builtins(&*client, &engine).await?;
    let inform = |resource: Resource| {
        informer::start(client.clone(), Target::all(&resource), ListOptions::default(), stop.clone())
    };
    // Policies first: nothing loads before it is known what may.
    let (policies, mut policy_changes) = inform(POLICIES);
    let (objects, mut changes) = inform(PLUGINS);
    for receiver in [&mut policy_changes, &mut changes] {
        while !matches!(receiver.recv().await.context("stopped")?, Event::Synced) {}
    }
    let sources = Sources::open(client.clone(), registries, cache, policies).context("plugins")?;
    let sources = Arc::new(sources);
    let callers = Callers { users, sources: sources.clone() };
    let lifecycle = Lifecycle::new(engine, callers, Breaker::default());
    metrics.register(|registry| registry.register_collector(Box::new(lifecycle.metrics())));
    let mut follower = Follower::new(
        lifecycle,
        sources,
        Reporter::new(client.clone(), Recorder::start(client, "orch", "")),
        defaults,
        objects,
        lines,
    );
    follower.take_up().await;
    tasks.spawn(async move { follower.follow(changes, policy_changes, stop).await });
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
