//! Follows what is declared. What takes long (a registry that does not answer, say) is fetched by tasks
//! of their own, so that it holds up no other plugin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use orch_client::informer::{self, Event, Objects};
use orch_plugin::lifecycle::{
    FetchError, Fetched, Lifecycle, PluginSpec, PluginStatus, PreviousVersion, SourceSpec, Strategy,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Defaults;
use super::lines::PluginLines;
use super::report::Reporter;
use super::retry::Retries;
use super::sources::{Sources, Wanted};
use super::worlds::Callers;

/// How often it is looked at whether a component keeps failing.
const OBSERVE: Duration = Duration::from_secs(5);
/// How often mere counts are written to status, in looks.
const COUNTS_EVERY: u64 = 12;

pub struct Follower {
    lifecycle: Lifecycle<Callers>,
    sources: Arc<Sources>,
    reporter: Reporter,
    defaults: Defaults,
    objects: Objects,
    lines: PluginLines,
    retries: Retries,
    /// Under way, by the plugin's name.
    fetching: BTreeMap<String, Fetching>,
    fetched: (UnboundedSender<Done>, UnboundedReceiver<Done>),
}

struct Fetching {
    spec: Value,
    task: JoinHandle<()>,
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Done {
    wanted: Wanted,
    spec: Value,
    result: Result<Fetched, FetchError>,
}

impl Follower {
    pub fn new(
        lifecycle: Lifecycle<Callers>,
        sources: Arc<Sources>,
        reporter: Reporter,
        defaults: Defaults,
        objects: Objects,
        lines: PluginLines,
    ) -> Self {
        Follower {
            lifecycle,
            sources,
            reporter,
            defaults,
            objects,
            lines,
            retries: Retries::default(),
            fetching: BTreeMap::new(),
            fetched: mpsc::unbounded_channel(),
        }
    }

    /// At the start of the host: what is here serves when this returns, what must be fetched later.
    pub async fn take_up(&mut self) {
        for plugin in self.objects.all() {
            let name = informer::key(&plugin);
            let (previous, served) = before_the_start(&plugin);
            self.lifecycle.remember(&name, previous, served).await;
            let spec = self.defaults.complete(&plugin["spec"]);
            self.serve_as_before(&name, &plugin, &spec).await;
            if let Some(wanted) = remote(&name, &spec)
                && let Some(kept) = self.sources.kept(&wanted).await
            {
                self.sources.put(&wanted, Ok(kept));
                self.bring_up(&plugin, &spec).await;
            } else {
                self.reconcile(&plugin).await;
            }
        }
    }

    /// A version on trial stands beside the one that served when the host ended.
    async fn serve_as_before(&mut self, name: &str, plugin: &Value, spec: &Value) {
        let on_trial = PluginSpec::read(spec).is_ok_and(|spec| spec.rollout.strategy != Strategy::Immediate);
        let (_, Some(served)) = before_the_start(plugin) else { return };
        if !on_trial {
            return;
        }
        let mut before = spec.clone();
        before["source"] = json!(served.source);
        before["config"] = served.config;
        before["rollout"] = json!({});
        if let Some(wanted) = remote(name, &before) {
            let Some(kept) = self.sources.kept(&wanted).await else { return };
            self.sources.put(&wanted, Ok(kept));
        }
        self.lifecycle.reconcile(name, &before, 0, &now()).await;
        self.sources.forget(name);
    }

    pub async fn follow(
        mut self,
        mut changes: UnboundedReceiver<Event>,
        mut policy_changes: UnboundedReceiver<Event>,
        stop: CancellationToken,
    ) {
        let mut observing = tokio::time::interval(OBSERVE);
        observing.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looks = 0;
        loop {
            let retry = self.retries.next().map(tokio::time::Instant::from_std);
            tokio::select! {
                change = changes.recv() => match change {
                    Some(Event::Added(plugin) | Event::Modified { now: plugin, .. }) => {
                        self.reconcile(&plugin).await;
                    }
                    Some(Event::Deleted(plugin)) => self.remove(&informer::key(&plugin)).await,
                    Some(Event::Synced) => {}
                    None => return,
                },
                change = policy_changes.recv() => match change {
                    // Those that serve go on; those that were refused may be allowed now.
                    Some(_) => for name in self.retries.release_all() {
                        self.reconcile_named(&name).await;
                    },
                    None => return,
                },
                Some(done) = self.fetched.1.recv() => self.take(done).await,
                _ = tokio::time::sleep_until(retry.unwrap_or_else(tokio::time::Instant::now)), if retry.is_some() => {
                    for name in self.retries.due(Instant::now()) {
                        self.reconcile_named(&name).await;
                    }
                }
                _ = observing.tick() => {
                    looks += 1;
                    self.observe(looks % COUNTS_EVERY == 0).await;
                }
                _ = stop.cancelled() => return,
            }
        }
    }

    async fn reconcile_named(&mut self, name: &str) {
        match self.objects.get(name) {
            Some(plugin) => self.reconcile(&plugin).await,
            None => self.retries.forget(name),
        }
    }

    async fn reconcile(&mut self, plugin: &Value) {
        let name = informer::key(plugin);
        let spec = self.defaults.complete(&plugin["spec"]);
        if self.retries.holds(&name, &spec, Instant::now()) {
            return;
        }
        if self.lifecycle.is_settled(&name, &spec).await {
            // A fetch for what was declared in between is no longer wanted.
            self.fetching.remove(&name);
            return self.bring_up(plugin, &spec).await;
        }
        match remote(&name, &spec) {
            Some(wanted) => self.fetch(wanted, spec),
            None => self.bring_up(plugin, &spec).await,
        }
    }

    /// Starts fetching, unless this very thing is under way.
    fn fetch(&mut self, wanted: Wanted, spec: Value) {
        if self.fetching.get(&wanted.name).is_some_and(|fetching| fetching.spec == spec) {
            return;
        }
        let name = wanted.name.clone();
        let (sources, done, for_spec) = (self.sources.clone(), self.fetched.0.clone(), spec.clone());
        let task = tokio::spawn(async move {
            let result = sources.fetch(&wanted).await;
            let _ = done.send(Done { wanted, spec: for_spec, result });
        });
        self.fetching.insert(name, Fetching { spec, task });
    }

    async fn take(&mut self, done: Done) {
        let Done { wanted, spec, result } = done;
        if self.fetching.get(&wanted.name).is_none_or(|fetching| fetching.spec != spec) {
            return;
        }
        self.fetching.remove(&wanted.name);
        // The object may have changed since; then its own event is on its way.
        let current = self.objects.get(&wanted.name);
        let current = current.filter(|plugin| self.defaults.complete(&plugin["spec"]) == spec);
        if let Some(plugin) = current {
            self.sources.put(&wanted, result);
            self.bring_up(&plugin, &spec).await;
        }
    }

    async fn bring_up(&mut self, plugin: &Value, spec: &Value) {
        let name = informer::key(plugin);
        let generation = plugin["metadata"]["generation"].as_i64().unwrap_or(0);
        let status = self.lifecycle.reconcile(&name, spec, generation, &now()).await;
        self.sources.forget(&name);
        match failure(&status) {
            Some(reason) => self.retries.failed(&name, spec, reason, Instant::now()),
            None => self.retries.forget(&name),
        }
        self.reporter.report(plugin, status, false).await;
    }

    async fn remove(&mut self, name: &str) {
        self.fetching.remove(name);
        self.retries.forget(name);
        self.lifecycle.remove(name).await;
        self.reporter.forget(name);
        self.lines.forget(name);
    }

    /// Components that keep failing are taken out here.
    async fn observe(&mut self, with_counts: bool) {
        for (name, status) in self.lifecycle.observe(&now()).await {
            if let Some(plugin) = self.objects.get(&name) {
                self.reporter.report(&plugin, status, with_counts).await;
            }
        }
    }
}

/// What must be fetched for a spec, when it can be read and names something afar.
fn remote(name: &str, spec: &Value) -> Option<Wanted> {
    let PluginSpec { world, source, .. } = PluginSpec::read(spec).ok()?;
    Sources::is_remote(&source).then(|| Wanted { name: name.into(), world, source })
}

fn failure(status: &PluginStatus) -> Option<&str> {
    let loaded = status.condition("Loaded").filter(|condition| condition.status == "False");
    loaded.map(|condition| condition.reason.as_str())
}

/// The versions that a status lists, and the one that served when it was written.
fn before_the_start(plugin: &Value) -> (Vec<PreviousVersion>, Option<PreviousVersion>) {
    let status = &plugin["status"];
    let previous = Vec::deserialize(&status["previousVersions"]).unwrap_or_default();
    let served = SourceSpec::deserialize(&status["source"]).ok().and_then(|source| {
        let digest = status["digest"].as_str()?.to_owned();
        Some(PreviousVersion { digest, source, config: status["config"].clone() })
    });
    (previous, served)
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
