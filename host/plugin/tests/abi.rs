//! Components built against every version of the contracts that was ever shipped still load and serve.
//! The files in `abi/VERSION` are never rebuilt.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::path::Path;
use std::sync::Arc;

use orch_plugin::calls::admission::AdmissionPlugin;
use orch_plugin::calls::controller::ControllerPlugin;
use orch_plugin::calls::scheduler::{Delta, SchedulerPlugin, Scope, Verdict};
use orch_plugin::relevance::Asked;
use orch_plugin::worlds::ControllerComponent;
use orch_plugin::{Artifact, Limits, Source, World};
use serde_json::json;
use support::api::Recorder;

fn kept(version: &str, name: &str) -> Artifact {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/abi/{version}/{name}.wasm"));
    support::engine().artifact(&Source::File(file)).unwrap()
}

#[test]
fn every_kept_component_is_recognised() {
    let worlds = [
        ("taint-toleration", World::Scheduler),
        ("default-toleration-seconds", World::Admission),
        ("endpoints", World::Controller),
        ("routed", World::Cni),
    ];
    for (name, world) in worlds {
        let artifact = kept("0.1.0", name);
        assert_eq!((artifact.world, artifact.abi.as_str()), (world, "0.1.0"), "{name}");
    }
}

#[test]
fn a_scheduling_policy_of_0_1_0_filters_and_scores() {
    let artifact = kept("0.1.0", "taint-toleration");
    let plugin = support::engine().load_scheduler("old", &artifact, &json!({}), Limits::default()).unwrap();
    let description = plugin.description();
    assert_eq!(description.pod, ["spec.tolerations"]);
    assert_eq!(description.score_scope, Scope::Cluster);
    assert!(description.points.filter && description.points.score && !description.points.preemption);
    let node = |effect: &str| {
        json!({"spec": {"taints": [{"key": "k", "value": "v", "effect": effect}]}}).to_string()
    };
    plugin
        .sync(&[
            Delta::NodeUpsert(0, node("NoSchedule")),
            Delta::NodeUpsert(3, node("PreferNoSchedule")),
            Delta::NodeUpsert(5, "{}".into()),
            Delta::ObjectUpsert("{}".into()),
        ])
        .unwrap();
    let Verdict::Nodes(rejections) = plugin.filter("{}", &vec![0b101001]).unwrap() else { panic!() };
    assert_eq!((rejections.len(), &rejections[0].nodes[..]), (1, &[0b1][..]));
    assert_eq!(plugin.score("{}", &vec![0b101000]).unwrap(), [0, 100]);
}

async fn controller(version: &str, name: &str, api: &Arc<Recorder>) -> Arc<ControllerComponent> {
    let (engine, artifact) = (support::engine(), kept(version, name));
    assert_eq!((artifact.world, artifact.abi.as_str()), (World::Controller, version));
    engine.load_controller("old", &artifact, &json!({}), Limits::default(), api.clone()).await.unwrap()
}

/// It was built before there was an interface `metrics`.
#[tokio::test]
async fn a_controller_of_0_1_0_reconciles() {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "protocol": "TCP"}]},
    });
    let api = Arc::new(Recorder { objects: vec![service], ..Recorder::default() });
    let controller = controller("0.1.0", "endpoints", &api).await;
    api.go.notify_one(); // the list of pods
    controller.reconcile("shop/web").await.unwrap();
    assert!(api.calls.lock()[0].contains(r#""kind":"Endpoints""#), "{:?}", api.calls);
    assert!(controller.own_metrics().samples().is_empty());
}

#[tokio::test]
async fn a_controller_of_0_1_1_counts() {
    let controller = controller("0.1.1", "probe-controller", &Arc::default()).await;
    controller.reconcile("measure").await.unwrap();
    assert_eq!(controller.own_metrics().samples()[r#"probes_total{greeting="hello"}"#], 1.0);
}

#[test]
fn an_admission_check_of_0_1_0_reviews() {
    let artifact = kept("0.1.0", "default-toleration-seconds");
    let plugin = support::engine().load_admission("old", &artifact, &json!({}), Limits::default()).unwrap();
    let request = json!({"operation": "CREATE", "resource": {"group": "", "version": "v1", "resource": "pods"}, "object": {"spec": {}}});
    let admitted = plugin.review(&request.to_string()).unwrap().unwrap();
    assert!(admitted.patch.contains("tolerations"), "{}", admitted.patch);
    assert!(plugin.conditions().is_empty(), "there was no interface `relevance`");
}

#[test]
fn an_admission_check_of_0_1_2_says_what_it_reads() {
    let artifact = kept("0.1.2", "default-toleration-seconds");
    assert_eq!((artifact.world, artifact.abi.as_str()), (World::Admission, "0.1.2"));
    let plugin = support::engine().load_admission("old", &artifact, &json!({}), Limits::default()).unwrap();
    let pods = Asked { resource: "pods", subresource: "", groups: &[], namespace: "" };
    let request = json!({"operation": "CREATE", "object": {"spec": {"a": 1, "tolerations": []}}});
    let cut = plugin.view().of(&pods).unwrap().apply(&request);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&cut).unwrap()["object"],
        json!({"spec": {"tolerations": []}})
    );
}

#[test]
fn an_admission_check_of_0_1_1_says_what_matters() {
    let artifact = kept("0.1.1", "node-restriction");
    assert_eq!((artifact.world, artifact.abi.as_str()), (World::Admission, "0.1.1"));
    let plugin = support::engine().load_admission("old", &artifact, &json!({}), Limits::default()).unwrap();
    assert_eq!(plugin.conditions()[0].groups, ["system:nodes"]);
}
