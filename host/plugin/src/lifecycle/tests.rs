//! Over real components; `plugins/build.sh` makes them.

use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex as SyncMutex;
use serde_json::{Value, json};

use super::*;
use crate::Source;
use crate::calls::scheduler::SchedulerPlugin;

#[derive(Default)]
struct Recorder {
    calls: SyncMutex<Vec<String>>,
    serving: SyncMutex<Option<Arc<SchedulerComponent>>>,
    refuse: SyncMutex<bool>,
}

#[async_trait]
impl Worlds for Arc<Recorder> {
    async fn install(&self, placement: &Placement, plugin: Loaded) -> Result<(), String> {
        if *self.refuse.lock() {
            return Err("the state cannot be synced".into());
        }
        let weight = placement.weight.map_or("its own".into(), |weight| weight.to_string());
        let stage = match &placement.rollout {
            RolloutStage::Serves => "",
            RolloutStage::Canary(_) => " as canary",
            RolloutStage::Shadow(_) => " as shadow",
        };
        self.calls.lock().push(format!("install {} weight {weight}{stage}", placement.name));
        if let Loaded::Scheduler(plugin) = plugin {
            *self.serving.lock() = Some(plugin);
        }
        Ok(())
    }
    async fn remove(&self, world: World, name: &str) {
        self.calls.lock().push(format!("remove {world} {name}"));
    }

    async fn remove_trial(&self, _: World, name: &str) {
        self.calls.lock().push(format!("remove {name} on trial"));
    }
    async fn controller_api(&self, _: &str, _: &[Value]) -> Result<Arc<dyn ControllerApi>, String> {
        Err("no controllers here".into())
    }
    async fn fetch(&self, _: &str, _: World, source: &SourceSpec) -> Result<Fetched, FetchError> {
        let pinned = source.clone();
        match (&source.file, &source.builtin) {
            (Some(file), _) => Ok(Fetched { source: Source::File(file.clone()), pinned }),
            (_, Some(name)) => Ok(Fetched { source: Source::Builtin(name.clone()), pinned }),
            (None, None) => Err(FetchError { reason: "RegistryUnavailable", message: "cannot fetch".into() }),
        }
    }
}

fn component(directory: &str, name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target").join(directory);
    let path = path.join(format!("{name}.wasm"));
    path.canonicalize().unwrap_or_else(|_| panic!("{}: run plugins/build.sh first", path.display()))
}

fn fit(config: Value) -> Value {
    let file = component("components", "node-resources-fit");
    json!({"world": "orch:scheduler", "source": {"file": file}, "config": config})
}

fn hostile() -> Value {
    json!({"world": "orch:scheduler", "source": {"file": component("fixtures", "hostile-scheduler")}})
}

struct Harness {
    recorder: Arc<Recorder>,
    lifecycle: Lifecycle<Arc<Recorder>>,
    generation: i64,
}

impl Harness {
    fn new() -> Self {
        let engine = Arc::new(PluginEngine::new(None, &[]).unwrap());
        let recorder = Arc::new(Recorder::default());
        let breaker = Breaker { failures: 3, within: Duration::from_secs(30) };
        Harness { lifecycle: Lifecycle::new(engine, recorder.clone(), breaker), recorder, generation: 0 }
    }

    async fn apply(&mut self, spec: Value) -> PluginStatus {
        self.generation += 1;
        let now = format!("2026-11-21T12:00:{:02}Z", self.generation);
        self.lifecycle.reconcile("fit", &spec, self.generation, &now).await
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.recorder.calls.lock())
    }
}

fn state<'a>(status: &'a PluginStatus, kind: &str) -> (&'a str, &'a str, &'a str) {
    let condition = status.condition(kind).unwrap();
    (&condition.status, &condition.reason, &condition.message)
}

#[tokio::test]
async fn a_declared_plugin_is_installed_once() {
    let mut harness = Harness::new();
    let first = harness.apply(fit(json!({}))).await;
    assert_eq!(state(&first, "Loaded"), ("True", "Loaded", ""));
    assert_eq!(state(&first, "Ready").0, "True");
    assert!(first.digest.as_deref().unwrap().starts_with("sha256:"));
    assert_eq!((first.abi_version.as_deref(), first.observed_generation), (Some("0.2.0"), 1));
    let again = harness.apply(fit(json!({}))).await;
    assert_eq!(harness.calls(), ["install fit weight its own"]);
    let condition = again.condition("Ready").unwrap();
    assert_eq!(
        (condition.last_transition_time.as_str(), again.observed_generation),
        ("2026-11-21T12:00:01Z", 2)
    );
    harness.lifecycle.remove("fit").await;
    assert_eq!(harness.calls(), ["remove orch:scheduler fit"]);
}

