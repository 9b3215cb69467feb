//! Components built against every version of the contracts that was ever shipped still load and serve.
//! The files in `abi/VERSION` are never rebuilt.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::path::Path;

use orch_plugin::calls::admission::AdmissionPlugin;
use orch_plugin::calls::scheduler::{Delta, SchedulerPlugin, Scope, Verdict};
use orch_plugin::{Artifact, Limits, Source, World};
use serde_json::json;

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

#[test]
fn an_admission_check_of_0_1_0_reviews() {
    let artifact = kept("0.1.0", "default-toleration-seconds");
    let plugin = support::engine().load_admission("old", &artifact, &json!({}), Limits::default()).unwrap();
    let request = json!({"operation": "CREATE", "resource": {"group": "", "version": "v1", "resource": "pods"}, "object": {"spec": {}}});
    let admitted = plugin.review(&request.to_string()).unwrap().unwrap();
    assert!(admitted.patch.contains("tolerations"), "{}", admitted.patch);
}
