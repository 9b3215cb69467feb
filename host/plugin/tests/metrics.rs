//! What the components themselves count, as whoever gathers metrics reads it.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use orch_plugin::calls::controller::{ControllerApi, ControllerPlugin};
use orch_plugin::lifecycle::{FetchError, Fetched, Lifecycle, Loaded, Placement, SourceSpec, Worlds};
use orch_plugin::worlds::ControllerComponent;
use orch_plugin::{Breaker, Source, World};
use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use support::api::Recorder;

/// What was installed, latest last.
#[derive(Clone, Default)]
struct Installed(Arc<Mutex<Vec<Arc<ControllerComponent>>>>);

#[async_trait]
impl Worlds for Installed {
    async fn install(&self, _: &Placement, plugin: Loaded) -> Result<(), String> {
        let Loaded::Controller(plugin) = plugin else { return Err("not a controller".into()) };
        self.0.lock().push(plugin);
        Ok(())
    }
    async fn remove(&self, _: World, _: &str) {}
    async fn remove_trial(&self, _: World, _: &str) {}
    async fn controller_api(&self, _: &str, _: &[Value]) -> Result<Arc<dyn ControllerApi>, String> {
        Ok(Arc::new(Recorder::default()))
    }
    async fn fetch(&self, _: &str, _: World, source: &SourceSpec) -> Result<Fetched, FetchError> {
        let source_of_bytes = Source::Bytes(support::fixture_bytes("probe-controller"));
        Ok(Fetched { source: source_of_bytes, pinned: source.clone() })
    }
}

struct Host {
    installed: Installed,
    lifecycle: Lifecycle<Installed>,
    registry: Registry,
}

impl Host {
    fn new() -> Self {
        let installed = Installed::default();
        let lifecycle = Lifecycle::new(support::engine(), installed.clone(), Breaker::default());
        let mut registry = Registry::default();
        registry.register_collector(Box::new(lifecycle.metrics()));
        Host { installed, lifecycle, registry }
    }

    async fn apply(&self, name: &str, strategy: &str, greeting: &str, at: &str) -> Arc<ControllerComponent> {
        let spec = json!({
            "world": "orch:controller", "source": {"file": "/probe.wasm"}, "config": {"greeting": greeting},
            "rollout": {"strategy": strategy},
        });
        let status = self.lifecycle.reconcile(name, &spec, 1, at).await;
        assert_eq!(status.condition("Loaded").unwrap().status, "True", "{status:?}");
        self.installed.0.lock().last().unwrap().clone()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }

    /// Each line, once.
    fn says(&self, lines: &[&str]) {
        let text = self.text();
        for line in lines {
            assert_eq!(text.lines().filter(|told| told == line).count(), 1, "{line}\n{text}");
        }
    }
}

#[tokio::test]
async fn a_shadow_counts_apart_from_what_serves() {
    let host = Host::new();
    let serving = host.apply("probe", "Immediate", "a \\ \"b\"\n# c", "2026-01-01T00:00:00Z").await;
    let shadow = host.apply("probe", "Shadow", "hey", "2026-01-01T00:00:01Z").await;
    for (component, times) in [(&serving, 3), (&shadow, 2)] {
        for _ in 0..times {
            component.reconcile("measure").await.unwrap();
        }
    }
    host.says(&[
        r#"# HELP plugin_probes Keys that were probed, \"all\"\nof them"#,
        "# TYPE plugin_probes counter",
        r#"plugin_probes_total{plugin="probe",stage="serving",greeting="a \\ \"b\"\n# c"} 3.0"#,
        r#"plugin_probes_total{plugin="probe",stage="shadow",greeting="hey"} 2.0"#,
        "# TYPE plugin_depth gauge",
        r#"plugin_depth{plugin="probe",stage="serving"} 3.0"#,
        "# TYPE plugin_probe_seconds histogram",
        r#"plugin_probe_seconds_sum{plugin="probe",stage="serving"} 2.25"#,
        r#"plugin_probe_seconds_count{plugin="probe",stage="serving"} 3"#,
        r#"plugin_probe_seconds_bucket{le="0.5",plugin="probe",stage="serving"} 0"#,
        r#"plugin_probe_seconds_bucket{le="1.0",plugin="probe",stage="serving"} 3"#,
        r#"plugin_probe_seconds_bucket{le="+Inf",plugin="probe",stage="shadow"} 2"#,
    ]);
    host.lifecycle.remove("probe").await;
    assert!(!host.text().contains("plugin_probes"));
}

#[tokio::test]
async fn a_name_stays_with_whom_it_served_longest() {
    let host = Host::new();
    let first = host.apply("z", "Immediate", "hi", "2026-01-01T00:00:00Z").await;
    let later = host.apply("a", "Immediate", "hi", "2026-01-01T00:00:01Z").await;
    later.reconcile("squat").await.unwrap();
    host.says(&[r#"plugin_depth_total{plugin="a",stage="serving"} 1.0"#]);
    first.reconcile("measure").await.unwrap();
    host.says(&["# TYPE plugin_depth gauge", r#"plugin_depth{plugin="z",stage="serving"} 1.0"#]);
    let text = host.text();
    assert!(!text.contains("plugin_depth_total"), "{text}");
    let hidden = |plugin: &str| {
        let of = format!("orch_plugin_hidden_metrics{{plugin=\"{plugin}\"");
        text.lines().find(|line| line.starts_with(&of)).unwrap().rsplit(' ').next().unwrap().to_string()
    };
    assert_eq!((hidden("a"), hidden("z")), ("1".into(), "0".into()));
}