#[tokio::test]
async fn a_failed_load_keeps_the_old_one_serving_and_says_why() {
    let mut harness = Harness::new();
    let good = harness.apply(fit(json!({}))).await;
    let bad = harness.apply(fit(json!({"scoringStrategy": {"type": "Best"}}))).await;
    let (status, reason, message) = state(&bad, "Loaded");
    assert_eq!((status, reason), ("False", "ConfigurationRefused"));
    assert!(message.contains("scoringStrategy.type"), "{message}");
    assert_eq!(state(&bad, "Ready").1, "PreviousServing");
    assert_eq!(bad.digest, good.digest);
    assert_eq!(harness.calls().len(), 1);

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.wasm");
    std::fs::write(&file, "hello").unwrap();
    let not_wasm = json!({"world": "orch:scheduler", "source": {"file": file}});
    assert_eq!(state(&harness.apply(not_wasm).await, "Loaded").1, "NotAComponent");
    let missing = json!({"world": "orch:scheduler", "source": {"file": "/nowhere.wasm"}});
    assert_eq!(state(&harness.apply(missing).await, "Loaded").1, "NotFound");
    let mut wrong = fit(json!({}));
    wrong["world"] = "orch:admission".into();
    let status = harness.apply(wrong).await;
    assert!(state(&status, "Loaded").2.contains("set spec.world to orch:scheduler"), "{status:?}");
    let oci = json!({"world": "orch:scheduler", "source": {"oci": "registry.example/p:1"}});
    assert_eq!(state(&harness.apply(oci).await, "Loaded"), ("False", "RegistryUnavailable", "cannot fetch"));
    let mended = harness.apply(fit(json!({}))).await;
    assert_eq!(state(&mended, "Loaded").0, "True");
    assert_eq!(mended.last_error, None);
}

#[tokio::test]
async fn a_refused_installation_is_tried_again() {
    let mut harness = Harness::new();
    *harness.recorder.refuse.lock() = true;
    let status = harness.apply(fit(json!({}))).await;
    assert_eq!(state(&status, "Ready"), ("False", "NothingServes", "the state cannot be synced"));
    assert_eq!(status.digest, None);
    *harness.recorder.refuse.lock() = false;
    assert_eq!(state(&harness.apply(fit(json!({}))).await, "Ready").0, "True");
}

