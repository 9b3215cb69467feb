//! The life of declared plugins: from a spec to a component that serves, and what to report of it.
//!
//! A change is compiled aside, checked and configured, and then installed in one step. Whatever
//! fails on the way leaves the one before serving, with the reason in the conditions. A component
//! that keeps trapping after it took over is replaced by the one before it.
//!
//! This module does no I/O of its own: what is called through [`Worlds`] does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::calls::controller::ControllerApi;
use crate::trial::ShadowLog;
use crate::worlds::{
    AdmissionComponent, CniComponent, ControllerComponent, CsiComponent, SchedulerComponent,
};
use crate::{Artifact, Breaker, LoadError, OwnMetrics, PluginEngine, Snapshot, World};

mod fetch;
mod metrics;
mod running;
mod spec;
mod status;

pub use fetch::{FetchError, Fetched};
pub use metrics::PluginMetrics;
use running::{Fault, Running, Trial, Version};
pub use spec::{CanarySpec, FailurePolicy, LimitsSpec, PluginSpec, Rollout, SourceSpec, Strategy};
pub use status::{Condition, Latency, PluginStatus, PreviousVersion, TrialStatus};

/// Those who use plugins: the scheduler, the controllers, the admission chain, the pod network.
#[async_trait]
pub trait Worlds: Send + Sync + 'static {
    /// Puts a plugin in service, in place of the one of the same name: state synced first, then one
    /// pointer changed. On an error the one before goes on serving.
    async fn install(&self, placement: &Placement, plugin: Loaded) -> Result<(), String>;
    /// Takes out every version.
    async fn remove(&self, world: World, name: &str);
    /// Takes out the version on trial beside the one that serves.
    async fn remove_trial(&self, world: World, name: &str);
    /// The API under the plugin's own identity, holding these permissions (PolicyRules).
    async fn controller_api(
        &self,
        name: &str,
        permissions: &[serde_json::Value],
    ) -> Result<Arc<dyn ControllerApi>, String>;
    /// The component that a source names, if it is to be had and may be loaded. Called while the
    /// lifecycle is held: what takes long is fetched beforehand (see [`Lifecycle::is_settled`]).
    async fn fetch(&self, name: &str, world: World, source: &SourceSpec) -> Result<Fetched, FetchError>;
}

/// Where a plugin stands among those of its world.
#[derive(Debug, Clone)]
pub struct Placement {
    pub name: String,
    pub world: World,
    /// Lowest first; absent: what the component says.
    pub order: Option<i64>,
    /// Factor of a scheduler plugin's scores; absent: what the component says.
    pub weight: Option<i64>,
    /// Scheduler names; empty: all.
    pub profiles: Vec<String>,
    pub replaces: Option<String>,
    pub failure_policy: FailurePolicy,
    /// `spec.config`, for worlds whose component is configured where it is called (CNI).
    pub config: serde_json::Value,
    /// PolicyRules, for worlds whose writes the caller makes (scheduler).
    pub permissions: Vec<serde_json::Value>,
    pub rollout: RolloutStage,
}

/// How far a version has come.
#[derive(Debug, Clone)]
pub enum RolloutStage {
    Serves,
    Canary(CanarySpec),
    Shadow(Arc<ShadowLog>),
}

/// A component ready to be called.
#[derive(Clone)]
pub enum Loaded {
    Scheduler(Arc<SchedulerComponent>),
    Controller(Arc<ControllerComponent>),
    Admission(Arc<AdmissionComponent>),
    Cni(Arc<CniComponent>),
    Csi(Arc<CsiComponent>),
}

impl Loaded {
    pub fn world(&self) -> World {
        match self {
            Loaded::Scheduler(_) => World::Scheduler,
            Loaded::Controller(_) => World::Controller,
            Loaded::Admission(_) => World::Admission,
            Loaded::Cni(_) => World::Cni,
            Loaded::Csi(_) => World::Csi,
        }
    }

    pub fn stats(&self) -> Snapshot {
        match self {
            Loaded::Scheduler(plugin) => plugin.stats(),
            Loaded::Controller(plugin) => plugin.stats(),
            Loaded::Admission(plugin) => plugin.stats(),
            Loaded::Cni(plugin) => plugin.stats(),
            Loaded::Csi(plugin) => plugin.stats(),
        }
    }

    /// What it counts itself, where its world lets it.
    pub fn own_metrics(&self) -> Option<&OwnMetrics> {
        match self {
            Loaded::Controller(plugin) => Some(plugin.own_metrics()),
            Loaded::Scheduler(_) | Loaded::Admission(_) | Loaded::Cni(_) | Loaded::Csi(_) => None,
        }
    }