#[tokio::test]
async fn traps_go_back_to_the_last_good_one() {
    let mut harness = Harness::new();
    let good = harness.apply(fit(json!({}))).await;
    let bad = harness.apply(hostile()).await;
    assert_eq!(bad.previous_digests, [good.digest.clone().unwrap()]);
    assert_eq!(Some(&bad.previous_versions[0].source), good.source.as_ref());
    let failing = harness.recorder.serving.lock().clone().unwrap();
    for _ in 0..3 {
        failing.filter(r#"{"metadata": {"name": "trap"}}"#, &vec![1]).unwrap_err();
    }
    let status = harness.lifecycle.observe("2026-11-21T13:00:00Z").await.remove("fit").unwrap();
    assert_eq!(status.digest, good.digest);
    let (loaded, reason, message) = state(&status, "Loaded");
    assert_eq!((loaded, reason), ("False", "RolledBack"));
    assert!(message.contains("after 3 failed calls"), "{message}");
    // The spec that failed is not taken up again; a changed one is.
    harness.calls();
    assert_eq!(harness.apply(hostile()).await.digest, good.digest);
    assert!(harness.calls().is_empty());
    let mut changed = hostile();
    changed["config"] = json!({"score": 7});
    assert_eq!(state(&harness.apply(changed).await, "Loaded").0, "True");
}

#[tokio::test]
async fn a_builtin_that_is_missing_says_how_to_get_it() {
    let mut harness = Harness::new();
    let spec = json!({"world": "orch:scheduler", "source": {"builtin": "node-resources-fit"}});
    let status = harness.apply(spec).await;
    assert!(state(&status, "Loaded").2.contains("run `make build`"), "{status:?}");
}

/// The hostile fixture as the next version of the plugin, beside the one that serves.
fn on_trial(strategy: &str) -> Value {
    let mut spec = hostile();
    spec["rollout"] = json!({"strategy": strategy, "canary": {"percent": 20}});
    spec
}

#[tokio::test]
async fn a_canary_stands_beside_what_serves_until_it_is_promoted() {
    let mut harness = Harness::new();
    let alone = harness.apply(on_trial("Canary")).await;
    assert!(state(&alone, "Loaded").2.contains("set Immediate first"), "{alone:?}");
    let good = harness.apply(fit(json!({}))).await;
    let canary = harness.apply(on_trial("Canary")).await;
    assert_eq!(canary.digest, good.digest, "what serves goes on");
    let trial = canary.trial.clone().unwrap();
    assert_eq!((trial.strategy.as_str(), state(&canary, "Loaded").0), ("Canary", "True"));
    assert_ne!(Some(&trial.digest), good.digest.as_ref());
    let promoted = harness.apply(hostile()).await;
    assert_eq!((promoted.digest.as_ref(), &promoted.trial), (Some(&trial.digest), &None));
    assert_eq!(promoted.previous_digests, [good.digest.unwrap()]);
    let calls = harness.calls();
    assert_eq!(
        calls[1..],
        ["install fit weight its own as canary", "install fit weight its own", "remove fit on trial"]
    );
}

#[tokio::test]
async fn a_trial_ends_when_the_old_source_is_declared_again_or_it_keeps_failing() {
    let mut harness = Harness::new();
    let good = harness.apply(fit(json!({}))).await;
    let shadow = harness.apply(on_trial("Shadow")).await;
    assert_eq!(shadow.trial.unwrap().report.unwrap().compared, 0);
    let back = harness.apply(fit(json!({}))).await;
    assert_eq!((back.trial, &back.digest), (None, &good.digest));

    harness.apply(on_trial("Canary")).await;
    let failing = harness.recorder.serving.lock().clone().unwrap();
    for _ in 0..3 {
        failing.filter(r#"{"metadata": {"name": "trap"}}"#, &vec![1]).unwrap_err();
    }
    let status = harness.lifecycle.observe("2026-11-21T13:00:00Z").await.remove("fit").unwrap();
    assert_eq!((&status.trial, &status.digest), (&None, &good.digest));
    let (loaded, reason, message) = state(&status, "Loaded");
    assert_eq!((loaded, reason), ("False", "RolledBack"));
    assert!(message.contains("on trial, was taken out after 3 failed calls"), "{message}");
}

#[tokio::test]
async fn versions_of_before_a_restart_are_remembered() {
    let mut harness = Harness::new();
    let version = |digest: &str| PreviousVersion {
        digest: digest.into(),
        source: SourceSpec { digest: Some(digest.into()), ..SourceSpec::default() },
        config: json!({}),
    };
    let previous = vec![version("sha256:1")];
    harness.lifecycle.remember("fit", previous, Some(version("sha256:2"))).await;
    let spec = fit(json!({}));
    assert!(!harness.lifecycle.is_settled("fit", &spec).await);
    let status = harness.apply(spec.clone()).await;
    assert_eq!(status.previous_digests, ["sha256:2", "sha256:1"]);
    assert!(harness.lifecycle.is_settled("fit", &spec).await);
    // The same component as before the restart is no earlier version of itself.
    let mut harness = Harness::new();
    harness.lifecycle.remember("fit", Vec::new(), Some(version(&status.digest.unwrap()))).await;
    assert!(harness.apply(spec).await.previous_versions.is_empty());
}

#[tokio::test]
async fn metrics_tell_what_each_version_does() {
    let mut harness = Harness::new();
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register_collector(Box::new(harness.lifecycle.metrics()));
    let counts = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    };
    let digest = harness.apply(fit(json!({}))).await.digest.unwrap();
    let serving = harness.recorder.serving.lock().clone().unwrap();
    serving.sync(&[]).unwrap();
    let labels = |stage: &str| {
        format!("{{plugin=\"fit\",world=\"orch:scheduler\",digest=\"{digest}\",stage=\"{stage}\"")
    };
    let calls = serving.stats().calls;
    assert!(calls > 0);
    for line in [
        format!("orch_plugin_calls_total{}}} {calls}\n", labels("serving")),
        format!("orch_plugin_call_duration_seconds_count{}}} {calls}\n", labels("serving")),
        format!(
            "orch_plugin_call_duration_seconds_bucket{{le=\"+Inf\",{}}} {calls}\n",
            &labels("serving")[1..]
        ),
        format!("orch_plugin_traps_total{}}} 0\n", labels("serving")),
    ] {
        let text = counts();
        assert!(text.contains(&line), "{line}{text}");
    }
    let mut shadow = fit(json!({"ignoredResources": ["example.org/gpu"]}));
    shadow["rollout"] = json!({"strategy": "Shadow"});
    let status = harness.apply(shadow).await;
    assert_eq!(state(&status, "Loaded").0, "True");
    let differences = format!("orch_plugin_shadow_differences_total{}}} 0\n", labels("shadow"));
    assert!(counts().contains(&differences), "{}", counts());
    harness.lifecycle.remove("fit").await;
    assert!(!counts().contains("plugin=\"fit\""));
}