    pub fn digest(&self) -> &str {
        match self {
            Loaded::Scheduler(plugin) => plugin.digest(),
            Loaded::Controller(plugin) => plugin.digest(),
            Loaded::Admission(plugin) => plugin.digest(),
            Loaded::Cni(plugin) => plugin.digest(),
            Loaded::Csi(plugin) => plugin.digest(),
        }
    }

    pub fn abi(&self) -> &str {
        match self {
            Loaded::Scheduler(plugin) => plugin.abi(),
            Loaded::Controller(plugin) => plugin.abi(),
            Loaded::Admission(plugin) => plugin.abi(),
            Loaded::Cni(plugin) => plugin.abi(),
            Loaded::Csi(plugin) => plugin.abi(),
        }
    }
}

/// Keeps what runs in step with what is declared.
pub struct Lifecycle<W> {
    engine: Arc<PluginEngine>,
    worlds: W,
    breaker: Breaker,
    plugins: Mutex<BTreeMap<String, Running>>,
    metrics: PluginMetrics,
}

impl<W: Worlds> Lifecycle<W> {
    pub fn new(engine: Arc<PluginEngine>, worlds: W, breaker: Breaker) -> Self {
        Lifecycle { engine, worlds, breaker, plugins: Mutex::default(), metrics: PluginMetrics::default() }
    }

    /// What the plugins do, kept current.
    pub fn metrics(&self) -> PluginMetrics {
        self.metrics.clone()
    }

    /// Brings the plugin to what `spec` declares, and says what runs then. `generation` is the
    /// object's; `now` an RFC 3339 time. Reconciling the same spec again changes nothing, unless its
    /// load failed.
    pub async fn reconcile(
        &self,
        name: &str,
        spec: &serde_json::Value,
        generation: i64,
        now: &str,
    ) -> PluginStatus {
        let mut plugins = self.plugins.lock().await;
        let running = plugins.entry(name.into()).or_default();
        running.generation = generation;
        if running.is_settled(spec) {
            return running.status(now);
        }
        let outcome = match PluginSpec::read(spec) {
            Ok(declared) => self.bring_up(name, running, &declared, now).await,
            Err(error) => Err(Fault::load(&error)),
        };
        running.settle(spec.clone(), outcome);
        let status = running.status(now);
        self.metrics.follow(&plugins);
        status
    }

    /// Whether [`Lifecycle::reconcile`] would do nothing but report.
    pub async fn is_settled(&self, name: &str, spec: &serde_json::Value) -> bool {
        let plugins = self.plugins.lock().await;
        plugins.get(name).is_some_and(|running| running.is_settled(spec))
    }

    /// What is known of a plugin from before this host started: the versions its status lists, and
    /// the one that served last.
    pub async fn remember(
        &self,
        name: &str,
        previous: Vec<PreviousVersion>,
        served: Option<PreviousVersion>,
    ) {
        let mut plugins = self.plugins.lock().await;
        plugins.entry(name.into()).or_default().remember(previous, served);
    }

    /// The plugin is no longer declared.
    pub async fn remove(&self, name: &str) {
        let mut plugins = self.plugins.lock().await;
        let running = plugins.remove(name);
        self.metrics.follow(&plugins);
        drop(plugins);
        if let Some(version) = running.and_then(|running| running.serving) {
            self.worlds.remove(version.placement.world, name).await;
        }
    }

    /// The status of every plugin with its counts as they are now. Call it now and then: it is here
    /// that a component that keeps failing is taken out.
    pub async fn observe(&self, now: &str) -> BTreeMap<String, PluginStatus> {
        let mut statuses = BTreeMap::new();
        let mut plugins = self.plugins.lock().await;
        for (name, running) in plugins.iter_mut() {
            if let Some(fault) = running.failing_trial(Instant::now(), &self.breaker) {
                tracing::error!(plugin = name, "{}", fault.message);
                self.end_trial(name, running).await;
                running.fail(fault);
            }
            if let Some(faults) = running.count_faults(Instant::now(), &self.breaker) {
                self.roll_back(name, running, faults, now).await;
            }
            statuses.insert(name.clone(), running.status(now));
        }
        self.metrics.follow(&plugins);
        statuses
    }

    async fn bring_up(
        &self,
        name: &str,
        running: &mut Running,
        spec: &PluginSpec,
        now: &str,
    ) -> Result<(), Fault> {
        match spec.rollout.strategy {
            Strategy::Immediate => self.take_over(name, running, spec, now).await,
            Strategy::Canary => {
                let stage = RolloutStage::Canary(spec.rollout.canary.clone());
                self.try_out(name, running, spec, stage, now).await
            }
            Strategy::Shadow => {
                let log = running.trial.as_ref().and_then(Trial::log).unwrap_or_default();
                self.try_out(name, running, spec, RolloutStage::Shadow(log), now).await
            }
        }
    }

    async fn take_over(
        &self,
        name: &str,
        running: &mut Running,
        spec: &PluginSpec,
        now: &str,
    ) -> Result<(), Fault> {
        let placement = spec.placement(name, RolloutStage::Serves);
        let known = running.versions().find(|version| version.spec.runs_as(spec)).cloned();
        let version = match known {
            // Only its place among the others changed, or its trial is over.
            Some(version) => Version { spec: spec.clone(), placement, ..version },
            None => self.load(name, spec, placement, now).await.map_err(|error| Fault::load(&error))?,
        };
        let moved = running.serving.as_ref().filter(|before| before.placement.world != spec.world);
        let left = moved.map(|before| before.placement.world);
        self.install(&version).await?;
        self.end_trial(name, running).await;
        if let Some(world) = left {
            self.worlds.remove(world, name).await;
        }
        running.take_over(version);
        Ok(())
    }

    /// Puts a version beside the one that serves.
    async fn try_out(
        &self,
        name: &str,
        running: &mut Running,
        spec: &PluginSpec,
        stage: RolloutStage,
        now: &str,
    ) -> Result<(), Fault> {
        let Some(serving) = &running.serving else { return Err(Fault::nothing_beside(spec)) };
        if serving.placement.world != spec.world {
            return Err(Fault::other_world(serving.placement.world));
        }
        if serving.spec.runs_as(spec) {
            self.end_trial(name, running).await;
            return Ok(());
        }
        let placement = spec.placement(name, stage);
        let known = running.trial.as_ref().filter(|trial| trial.version.spec.runs_as(spec));
        let version = match known {
            Some(trial) => Version { spec: spec.clone(), placement, ..trial.version.clone() },
            None => self.load(name, spec, placement, now).await.map_err(|error| Fault::load(&error))?,
        };
        self.install(&version).await?;
        running.trial = Some(Trial::new(version));
        Ok(())
    }

    async fn end_trial(&self, name: &str, running: &mut Running) {
        if let Some(trial) = running.trial.take() {
            self.worlds.remove_trial(trial.version.placement.world, name).await;
        }
    }

    async fn install(&self, version: &Version) -> Result<(), Fault> {
        let installed = self.worlds.install(&version.placement, version.loaded.clone()).await;
        installed.map_err(|message| Fault { reason: "InstallFailed", message })
    }

    async fn load(
        &self,
        name: &str,
        spec: &PluginSpec,
        placement: Placement,
        now: &str,
    ) -> Result<Version, LoadError> {
        let (artifact, pinned) = self.artifact(name, spec).await?;
        artifact.expect(spec.world)?;
        let limits = spec.limits.to_limits(spec.world)?;
        let engine = &self.engine;
        let loaded = match spec.world {
            World::Scheduler => {
                Loaded::Scheduler(engine.load_scheduler(name, &artifact, &spec.config, limits)?)
            }
            World::Admission => {
                Loaded::Admission(engine.load_admission(name, &artifact, &spec.config, limits)?)
            }
            World::Cni => Loaded::Cni(engine.load_cni(name, &artifact, limits).await?),
            World::Csi => Loaded::Csi(engine.load_csi(name, &artifact, &spec.config, limits).await?),
            World::Controller => {
                let api = self.worlds.controller_api(name, &spec.permissions).await;
                let api = api.map_err(|message| LoadError::Spec { field: "permissions", message })?;
                let load = engine.load_controller(name, &artifact, &spec.config, limits, api);
                Loaded::Controller(load.await?)
            }
        };
        Ok(Version { spec: spec.clone(), pinned, placement, loaded, since: now.into() })
    }

    /// Compiles on a thread of its own: it may take a second.
    async fn artifact(&self, name: &str, spec: &PluginSpec) -> Result<(Artifact, SourceSpec), LoadError> {
        let fetched = self.worlds.fetch(name, spec.world, &spec.source).await?;
        let engine = self.engine.clone();
        let compile = tokio::task::spawn_blocking(move || engine.artifact(&fetched.source));
        let failed = |error: tokio::task::JoinError| LoadError::Compile(wasmtime::Error::new(error));
        let artifact = compile.await.map_err(failed)??;
        spec.source.check_digest(&artifact.digest)?;
        Ok((artifact, fetched.pinned))
    }

    async fn roll_back(&self, name: &str, running: &mut Running, faults: usize, now: &str) {
        let Some(good) = running.previous.clone() else { return };
        let message = running.rolled_back_message(faults, &self.breaker, &good);
        tracing::error!(plugin = name, "{message}");
        match self.install(&Version { since: now.into(), ..(*good).clone() }).await {
            Ok(()) => running.go_back(now, Fault { reason: "RolledBack", message }),
            Err(fault) => tracing::error!(plugin = name, "cannot go back: {}", fault.message),
        }
    }
}

#[cfg(test)]
mod tests;
